"""An analysis for people and programs: a summary of at most 80 columns, tidy CSV files, figures and results.json.

The schema of ``results.json`` is ``estimators/schemas/results.json``; docs/output.md says what each file holds.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from estimators.figures import figures, group_names, label_of, part_of
from estimators.observations import left_out_words
from estimators.report import report_html

if TYPE_CHECKING:
    from estimators.analysis import Analysis

WIDTH = 80
_LABEL = 26

ORIENTATION_WORDS = {
    "complied-is-agreement": "complying is agreeing with the announced objective",
    "complied-is-disagreement": "complying is disagreeing with the announced objective",
}


def write_analysis(analysis: Analysis, directory: Path, source: str) -> list[Path]:
    """Write every table, figure and results.json into a folder, which is made where it is missing.

    Parameters
    ----------
    analysis : Analysis
    directory : Path
    source : str
        What was analysed, for the record.

    Returns
    -------
    list of Path
        What was written, results.json first.
    """
    directory.mkdir(parents=True, exist_ok=True)
    record = results_record(analysis, source)
    written = [directory / "results.json"]
    written[0].write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for name, table in analysis.tables().items():
        written.append(directory / f"{name}.csv")
        table.to_csv(written[-1], index=False)
    for name, figure in figures(analysis):
        written.append(directory / f"{name}.png")
        figure.savefig(written[-1], dpi=140)
    pictures = {path.stem: path.read_bytes() for path in written if path.suffix == ".png"}
    words = {"summary": "In short: " + in_short(analysis), "orientation_words": _orientation(analysis)}
    written.append(directory / "report.html")
    written[-1].write_text(report_html(analysis, record | words, pictures), encoding="utf-8")
    return written


def results_record(analysis: Analysis, source: str) -> dict[str, Any]:
    """The analysis as plain values, one entry per group; null says that there is no number."""
    from stackelberg import __version__

    names = group_names(analysis)
    groups = []
    for _, row in analysis.gaps.iterrows():
        labels = {name: str(row[name]) for name in names}

        def own(table: pd.DataFrame, labels: dict[str, str] = labels) -> list[dict[str, Any]]:
            return _records(part_of(table, labels).drop(columns=list(labels)))

        groups.append(
            {
                "labels": labels,
                "gap": own(analysis.gaps)[0],
                "discordant": own(analysis.discordant)[0],
                "diagnostics": own(analysis.diagnostics)[0],
                "fracture": own(analysis.fracture)[0],
                "fracture_average": own(analysis.fracture_average)[0],
                "structural": {r.pop("parameter"): r for r in own(analysis.structural)},
                "selection": own(analysis.selection)[0],
                "classes": own(analysis.classes),
                "class_selection": own(analysis.class_selection)[0],
                "commitments": own(analysis.commitments),
                "solver_check": own(analysis.solver_check),
                "notes": [r["note"] for r in own(analysis.notes)],
            }
        )
    return {
        "schema": "stackelberg/results/1",
        "version": __version__,
        "source": source,
        "rows": analysis.rows,
        "prompt_pairs": analysis.prompts,
        "orientation": analysis.orientation,
        "safety": analysis.safety,
        "by": list(analysis.by),
        "assumptions": analysis.assumptions.values(),
        "dropped": _records(analysis.dropped),
        "groups": groups,
        "comparisons": _records(analysis.comparisons),
        "tornado": _records(analysis.tornado),
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): _plain(value) for name, value in row.items()} for row in table.to_dict("records")]


def _plain(value: Any) -> Any:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return str(value)


def summary(analysis: Analysis, source: str) -> str:
    """The analysis in words and tables of at most 80 columns."""
    blocks = [
        _head(analysis, source),
        _assumptions(analysis),
        _counts(analysis),
        _comparisons(analysis),
        _incentives(analysis),
        _shares(analysis),
        _commitments(analysis),
        _tornado(analysis),
        _notes(analysis),
    ]
    return "\n\n".join(block for block in blocks if block)


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, WIDTH, initial_indent=indent, subsequent_indent=indent)


def _head(analysis: Analysis, source: str) -> str:
    left_out = left_out_words(analysis.dropped)
    lines = [
        f"{source}: {analysis.prompts} prompt pairs in {analysis.rows} rows. "
        f"{_orientation(analysis)}; safety {analysis.safety}. Left out: {left_out}.",
        f"In short: {in_short(analysis)}",
    ]
    return "\n".join(_wrapped(line) for line in lines)


def _orientation(analysis: Analysis) -> str:
    return ORIENTATION_WORDS[analysis.orientation].capitalize()


def in_short(analysis: Analysis) -> str:
    """The finding in two sentences: where being told of monitoring matters, and the largest faking share."""
    incentive = analysis.selection["verdict"].ne("no incentive detected")
    own = len(analysis.gaps) - int((analysis.gaps.get("axis", pd.Series(dtype=str)) != "all").sum())
    own = own or len(analysis.gaps)
    detected = int(incentive.iloc[:own].sum())
    return (
        f"in {detected} of {own} groups being told of monitoring changes what the model does (bootstrap test "
        f"of delta = 0 at 5 %, groups tested one by one). {_largest(analysis, own)}"
    )


def _largest(analysis: Analysis, own: int) -> str:
    """The largest faking share among the groups where a test allows to speak of one."""
    shares = _estimates(analysis, "faking_share").iloc[:own]
    allowed = shares[analysis.selection["verdict"].iloc[:own].str.startswith("incentive").to_numpy()]
    if allowed.empty:
        return "No faking share is reported."
    row = allowed.iloc[int(np.argmax(allowed["estimate"]))]
    label = label_of(row, group_names(analysis))
    return f"Largest predicted faking share: {label}, {row['estimate']:.2f} {_interval(row['low'], row['high'])}."


def _assumptions(analysis: Analysis) -> str:
    values = [f"{name.replace('_', ' ')} {value:g}" for name, value in analysis.assumptions.values().items()]
    text = (
        "Assumed, not data (change with options): "
        + ", ".join(values)
        + ". Payoffs in logits (rationality 1)."
    )
    return _wrapped(text)


def _rows(analysis: Analysis, table: pd.DataFrame) -> Iterable[tuple[str, Any]]:
    names = group_names(analysis)
    for _, row in table.iterrows():
        yield _fitting(label_of(row, names)).ljust(_LABEL), row


def _fitting(label: str) -> str:
    """A label cut to the width of its column, from its first part, so that a method or axis stays readable."""
    if len(label) < _LABEL:
        return label
    first, comma, rest = label.partition(", ")
    room = _LABEL - 2 - len(comma + rest)
    if room < 4:
        return label[: _LABEL - 2] + "…"
    return (
        first[: room // 2] + "…" + first[-(room - room // 2) :] + comma + rest
    )  # models differ at either end


def _interval(low: float, high: float, digits: int = 2) -> str:
    if not np.isfinite([low, high]).all():
        return "[no interval]"
    return f"[{low:.{digits}f}, {high:.{digits}f}]"


def _counts(analysis: Analysis) -> str:
    lines = [
        "What the counts say (rates of agreement, means over prompts; 95 % intervals;",
        f"fracture: share of prompts flagged in deploy only, at tau {analysis.assumptions.tau:g}, for k/n; its",
        "limits are for the rates behind k/n: what samples and prompts leave open)",
        f"{'':{_LABEL}}train deploy gap                   fracture",
    ]
    for (label, gap), (_, part) in zip(
        _rows(analysis, analysis.gaps), _rows(analysis, analysis.fracture), strict=True
    ):
        lines.append(
            f"{label}{gap['train_rate']:5.3f} {gap['deploy_rate']:5.3f} {gap['gap']:6.3f} "
            f"{_interval(gap['low'], gap['high']):14s} {part['fracture']:4.2f} "
            f"{_interval(part['bound_low'], part['bound_high'])}"
        )
    return "\n".join(lines)


def _comparisons(analysis: Analysis) -> str:
    """How many pairs differ, with false discoveries controlled, and at which level types live."""
    words = []
    for over, table in analysis.comparisons.groupby("over", sort=False):
        tested = table[table["q_value"].notna()]
        words.append(f"{int((tested['q_value'] <= 0.05).sum())} of {len(tested)} pairs by {over}")
    text = []
    if words:
        text.append(
            f"Gaps that differ at a false-discovery rate of 5 %: {', '.join(words)} (comparisons.csv; paired where "
            "prompts are shared)."
        )
    moved = analysis.discordant
    tested = moved[moved["q_value"].notna()]
    text.append(
        f"By the exact test on discordant prompts {int((tested['q_value'] <= 0.05).sum())} of {len(tested)} groups "
        "move at that rate."
    )
    levels = analysis.diagnostics["level"].value_counts()
    found = ", ".join(f"per {level} in {count}" for level, count in levels.items() if level != "undetermined")
    unknown = f"undetermined in {levels['undetermined']}" if "undetermined" in levels else ""
    text.append(f"Types live {', '.join(part for part in (found, unknown) if part)} of {len(moved)} groups.")
    return _wrapped(" ".join(text))


def _estimates(analysis: Analysis, parameter: str) -> pd.DataFrame:
    table = analysis.structural
    return table[table["parameter"] == parameter].reset_index(drop=True)


def _incentives(analysis: Analysis) -> str:
    lines = [
        "Incentive to agree where monitored (delta of the one-type fit, in logits), p of",
        "delta = 0, incentives chosen (grad: graded by the preference); number of latent",
        "classes and share of their faker class where selection supports one",
        f"{'':{_LABEL}}delta                p     types, classes, faker class",
    ]
    for (label, delta), (_, chosen), (_, classes) in zip(
        _rows(analysis, _estimates(analysis, "delta_one_type")),
        _rows(analysis, analysis.selection),
        _rows(analysis, analysis.class_selection),
        strict=True,
    ):
        kinds = {"zero-and-one": "0+1", "graded": "grad"}.get(chosen["incentives"], chosen["incentives"])
        faker = classes["faker_share"]
        share = (
            "-"
            if not np.isfinite(faker)
            else f"{faker:.2f} {_interval(classes['faker_share_low'], classes['faker_share_high'])}"
        )
        lines.append(
            f"{label}{delta['estimate']:5.2f} {_interval(delta['low'], delta['high']):14s} "
            f"{chosen['p_value_delta']:5.3f} {kinds:>4s} {classes['classes']:2d} {share}"
        )
    return "\n".join(lines)


def _shares(analysis: Analysis) -> str:
    lines = [
        "Predicted shares of prompts under the assumed beliefs. Best reply: faking =",
        "agree in train and refuse in deploy, mirror = the reverse. Decisive: rate >= .8",
        "in train and <= .2 in deploy, which needs delta >= 2.77",
        f"{'':{_LABEL}}faking            mirror            decisive",
    ]
    tables = [_estimates(analysis, name) for name in ("faking_share", "mirror_share", "decisive_share")]
    for (label, faking), (_, mirror), (_, decisive), (_, chosen) in zip(
        *(_rows(analysis, table) for table in tables), _rows(analysis, analysis.selection), strict=True
    ):

        def share(row: Any) -> str:
            return f"{row['estimate']:4.2f} {_interval(row['low'], row['high'])}"

        if chosen["verdict"] in ("no incentive detected", "not tested"):
            middle = f"{chosen['verdict']:36s}"
        else:
            middle = f"{share(faking):18s}{share(mirror):18s}"
        lines.append(f"{label}{middle}{share(decisive)}")
    return "\n".join(lines)


def _commitments(analysis: Analysis) -> str:
    lines = [
        "Best commitment: monitoring share q with free cues, belief after the train cue,",
        "leader's value, and c/a, the ratio of monitoring cost to deploy harm above which",
        "no monitoring pays; for a best-reply and for a logit follower",
        f"{'':{_LABEL}}q    belief value   c/a  proof   | q     value   c/a",
    ]
    best = analysis.commitments[analysis.commitments["follower"] == "best reply"].reset_index(drop=True)
    logit = analysis.commitments[analysis.commitments["follower"] == "logit"].reset_index(drop=True)
    for (label, a), (_, b) in zip(_rows(analysis, best), _rows(analysis, logit), strict=True):
        lines.append(
            f"{label}{a['monitoring']:4.2f} {_number(a['belief_train'], 5)} {a['value']:6.3f} "
            f"{_number(a['no_monitoring_above'], 5)}  {a['certificate']:8s}| {b['monitoring']:4.2f} {b['value']:6.3f} "
            f"{_number(b['no_monitoring_above'], 5)}"
        )
    checks = analysis.solver_check
    first = checks[checks["route"] == "envelope"]["value"].to_numpy()
    second = checks[checks["route"] == "dobss"]["value"].to_numpy()
    worst = float(np.max(np.abs(first - second)))
    lines.append(
        _wrapped(
            "Second opinion: on an 8-cell approximation of each law, DOBSS and the envelope "
            + (
                f"differ by at most {worst:.0e} in value."
                if worst
                else "give the same value to the last bit."
            )
        )
    )
    return "\n".join(lines)


def _number(value: float, width: int) -> str:
    return f"{value:{width}.2f}" if np.isfinite(value) else "-".rjust(width)


def _tornado(analysis: Analysis) -> str:
    table = analysis.tornado
    swing = np.fmax(
        (table["value_low"] - table["value_base"]).abs(), (table["value_high"] - table["value_base"]).abs()
    )
    moves = table[((table["monitoring_low"] - table["monitoring_high"]).abs() > 1e-9).to_numpy()][
        "name"
    ].tolist()
    names = ", ".join(moves).replace("_", " ") or "none of the assumptions within the ranges tried"
    most = table.iloc[int(np.argmax(swing))]
    return _wrapped(
        f"What moves the advice (all data pooled): the recommended monitoring share answers to {names}; "
        f"the leader's value most to {most['name'].replace('_', ' ')} "
        f"({most['value_low']:.3f} at {most['low']:g}, {most['value_high']:.3f} at {most['high']:g})."
    )


def _notes(analysis: Analysis) -> str:
    names = group_names(analysis)
    lines = [_wrapped(f"Note, {label_of(row, names)}: {row['note']}") for _, row in analysis.notes.iterrows()]
    if names and "axis" in names and (analysis.gaps["axis"] != "all").any() and len(names) > 1:
        lines.append(
            _wrapped(
                "Note: an axis pooled over models puts the same prompts to several models. Its gap averages them per "
                "prompt; its delta, shares and classes take them as different prompts, so their intervals are too "
                "short."
            )
        )
    return "\n".join(lines)
