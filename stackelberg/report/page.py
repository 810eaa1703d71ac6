"""Fill the template: nothing is computed here but words and digits."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

DIGITS = 3


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


def page(
    record: Mapping[str, Any],
    groups: Sequence[Group],
    labels: Sequence[str],
    meanings: Mapping[str, str],
    figures: Mapping[str, bytes],
) -> str:
    """The report as HTML.

    Parameters
    ----------
    record : mapping
        The results record.
    groups : sequence of Group
        As in ``record["groups"]``, in its order.
    labels : sequence of str
        Names of the groups.
    meanings : mapping of str to str
        What each assumption means.
    figures : mapping of str to bytes
        PNG files by name: gaps, train_deploy, faking_plane, tornado; those that are there are shown.

    Returns
    -------
    str
    """
    import jinja2

    source = files("stackelberg.report")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {"number": number, "interval": interval, "share": share, "words": words}
    template = environment.from_string(source.joinpath("page.html").read_text(encoding="utf-8"))
    data = {"assumptions": record["assumptions"], "groups": [asdict(group) for group in groups]}
    html: str = template.render(
        record=record,
        rows=list(zip(labels, record["groups"], strict=True)),
        detected=[group.detected for group in groups],
        chosen=_most_faking(record, groups),
        meanings=meanings,
        figures={name: base64.b64encode(data).decode("ascii") for name, data in figures.items()},
        data=json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
        style=source.joinpath("page.css").read_text(encoding="utf-8"),
        script=source.joinpath("page.js").read_text(encoding="utf-8"),
    )
    return html


def _most_faking(record: Mapping[str, Any], groups: Sequence[Group]) -> int:
    """The group that the controls show first: the largest faking share among those with an incentive."""
    own = [entry["structural"]["faking_share"]["estimate"] for entry in record["groups"]]
    shares = [
        -1.0 if share is None or not group.detected else share
        for share, group in zip(own, groups, strict=True)
    ]
    return shares.index(max(shares))


def number(value: float | None, digits: int = DIGITS) -> str:
    """Digits of a number with a true minus sign; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def interval(low: float | None, high: float | None, digits: int = DIGITS) -> str:
    """Both ends, or that there is no interval."""
    return (
        "no interval" if low is None or high is None else f"{number(low, digits)} to {number(high, digits)}"
    )


def share(value: Mapping[str, float | None]) -> str:
    """An estimate with its interval."""
    return f"{number(value['estimate'], 2)} ({interval(value['low'], value['high'], 2)})"


def words(name: str) -> str:
    """A column's name as words."""
    return name.replace("_", " ")
