"""The tables of an analysis in words: one line per group, at most 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from estimators.figures import group_names, label_of

if TYPE_CHECKING:
    from estimators.analysis_record import Analysis

WIDTH = 80
_LABEL = 26


def own_groups(analysis: Analysis) -> int:
    """How many of the groups, which come first, are those of ``by`` and not an axis pooled over the rest."""
    axes = analysis.gaps["axis"] if "axis" in analysis.gaps else pd.Series("all", index=analysis.gaps.index)
    return int((axes == "all").sum()) or len(analysis.gaps)


def wrapped(text: str, bullet: str = "") -> str:
    """Text in lines of at most 80 columns, behind a bullet if there is one."""
    return textwrap.fill(text, WIDTH, initial_indent=bullet, subsequent_indent=" " * len(bullet))


def labelled_rows(analysis: Analysis, table: pd.DataFrame) -> Iterator[tuple[str, Any]]:
    """Name of each row's group, as wide as its column, and the row."""
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


def interval(low: float, high: float, digits: int = 2) -> str:
    """Both ends in brackets, or that there is no interval."""
    if np.isnan([low, high]).any():
        return "[no interval]"
    return f"[{low:.{digits}f}, {high:.{digits}f}]"


def counts_table(analysis: Analysis) -> str:
    """Rates, gaps and fracture."""
    lines = [
        "What the counts say (rates of agreement, means over prompts; 95 % intervals;",
        f"fracture: share of prompts flagged in deploy only, at tau {analysis.assumptions.tau:g}, for k/n; its",
        "limits are for the rates behind k/n: what samples and prompts leave open)",
        f"{'':{_LABEL}}train deploy gap                   fracture",
    ]
    for (label, gap), (_, part) in zip(
        labelled_rows(analysis, analysis.gaps), labelled_rows(analysis, analysis.fracture), strict=True
    ):
        lines.append(
            f"{label}{gap['train_rate']:5.3f} {gap['deploy_rate']:5.3f} {gap['gap']:6.3f} "
            f"{interval(gap['low'], gap['high']):14s} {part['fracture']:4.2f} "
            f"{interval(part['bound_low'], part['bound_high'])}"
        )
    return "\n".join(lines)


def estimates(analysis: Analysis, parameter: str) -> pd.DataFrame:
    """The rows of one parameter, in the order of the groups."""
    table = analysis.structural
    return table[table["parameter"] == parameter].reset_index(drop=True)


def incentive_table(analysis: Analysis) -> str:
    """Incentives, their tests, types and classes."""
    lines = [
        "Incentive to agree where monitored (delta of the one-type fit, in logits), p of",
        "delta = 0, incentives chosen (grad: graded by the preference); number of latent",
        "classes and share of their faker class where selection supports one",
        f"{'':{_LABEL}}delta                p     types, classes, faker class",
    ]
    for (label, delta), (_, chosen), (_, classes) in zip(
        labelled_rows(analysis, estimates(analysis, "delta_one_type")),
        labelled_rows(analysis, analysis.selection),
        labelled_rows(analysis, analysis.class_selection),
        strict=True,
    ):
        kinds = {"zero-and-one": "0+1", "graded": "grad"}.get(chosen["incentives"], chosen["incentives"])
        faker = classes["faker_share"]
        refused = classes["faker_reason"].startswith("refused")
        share = (
            "refused"
            if refused
            else "-"
            if not np.isfinite(faker)
            else f"{faker:.2f} {interval(classes['faker_share_low'], classes['faker_share_high'])}"
        )
        lines.append(
            f"{label}{delta['estimate']:5.2f} {interval(delta['low'], delta['high']):14s} "
            f"{chosen['p_value_delta']:5.3f} {kinds:>4s} {'' if refused else classes['classes']:>2} {share}"
        )
    return "\n".join(lines)


def share_table(analysis: Analysis) -> str:
    """Faking, mirror and decisive shares, or why there are none."""
    lines = [
        "Predicted shares of prompts under the assumed beliefs. Best reply: faking =",
        "agree in train and refuse in deploy, mirror = the reverse. Decisive: rate >= .8",
        "in train and <= .2 in deploy, which needs delta >= 2.77",
        f"{'':{_LABEL}}faking            mirror            decisive",
    ]
    tables = [estimates(analysis, name) for name in ("faking_share", "mirror_share", "decisive_share")]
    for (label, faking), (_, mirror), (_, decisive), (_, chosen) in zip(
        *(labelled_rows(analysis, table) for table in tables),
        labelled_rows(analysis, analysis.selection),
        strict=True,
    ):

        def share(row: Any) -> str:
            return f"{row['estimate']:4.2f} {interval(row['low'], row['high'])}"

        if faking["reading"].startswith("refused"):
            lines.append(f"{label}refused: no types of prompts")
        elif chosen["verdict"] in ("no incentive detected", "not tested"):
            lines.append(f"{label}{chosen['verdict']:36s}{share(decisive)}")
        else:
            lines.append(f"{label}{share(faking):18s}{share(mirror):18s}{share(decisive)}")
    return "\n".join(lines)


def commitment_table(analysis: Analysis) -> str:
    """Best commitments of both kinds of follower, and the second opinion."""
    lines = [
        "Best commitment: monitoring share q with free cues, belief after the train cue,",
        "leader's value, and c/a, the ratio of monitoring cost to deploy harm above which",
        "no monitoring pays; for a best-reply and for a logit follower",
        f"{'':{_LABEL}}q    belief value   c/a  proof   | q     value   c/a",
    ]
    best = analysis.commitments[analysis.commitments["follower"] == "best reply"].reset_index(drop=True)
    logit = analysis.commitments[analysis.commitments["follower"] == "logit"].reset_index(drop=True)
    for (label, a), (_, b) in zip(labelled_rows(analysis, best), labelled_rows(analysis, logit), strict=True):
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
        wrapped(
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


def planning_table(analysis: Analysis) -> str:
    """Present widths of intervals, and the design with the fewest samples that reaches the wanted one."""
    planned = analysis.planning[~analysis.planning["reading"].str.startswith("not planned")]
    if planned.empty:
        return ""
    width, logits = analysis.interval, 4 * np.arctanh(analysis.interval)
    lines = [
        wrapped(
            f"Prompts x samples in each context that bring 95 % intervals to a width of {width:g} (delta: "
            f"{logits:.2f}), with the fewest samples in all, beside the width now (planning.csv: other numbers "
            "of samples)"
        ),
        f"{'':{_LABEL}}gap               delta             faking share",
    ]
    names = group_names(analysis)
    for _, group in planned.groupby(names, sort=False) if names else [((), planned)]:
        cells = []
        for _, rows in group.groupby("quantity", sort=False):
            least, first = rows[rows["fewest"]], rows.iloc[0]
            if first["width_now"] <= first["wanted"] and not first["reading"]:
                plan = "reached"
            elif least.empty:
                plan = "-"
            else:
                plan = f"{least['prompts'].iloc[0]} x {least['samples'].iloc[0]}"
            now = f"{first['width_now']:.2f}" if np.isfinite(first["width_now"]) else "-"
            cells.append(f"{now:>5s} {plan}".ljust(18))
        label = next(labelled_rows(analysis, group))[0]
        lines.append((label + "".join(cells)).rstrip())
    return "\n".join(lines)
