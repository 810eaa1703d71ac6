"""Fill the template: nothing is computed here but words and digits."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

from stackelberg.report.table import Table

SECTIONS = {
    "asked": "What was asked",
    "say": "What the data say",
    "fracture": "Fracture and its bounds",
    "compare": "Comparisons",
    "levels": "Where types live",
    "assumed": "What is assumed",
    "predict": "Predictions",
    "commit": "Recommended commitment",
    "moves": "What moves the advice",
    "other": "Other readings",
    "next": "What to measure next",
    "diagnostics": "Diagnostics",
}
"""Of the page, by the name that a table gives; a table stands at the end of its section."""
_SMALLEST, _LARGEST = 2.0, 1.3
"""Pixels of a figure per pixel of the screen; a figure that is too wide at its smallest scrolls in its own box."""


@dataclass(frozen=True)
class Group:
    """What the controls need of a group of prompts.

    Attributes
    ----------
    label : str
    mu, sigma : float
        Mean and spread over prompts of the logit of agreeing at belief 0.
    ratio : float
        Spread at belief 1 over that at belief 0; one unless the incentive is graded by the preference.
    incentives, incentive_shares : list of float, shape (incentives,)
        Incentives in logits, and their shares.
    preferences, cell_incentives, priors : list of float, shape (cells,)
        The recommended game: each follower type's preference and incentive in logits, and its prior.
    detected : bool
        Whether a test allows to speak of an incentive.
    refused : str
        Why shares of prompts are refused; empty where they are not.
    """

    label: str
    mu: float
    sigma: float
    ratio: float
    incentives: Sequence[float]
    incentive_shares: Sequence[float]
    preferences: Sequence[float]
    cell_incentives: Sequence[float]
    priors: Sequence[float]
    detected: bool
    refused: str = ""


def page(
    record: Mapping[str, Any],
    groups: Sequence[Group],
    tables: Sequence[Table],
    compared: str,
    checks: Sequence[str],
    notes: Sequence[str],
    figures: Mapping[str, bytes],
) -> str:
    """The report as HTML.

    Parameters
    ----------
    record : mapping
        The results record, with ``summary`` and ``orientation_words`` beside.
    groups : sequence of Group
        As in ``record["groups"]``, in its order.
    tables : sequence of Table
        In the order in which each section shows them.
    compared : str
        What the comparisons found, in a sentence.
    checks, notes : sequence of str
        What each further reading says, and what a reader of a group's numbers must know.
    figures : mapping of str to bytes
        PNG files by name: gaps, train_deploy, fracture, faking_plane, tornado; those that are there are shown.

    Returns
    -------
    str

    Raises
    ------
    KeyError
        A table in a section that the page does not have.
    """
    import jinja2

    for table in tables:
        if table.section not in SECTIONS:
            raise KeyError(f"{table.caption}: the page has no section {table.section!r}")
    source = files("stackelberg.report")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(source.joinpath("page.html").read_text(encoding="utf-8"))
    data = {"assumptions": record["assumptions"], "groups": [asdict(group) for group in groups]}
    html: str = template.render(
        record=record,
        sections=SECTIONS,
        labels=[group.label for group in groups],
        chosen=_most_faking(record, groups),
        tables=tables,
        compared=compared,
        checks=checks,
        notes=notes,
        figures={name: _picture(png) for name, png in figures.items()},
        data=json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
        style=source.joinpath("page.css").read_text(encoding="utf-8"),
        script=source.joinpath("page.js").read_text(encoding="utf-8"),
    )
    return html


def _picture(png: bytes) -> dict[str, str | int]:
    """The picture as text, and the widths on a screen between which its words are neither small nor huge."""
    width = int.from_bytes(png[16:20], "big")  # in a PNG's first chunk
    data = base64.b64encode(png).decode("ascii")
    return {"data": data, "least": round(width / _SMALLEST), "most": round(width / _LARGEST)}


def _most_faking(record: Mapping[str, Any], groups: Sequence[Group]) -> int:
    """The group that the controls show first: the largest faking share among those with an incentive."""
    own = [entry["structural"]["faking_share"]["estimate"] for entry in record["groups"]]
    shares = [
        -1.0 if share is None or not group.detected else share
        for share, group in zip(own, groups, strict=True)
    ]
    return shares.index(max(shares))
