"""A fitted choice model as tables: its types with their payoffs, and every estimate with an interval and its scale.

Payoffs are multiples of the unknown logit precision λ and say so in the column `scale`; the indifference belief,
shares, rates, κ and φ are identified as they stand. Standard errors follow by the delta method, intervals are symmetric
on the scale where a quantity is unbounded.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from estimators.choice_fit import ChoiceFit
from estimators.choice_likelihood import CONSTANT, STRATEGIC, ChoiceForm
from estimators.delta_method import delta_method

Floats = NDArray[np.float64]

PAYOFF = "up to lambda"
POINT = "point"


def type_table(parameters: Floats, form: ChoiceForm) -> pd.DataFrame:
    """type, share, lambda_K, lambda_v, beta_star; free types have no payoffs."""
    rows = []
    for kind, label, block, share in zip(form.types, form.labels, form.blocks, form.shares(parameters)):
        own = parameters[block]
        if kind in CONSTANT:
            rows.append((label, share, 0.0, -own[0], np.nan))
        elif kind in STRATEGIC:
            incentive = STRATEGIC[kind] * np.exp(own[0])
            rows.append((label, share, incentive, incentive * own[1], own[1]))
        else:
            rows.append((label, share, np.nan, np.nan, np.nan))
    return pd.DataFrame(rows, columns=["type", "share", "lambda_K", "lambda_v", "beta_star"])


def summarise(fit: ChoiceFit, level: float) -> pd.DataFrame:
    """Tidy table: parameter, estimate, se, low, high, scale."""
    form = fit.form
    rows: list[tuple[object, ...]] = []

    def add(names: list[str], function: Callable[[Floats], Floats], shape: str, scale: str = POINT) -> None:
        numbers = delta_method(function, fit.parameters, fit.covariance, shape, level)
        rows.extend((name, *map(float, row), scale) for name, row in zip(names, zip(*numbers, strict=True)))

    if len(form.types) > 1:
        add([f"share[{label}]" for label in form.labels], form.shares, "logit")
    for kind, label, block in zip(form.types, form.labels, form.blocks):
        if kind in STRATEGIC:
            sign, at = STRATEGIC[kind], block.start
            add([f"beta_star[{label}]"], lambda x, at=at: x[at + 1 : at + 2], "plain")  # type: ignore[misc]
            if form.split:
                add([f"goal_part[{label}]"], lambda x, at=at: x[at + 2 : at + 3], "plain")  # type: ignore[misc]
            add([f"lambda_K[{label}]"], lambda x, at=at, s=sign: s * np.exp(x[at : at + 1]), "log", PAYOFF)  # type: ignore[misc]
            payoffs = [(f"lambda_v[{label}]", 1)]
            if form.split:
                payoffs += [(f"goal_guarding[{label}]", 2), (f"rater_pleasing[{label}]", -2)]
            for name, which in payoffs:
                add([name], lambda x, at=at, s=sign, w=which: _payoff(x, at, s, w), "plain", PAYOFF)  # type: ignore[misc]
        else:
            count = 1 if kind in CONSTANT else form.situations
            ends = [""] if kind in CONSTANT else [f", {u}" for u in range(count)]
            names = [f"rate[{label}{end}]" for end in ends]
            add(names, lambda x, block=block: np.asarray(expit(x[block])), "logit")  # type: ignore[misc]
    if form.sharpness:
        at_kappa = form.names.index("log_kappa")
        add(["kappa"], lambda x: np.exp(x[at_kappa : at_kappa + 1]), "log")
    if form.overdispersed:
        add(["phi"], lambda x: np.exp(x[-1:]), "log")
    return pd.DataFrame(rows, columns=["parameter", "estimate", "se", "low", "high", "scale"])


def _payoff(parameters: Floats, at: int, sign: float, which: int) -> Floats:
    """λv, λW (goal guarding at δ = 1) or λρ (rater pleasing)."""
    part = {
        1: parameters[at + 1],
        2: parameters[at + 2 : at + 3].sum(),
        -2: 1.0 - parameters[at + 2 : at + 3].sum(),
    }
    return np.array([sign * np.exp(parameters[at]) * part[which]])
