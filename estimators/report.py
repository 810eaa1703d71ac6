"""The page of an analysis: its tables, figures, laws and recommended games, put into :mod:`stackelberg.report`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from estimators.figures import group_names, part_of
from estimators.report_tables import labels_of, refusals, tables
from estimators.summary_checks import check_sentences
from stackelberg.report import Group, page

if TYPE_CHECKING:
    from estimators.analysis import Analysis


def report_html(analysis: Analysis, record: Mapping[str, Any], figures: Mapping[str, bytes]) -> str:
    """The report as one self-contained page.

    Parameters
    ----------
    analysis : Analysis
    record : mapping
        Its results record, with ``summary`` and ``orientation_words`` beside.
    figures : mapping of str to bytes
        PNG files by name.

    Returns
    -------
    str
    """
    notes = [
        f"{label}: {note}"
        for label, note in zip(labels_of(analysis, analysis.notes), analysis.notes["note"], strict=True)
    ]
    shown, checks = list(tables(analysis)), check_sentences(analysis)
    return page(record, _groups(analysis), shown, _compared(analysis), checks, notes, figures)


def _compared(analysis: Analysis) -> str:
    """How many pairs differ, by what is compared."""
    tested = analysis.comparisons[analysis.comparisons["q_value"].notna()]
    found = [
        f"{int((part['q_value'] <= 0.05).sum())} of {len(part)} pairs by {over}"
        for over, part in tested.groupby("over", sort=False)
    ]
    return f"At q ≤ .05 differ {', '.join(found)}." if found else "Here there are no two groups to compare."


def _groups(analysis: Analysis) -> list[Group]:
    """What the controls need of each group."""
    names = group_names(analysis)
    groups = []
    for label, (_, row), verdict, refused in zip(
        labels_of(analysis, analysis.gaps),
        analysis.gaps.iterrows(),
        analysis.selection["verdict"],
        refusals(analysis),
        strict=True,
    ):
        own = {name: str(row[name]) for name in names}
        law, cells = part_of(analysis.law, own), part_of(analysis.game_types, own)
        groups.append(
            Group(
                label=label,
                mu=float(law["mu"].iloc[0]),
                sigma=float(law["sigma"].iloc[0]),
                ratio=float(law["ratio"].iloc[0]),
                incentives=law["incentive"].tolist(),
                incentive_shares=law["share"].tolist(),
                preferences=cells["preference"].tolist(),
                cell_incentives=cells["incentive"].tolist(),
                priors=cells["prior"].tolist(),
                detected=str(verdict).startswith("incentive"),
                refused=refused,
            )
        )
    return groups
