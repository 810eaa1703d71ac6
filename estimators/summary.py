"""An analysis in words: what was found in short, the tables, the checks, and what a reader must know beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from estimators.figures import group_names, label_of
from estimators.observations import left_out_words
from estimators.summary_checks import checks
from estimators.summary_tables import (
    commitment_table,
    counts_table,
    estimates,
    incentive_table,
    interval,
    own_groups,
    planning_table,
    share_table,
    wrapped,
)

if TYPE_CHECKING:
    from estimators.analysis_record import Analysis

ORIENTATION_WORDS = {
    "complied-is-agreement": "complying is agreeing with the announced objective",
    "complied-is-disagreement": "complying is disagreeing with the announced objective",
}


def summary(analysis: Analysis, source: str) -> str:
    """The analysis in words and tables of at most 80 columns."""
    blocks = [
        _head(analysis, source),
        _assumptions(analysis),
        counts_table(analysis),
        _comparisons(analysis),
        incentive_table(analysis),
        share_table(analysis),
        checks(analysis),
        planning_table(analysis),
        commitment_table(analysis),
        _tornado(analysis),
        _notes(analysis),
    ]
    return "\n\n".join(block for block in blocks if block)


def _head(analysis: Analysis, source: str) -> str:
    left_out = left_out_words(analysis.dropped)
    lines = [
        f"{source}: {analysis.prompts} prompt pairs in {analysis.rows} rows. "
        f"{orientation_words(analysis)}; safety {analysis.safety}. Left out: {left_out}.",
        f"In short: {in_short(analysis)}",
    ]
    return "\n".join(wrapped(line) for line in lines)


def orientation_words(analysis: Analysis) -> str:
    """What complying means, as the beginning of a sentence."""
    return ORIENTATION_WORDS[analysis.orientation].capitalize()


def in_short(analysis: Analysis) -> str:
    """The finding in two sentences: where being told of monitoring matters, and the largest faking share."""
    own = own_groups(analysis)
    verdicts = analysis.selection["verdict"].iloc[:own]
    tested = verdicts.ne("not tested")
    if not tested.any():
        return "whether being told of monitoring changes what the model does was not tested (bootstrap 0)."
    detected = int((tested & verdicts.ne("no incentive detected")).sum())
    return (
        f"in {detected} of {own} groups being told of monitoring changes what the model does (bootstrap test "
        f"of delta = 0 at 5 %, groups tested one by one). {_largest(analysis, own)}"
    )


def _largest(analysis: Analysis, own: int) -> str:
    """The largest faking share among the groups where a test allows to speak of one."""
    shares = estimates(analysis, "faking_share").iloc[:own]
    detected = analysis.selection["verdict"].iloc[:own].str.startswith("incentive").to_numpy()
    allowed = shares[detected & shares["estimate"].notna().to_numpy()]
    if allowed.empty:
        return "No faking share is reported."
    row = allowed.iloc[int(np.argmax(allowed["estimate"]))]
    label = label_of(row, group_names(analysis))
    return (
        f"Largest predicted faking share: {label}, {row['estimate']:.2f} {interval(row['low'], row['high'])}."
    )


def _assumptions(analysis: Analysis) -> str:
    values = [f"{name.replace('_', ' ')} {value:g}" for name, value in analysis.assumptions.values().items()]
    text = (
        "Assumed, not data (change with options): "
        + ", ".join(values)
        + ". Payoffs in logits (rationality 1)."
    )
    return wrapped(text)


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
    return wrapped(" ".join(text))


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
    return wrapped(
        f"What moves the advice (all data pooled): the recommended monitoring share answers to {names}; "
        f"the leader's value most to {most['name'].replace('_', ' ')} "
        f"({most['value_low']:.3f} at {most['low']:g}, {most['value_high']:.3f} at {most['high']:g})."
    )


def _notes(analysis: Analysis) -> str:
    names = group_names(analysis)
    lines = [wrapped(f"Note, {label_of(row, names)}: {row['note']}") for _, row in analysis.notes.iterrows()]
    pooled = analysis.law_checks["reading"].str.startswith("not checked").sum()
    if pooled:
        lines.append(
            wrapped(
                f"Note: {pooled} groups pool models that share prompts. There the prompt is the unit: gaps and "
                "discordant prompts average its models, intervals of delta, shares and classes are clustered by "
                "prompt. Delta is one for all those models; types and a faker class are not looked for, as a "
                "mixture of models would pass for them."
            )
        )
    return "\n".join(lines)
