"""What the checks of an analysis say, a sentence or two each: laws, payoffs, motives, shared prompts, relatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from estimators.figures import group_names, label_of
from estimators.summary_tables import interval, wrapped

if TYPE_CHECKING:
    from estimators.analysis_record import Analysis


def checks(analysis: Analysis) -> str:
    """All checks, each a paragraph of its own lines."""
    return "\n".join(["Checks", *(wrapped(text, "- ") for text in check_sentences(analysis))])


def check_sentences(analysis: Analysis) -> list[str]:
    """What each check says."""
    found = (_laws, _bounds, _motives, _sharing, _pooling, _posterior)
    return [text for check in found if (text := check(analysis))]


def _laws(analysis: Analysis) -> str:
    """How far other laws of preference move the incentive and the faking share."""
    names = group_names(analysis)
    rows = []
    for _, group in analysis.law_checks.groupby(names, sort=False) if names else [((), analysis.law_checks)]:
        laws = group[group["reading"] == ""].set_index("law")
        if "normal" not in laws.index:
            continue
        normal, others = laws.loc["normal"], laws.drop(index=["normal", "graded"], errors="ignore")
        graded = laws["delta"].get("graded", np.nan) - normal["delta"]
        moved = (others["delta"] - normal["delta"]).abs().max()
        inside = others["delta"].between(normal["low"], normal["high"]).all()
        share = (others["faking_share"] - normal["faking_share"]).abs().max()
        rows.append((label_of(group.iloc[0], names), moved, bool(inside), share, abs(graded)))
    if not rows:
        return "Other laws of preference: no group allows the check (law_checks.csv)."
    table = pd.DataFrame(rows, columns=["label", "delta", "inside", "share", "graded"])
    text = (
        f"Other laws of preference (logistic, any, none assumed; law_checks.csv): delta moves by at most "
        f"{table['delta'].max():.2f} and stays in its interval in {int(table['inside'].sum())} of {len(table)} groups; "
        f"the faking share moves by up to {table['share'].max():.2f} ({_at_most(table, 'share')})."
    )
    if table["graded"].notna().any():
        most = f"{table['graded'].max():.2f} ({_at_most(table, 'graded')})"
        text += f" Graded by the preference, delta moves by up to {most}."
    return text


def _at_most(table: pd.DataFrame, column: str) -> str:
    return str(table["label"].iloc[int(np.nanargmax(table[column]))])


def _bounds(analysis: Analysis) -> str:
    """Where replies bound the indifference belief, and whether they contradict the payoffs."""
    names, table = group_names(analysis), analysis.payoff_bounds
    first = table["reading"].str.split(":").str[0]
    counted = ", ".join(f"{word} in {count}" for word, count in first.value_counts(sort=False).items())
    what = "Indifference belief of the strategic type, without a law of noise (payoff_bounds.csv)"
    text = f"{what}: {counted} of {len(table)}."
    sure = table[first == "bounded"]
    text += "".join(
        f" {label_of(row, names)}: {interval(row['low'], row['high'])}, estimate {row['beta_star']:.2f}."
        for _, row in sure.iterrows()
    )
    tested = table[(table["degrees"] > 0).fillna(False)]
    if tested.empty:
        return text + " Two stated beliefs leave the payoffs no test."
    return text + f" The payoffs' likelihood-ratio test is least at p = {tested['p_value'].min():.3f}."


def _motives(analysis: Analysis) -> str:
    """Goal guarding against rater pleasing."""
    names, table = group_names(analysis), analysis.motives
    if table.empty:
        return (
            "Goal guarding and rater pleasing: not identified; only their sum shows without an arm that is rated but "
            "not trained on."
        )
    parts = []
    for _, row in table.iterrows():
        name = str(row["parameter"]).partition("[")[0].replace("_", " ")
        where = label_of(row, names)
        if str(row["reading"]).startswith("not identified"):
            parts.append(f"{where}: {row['reading']}")
        elif name in ("goal guarding", "rater pleasing"):
            doubt = f" ({row['reading']})" if row["reading"] else ""
            parts.append(f"{where}: {name} {row['estimate']:.2f} {interval(row['low'], row['high'])}{doubt}")
    return f"Motives, in units of 1/lambda (motives.csv): {'; '.join(parts)}."


def _sharing(analysis: Analysis) -> str:
    """What groups that were put the same prompts share."""
    row = analysis.sharing.iloc[0]
    if str(row["reading"]).startswith("not fitted"):
        return f"Effects of prompts that models share: {row['reading']}."
    table = analysis.crossed
    explained = table[(table["parameter"] == "explained") & (table["reading"] == "") & table["low"].notna()]
    verdict = (
        "models share what makes a prompt hard"
        if row["p_value"] <= 0.05
        else "no common factor of prompts is seen"
    )
    text = f"Shared prompts: {verdict} (permutation p = {row['p_value']:.3f})"
    if len(explained) and row["p_value"] <= 0.05:
        names = list(table.columns[: table.columns.get_loc("parameter")])
        order = explained.sort_values("estimate")
        least, most = (
            f"{each['estimate']:.2f} {interval(each['low'], each['high'])} ({label_of(each, names)})"
            for each in (order.iloc[0], order.iloc[-1])
        )
        text += f"; of the variance over prompts it explains {least} to {most} (crossed.csv)"
    doubt = f" {row['reading']}." if row["reading"] else ""
    return f"{text}.{doubt}"


def _pooling(analysis: Analysis) -> str:
    """The mean incentive, and that of a model not seen."""
    table = analysis.pooling
    parts = []
    for over, rows in table.groupby("over", sort=False):
        mean, new = (rows[rows["level"] == level].iloc[0] for level in ("mean", "new model"))
        parts.append(
            f"over {over}: mean delta {mean['estimate']:.2f} {interval(mean['low'], mean['high'])}, a model of a new "
            f"{over} {new['estimate']:.2f} {interval(new['low'], new['high'])}, spread between {over} groups "
            f"{mean['between_groups']:.2f} and between models {mean['between_models']:.2f}"
        )
    return f"Pooled incentives (pooling.csv), {'; '.join(parts)}." if parts else ""


def _posterior(analysis: Analysis) -> str:
    """What was sampled, or why nothing was."""
    if analysis.posterior.empty:
        how = "; --posterior samples it" if analysis.posterior_note == "not asked for" else ""
        return f"Posterior: {analysis.posterior_note}{how}."
    failed = int((analysis.posterior_checks["p_value"] < 0.05).sum())
    means = analysis.posterior[analysis.posterior["parameter"] == "delta"]
    ends = means.loc[list(dict.fromkeys([means["mean"].idxmin(), means["mean"].idxmax()]))]
    told = " to ".join(
        f"{row['mean']:.2f} {interval(row['low'], row['high'])} ({row['model']})"
        for _, row in ends.iterrows()
    )
    pooled = ", pooled over models and families" if len(means) > 1 else ""
    return (
        f"Posterior{pooled} ({analysis.posterior_note}): delta {told}; {failed} of "
        f"{len(analysis.posterior_checks)} predictive checks fall below p = .05 (posterior.csv, posterior_checks.csv)."
    )
