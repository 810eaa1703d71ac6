"""The page of an analysis: its record, figures, laws and recommended games, put into :mod:`stackelberg.report`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from estimators.figures import group_names, label_of, part_of
from estimators.policy import MEANINGS
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
    names = group_names(analysis)
    labels = [label_of(row, names) for _, row in analysis.gaps.iterrows()]
    groups = []
    for label, (_, row), selection in zip(
        labels, analysis.gaps.iterrows(), analysis.selection["verdict"], strict=True
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
                detected=str(selection).startswith("incentive"),
            )
        )
    return page(record, groups, labels, MEANINGS, figures)
