"""An analysis for people and programs: tidy CSV files, figures, a page and results.json; its summary in words.

The schema of ``results.json`` is ``estimators/schemas/results.json``; docs/output.md says what each file holds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from estimators.figures import figures, group_names, part_of
from estimators.report import report_html
from estimators.summary import in_short, orientation_words, summary

if TYPE_CHECKING:
    from estimators.analysis import Analysis

__all__ = ["results_record", "summary", "write_analysis"]

# Tables over several groups, or over all arms of a group.
TOGETHER = ("payoff_bounds", "motives", "crossed", "sharing", "pooling", "posterior", "posterior_checks")


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
    words = {"summary": "In short: " + in_short(analysis), "orientation_words": orientation_words(analysis)}
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
                "law_checks": own(analysis.law_checks),
                "planning": own(analysis.planning),
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
        **{name: _records(getattr(analysis, name)) for name in TOGETHER},
        "posterior_note": analysis.posterior_note,
        "interval": analysis.interval,
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
