"""What a group's counts refuse to say is refused in its tables: each row that has no number says why.

1. *No types of prompts* (`estimators.diagnostics` says per sample or per model): a law of preferences over prompts
   would be fitted to noise. One logit stands for all prompts instead, logit p_s = μ + β_s δ, and every share of
   prompts is refused, latent classes included.
2. *No finite incentive* (every prompt that moved moved one way): δ̂ is infinite and has an exact limit on one side
   (`estimators.law_check.one_sided_limits`). Shares of prompts then come as a range: with the limit and with the bound
   of δ in its place, and the law refitted at each, the hull of the two intervals.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from estimators.law_check import one_sided_limits
from estimators.newton import informed, maximise, observed_covariance
from estimators.structural_fit import StructuralFit
from estimators.structural_likelihood import ONE, log_likelihood
from estimators.structural_summary import root, summarise

if TYPE_CHECKING:
    from estimators.count_cells import CountCells
    from estimators.diagnostics import Diagnostics
    from estimators.structural import StructuralPayoffs

NO_TYPES = ("sample", "model")
SHARES = ("faking_share", "mirror_share", "decisive_share")
CLASS_COLUMNS = (
    "class",
    *(f"{name}{end}" for name in ("share", "p_train", "p_deploy") for end in ("", "_se", "_low", "_high")),
)
_NO_SPREAD = float(np.log(0.005))
_NUMBERS = ["estimate", "se", "low", "high"]
_WIDEST = (np.array([-40.0, _NO_SPREAD, -40.0]), np.array([40.0, np.log(12.0), 40.0]))


def reason_of(level: Diagnostics) -> str:
    """Why no prior over types of prompts is given; empty where one is.

    Examples
    --------
    >>> from estimators.datasets import load_vlaf
    >>> from estimators.diagnostics import diagnose
    >>> reason_of(diagnose(load_vlaf()))
    ''
    """
    return f"refused: no types of prompts: {level.reason}" if level.level in NO_TYPES else ""


def without_types(fit: StructuralPayoffs, cells: CountCells, reason: str) -> StructuralPayoffs:
    """The same counts with one logit for all prompts; rows of the summary that need types say `reason`."""
    one = _refitted(fit.fits_["one"], cells, log_sigma=_NO_SPREAD)
    found = _standing_for(fit, {"one": one, "no incentive": fit.fits_["no incentive"]}, cells)
    found.summary = _refused(found.summary, [*SHARES, "sigma"], reason)
    return found


def refused_classes(reason: str) -> pd.DataFrame:
    """The table of latent classes where there are none to fit: one row that says why."""
    row = dict.fromkeys(CLASS_COLUMNS, float("nan")) | {"class": "refused", "reading": reason}
    return pd.DataFrame([row])


def with_one_sided_incentive(fit: StructuralPayoffs, cells: CountCells) -> tuple[StructuralPayoffs, str]:
    """The same fit with δ infinite and bounded on one side where its counts bound it so, and a note of that."""
    limits = one_sided_limits(cells, fit.level) if fit.chosen_ == "one" else None
    if limits is None or fit.status_ == "no variation":
        return fit, ""
    up = bool(np.isfinite(limits[0]))
    nearest, way = (limits[0], "at least") if up else (limits[1], "at most")
    why = f"not bounded {'above' if up else 'below'}: every prompt that moved moved to {'agree' if up else 'refuse'}"
    found = copy(fit)
    own = fit.summary.copy()
    sizes = own["parameter"].isin(["delta", "delta_one_type"])
    own.loc[sizes, _NUMBERS] = [np.inf if up else -np.inf, np.nan, *limits]
    own.loc[sizes, "reading"] = f"{why}; {way} {nearest:.2f}"
    at_limit = _refitted(fit.fits_["one"], cells, delta=nearest)
    other = _standing_for(fit, {"one": at_limit, "no incentive": fit.fits_["no incentive"]}, cells).summary
    for name in SHARES:
        row = own["parameter"] == name
        low, high = (
            pd.concat([t.loc[t["parameter"] == name, end] for t in (own, other)]) for end in ("low", "high")
        )
        own.loc[row, ["low", "high"]] = [low.min(), high.max()]
    found.summary = own
    note = f"delta is {why}; it is {way} {nearest:.2f} (exact, without a law), and shares are ranges over what is left"
    return found, note


def _refused(summary: pd.DataFrame, names: list[str], reason: str) -> pd.DataFrame:
    table = summary.copy()
    rows = table["parameter"].isin(names)
    table.loc[rows, _NUMBERS] = np.nan
    table.loc[rows, "reading"] = reason
    return table


def _refitted(
    one: StructuralFit, cells: CountCells, *, log_sigma: float | None = None, delta: float | None = None
) -> StructuralFit:
    """One incentive again, with the spread or the incentive held at a value."""
    lower, upper = (end.copy() for end in _WIDEST)
    for k, held in ((1, log_sigma), (2, delta)):
        if held is not None:
            lower[k] = upper[k] = held
    found = maximise(lambda x: log_likelihood(x, cells, ONE), one.parameters, lower, upper)
    covariance, condition = observed_covariance(found.hessian, informed(found))
    return replace(
        one,
        parameters=found.x,
        covariance=covariance,
        log_likelihood=found.value,
        condition_number=condition,
        gradient_norm=float(np.abs(found.gradient[found.free]).max(initial=0.0)),
    )


def _standing_for(
    fit: StructuralPayoffs, fits: dict[str, StructuralFit], cells: CountCells
) -> StructuralPayoffs:
    """A copy of the estimator whose selected fit is the given one with one incentive."""
    found, one = copy(fit), fits["one"]
    found.fits_, found.chosen_ = fits, "one"
    found.law_, found.parameters_, found.covariance_ = one.law, one.parameters, one.covariance
    found.parameter_names_ = one.candidate.parameter_names
    found.log_likelihood_, found.bic_ = one.log_likelihood, one.bic
    found.gradient_norm_, found.condition_number_ = one.gradient_norm, one.condition_number
    found.delta_one_type_ = float(one.law.deltas[0])
    normal = np.random.default_rng([fit.seed, 2]).standard_normal((len(fit.draws_), len(one.parameters)))
    found.draws_ = one.parameters + normal @ root(one.covariance).T
    told = (fit.beliefs["train"], fit.beliefs["deploy"])
    found.summary = summarise(one, one, found.draws_, told, fit.level, fit.verdict_)
    return found
