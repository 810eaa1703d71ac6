"""What a fitted model says of the prompts and samples that a further evaluation of it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from estimators.design import Design
from estimators.planning import Bound, law_bound, plan, plan_gap, plan_table
from estimators.shares import PreferenceLaw

if TYPE_CHECKING:
    from estimators.structural import StructuralPayoffs


def plan_fit(fit: StructuralPayoffs, interval: float, *, shares: bool = True) -> pd.DataFrame:
    """Prompts and samples that bring the intervals of a fitted model's gap, incentive and faking share to a width.

    Parameters
    ----------
    fit : StructuralPayoffs
        Fitted, with beliefs of train and deploy as its design.
    interval : float in (0, 1)
        Width for gap and faking share. The incentive's is 4 artanh of it: the least shift of log-odds that moves a
        rate by so much (`estimators.published_gaps`).
    shares : bool
        Whether shares of prompts mean something; otherwise only the gap is planned for.

    Returns
    -------
    DataFrame
        quantity ("gap", "delta" of one incentive, "faking_share" of the selected law), wanted (width), the columns of
        `plan`, and reading: why a quantity has a single row without numbers.

    Raises
    ------
    ValueError
        An interval outside (0, 1).

    Examples
    --------
    >>> from estimators.datasets import load_vlaf
    >>> from estimators.structural import StructuralPayoffs
    >>> model = next(group for labels, group in load_vlaf().groups("model") if labels["model"] == "Qwen3-8B")
    >>> table = plan_fit(StructuralPayoffs(incentives="one", bootstrap=0).fit(model), 0.1)
    >>> table.loc[table["fewest"], ["quantity", "samples", "prompts", "total_samples"]]
            quantity  samples  prompts  total_samples
    0            gap        1      438            876
    11         delta       20      103           4120
    12  faking_share        1      877           1754
    """
    if not 0 < interval < 1:
        raise ValueError(
            f"interval is {interval}; give the width of an interval between 0 and 1, such as 0.1"
        )
    beliefs = fit.beliefs["train"], fit.beliefs["deploy"]
    logits = float(4 * np.arctanh(interval))
    bounded = bool(np.isfinite(fit.fits_["one"].covariance[2, 2]))
    spread = "" if shares else "no types of prompts"
    tried = spread or ("" if bounded else "not identified: the incentive has no finite estimate")
    undetected = "" if fit.verdict_ != "no incentive detected" else fit.verdict_
    one = _remembered(fit.fits_["one"].law, beliefs)
    chosen = one if fit.chosen_ == "one" else _remembered(fit.law_, beliefs)
    wanted = [
        ("gap", interval, "", lambda: plan_gap(fit.law_, interval, beliefs=beliefs, level=fit.level)),
        ("delta", logits, tried, lambda: _planned(one, "delta", logits, fit)),
        (
            "faking_share",
            interval,
            tried or undetected,
            lambda: _planned(chosen, "faking_share", interval, fit),
        ),
    ]
    parts = []
    for quantity, width, reason, planned in wanted:
        table = plan_table([(0, 0, 0, np.nan, np.nan)]) if reason else planned()
        unknown = "" if reason or (table["prompts"] > 0).any() else "not identified at this law"
        parts.append(table.assign(quantity=quantity, wanted=width, reading=reason or unknown))
    front = ["quantity", "wanted"]
    return pd.concat(parts, ignore_index=True)[[*front, *parts[0].columns.difference([*front], sort=False)]]


def _remembered(law: PreferenceLaw, beliefs: tuple[float, float]) -> Bound:
    """`law_bound`, once for each number of samples of a regular design."""
    known: dict[int, Mapping[str, float]] = {}

    def bound(design: Design) -> Mapping[str, float]:
        samples = int(design.n.max())
        if samples not in known:
            known[samples] = law_bound(law, beliefs)(design)
        return known[samples]

    return bound


def _planned(bound: Bound, quantity: str, width: float, fit: StructuralPayoffs) -> pd.DataFrame:
    beliefs = fit.beliefs["train"], fit.beliefs["deploy"]

    def design(prompts: int, samples: int) -> Design:
        return Design.regular(prompts, samples, beliefs)

    return plan(bound, quantity, width, design=design, level=fit.level)
