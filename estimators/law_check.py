"""How far one incentive's size rests on the assumed law of preferences: the same counts under four assumptions.

Model of `estimators.structural` with one incentive δ:  logit p_is = μ_i + β_s δ. The law of μ_i is normal; logistic;
any law at all, fitted with δ by maximum likelihood (Kiefer & Wolfowitz 1956); or left out altogether, since given a
prompt's total t = Σ_s k_s its counts no longer depend on μ_i:
  P(k | t) = Π_s C(n_s, k_s) e^{δ b} / Σ_{k': Σ k' = t} Π_s C(n_s, k'_s) e^{δ b'},   b = Σ_s β_s k_s
(Andersen 1970, JRSS B 32:283, the conditional likelihood; for two contexts the noncentral hypergeometric law).

In words: where the four δ agree, the incentive does not hang on the shape that was assumed. The faking share does
need a law: under any law its estimate is a sum over some atoms, rough and without an interval.

Where every prompt that moved moved one way, δ has no finite estimate under any of them. The last law still bounds it on
one side, exactly: with b⁺ the observed Σ_i b_i, the largest that the totals allow, the lower limit at level 1 − α
solves P_δ(Σ_i b_i = b⁺ | totals) = α/2 (Clopper & Pearson 1934, of which it is the case with one sample each).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import gammaln, log_expit, logsumexp
from scipy.stats import norm

from estimators.count_cells import CountCells, belief_units, count_cells
from estimators.mixing import climb, local_maxima
from estimators.newton import maximise
from estimators.observations import ObservationError, Observations
from estimators.preference import PREFERENCES
from estimators.shares import faking_share
from estimators.structural_fit import fit_candidate
from estimators.structural_likelihood import Candidate

Floats = NDArray[np.float64]
# Steps of .1 logits: an eighth of the standard error of a logit that 60 samples at p = ½ give.
_GRID = np.linspace(-14.0, 14.0, 281)[:, None]


def check_law(
    counts: CountCells | Observations, level: float = 0.95, beliefs: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """The incentive under four assumptions on the law of preferences.

    Parameters
    ----------
    counts : CountCells, or Observations of one model, family, method and setting
        The arms of a prompt share its preference.
    level : float
        Of the intervals.
    beliefs : mapping from "train" and "deploy" to [0, 1], optional
        Of observations that state none; default 1 and 0.

    Returns
    -------
    DataFrame
        law ("normal", "logistic", "any", "none assumed"), delta, se, low, high, log_likelihood (NaN for "none assumed",
        whose likelihood is of another thing), faking_share (NaN there too). The standard error under any law is that of
        the conditional likelihood, to which it is asymptotically equal (Lindsay, Clogg & Grego 1991, JASA 86:96). Where
        every prompt that moved moved one way, the last row has an infinite delta and one exact limit.

    Raises
    ------
    ObservationError
        Observations of several models, families, methods or settings, whose preferences have laws of their own.
    ValueError
        All rows have one belief.

    Examples
    --------
    >>> from estimators.count_cells import count_cells
    >>> rows = [[9, 2], [10, 5], [8, 1], [5, 0], [2, 0], [9, 6], [1, 1], [3, 0]]
    >>> check_law(count_cells([[10, 10]] * 8, rows))[["law", "delta"]].round(1)
                law  delta
    0        normal    2.8
    1      logistic    2.8
    2           any    3.1
    3  none assumed    3.0
    """
    cells = counts if isinstance(counts, CountCells) else _own_cells(counts, beliefs)
    z = float(norm.ppf(0.5 + level / 2))
    rows: list[tuple[str, float, float, float, float]] = []
    for preference in PREFERENCES:
        fit = fit_candidate(cells, Candidate("one", 1, False, preference=preference))
        delta, se = float(fit.law.deltas[0]), float(np.sqrt(fit.covariance[2, 2]))
        rows.append((preference, delta, se, fit.log_likelihood, float(faking_share(fit.law))))
    delta, se = conditional_delta(cells)
    free, value, share = any_law(cells, delta, se)
    rows += [("any", free, se, value, share), ("none assumed", delta, se, np.nan, np.nan)]
    frame = pd.DataFrame(rows, columns=["law", "delta", "se", "log_likelihood", "faking_share"])
    low, high = frame["delta"] - z * frame["se"], frame["delta"] + z * frame["se"]
    frame.insert(3, "low", low)
    frame.insert(4, "high", high)
    if (limits := one_sided_limits(cells, level)) is not None:
        infinite = np.inf if np.isfinite(limits[0]) else -np.inf
        frame.loc[frame.index[-1], ["delta", "low", "high"]] = [infinite, *limits]
    return frame


def one_sided_limits(cells: CountCells, level: float = 0.95) -> tuple[float, float] | None:
    """Exact limits of δ where every prompt that moved moved one way: one is infinite; None where δ̂ is finite.

    Examples
    --------
    Of 46 prompts that moved with one sample in each context all moved up: Clopper and Pearson's limit, in logits.

    >>> cells = count_cells([[1, 1]] * 100, [[0, 0]] * 43 + [[1, 0]] * 46 + [[1, 1]] * 11)
    >>> tuple(round(limit, 2) for limit in one_sided_limits(cells))
    (2.48, inf)
    """
    terms, weight = _terms(cells)
    observed = float(cells.weights @ cells.agreed_belief)
    ends = [np.array([choose(belief) for _, belief in terms]) for choose in (np.max, np.min)]
    if not np.any(ends[0] > ends[1]):
        return None  # nothing moves
    for sign, extreme in zip((1, -1), ends, strict=True):
        if abs(observed - weight @ extreme) > 1e-9:
            continue

        def excess(delta: float, at: Floats = extreme) -> float:
            """Log probability of the extreme, above log α/2."""
            log_probability = [
                logsumexp((logs := log_choose + delta * belief)[np.isclose(belief, b)]) - logsumexp(logs)
                for (log_choose, belief), b in zip(terms, at, strict=True)
            ]
            return float(weight @ log_probability) - float(np.log((1 - level) / 2))

        limit = float(brentq(excess, -50.0, 50.0))
        return (limit, float("inf")) if sign == 1 else (float("-inf"), limit)
    return None


def _own_cells(obs: Observations, beliefs: Mapping[str, float] | None) -> CountCells:
    """Cells of one group's observations."""
    units = belief_units(obs, {"train": 1.0, "deploy": 0.0} if beliefs is None else beliefs)
    names = [name for name in ("model", "family", "method", "setting") if name in units.labels]
    if names and (count := len(groups := units.labels[names].drop_duplicates())) > 1:
        several = ", ".join(name for name in names if len(set(groups[name])) > 1)
        raise ObservationError(
            f"these observations hold {count} groups that differ in {several}, each with a law of its own; check one "
            f"at a time, such as those of obs.groups({names})"
        )
    return count_cells(units.n, units.k, units.beliefs)


def conditional_delta(cells: CountCells) -> tuple[float, float]:
    """δ and its standard error from the law of the counts given each prompt's total; NaN where it has none."""
    terms, weight = _terms(cells)
    observed = float(cells.weights @ cells.agreed_belief)

    def objective(x: Floats) -> tuple[float, Floats, Floats]:
        value, gradient, hessian = x[0] * observed, observed, 0.0
        for (log_choose, belief), each in zip(terms, weight, strict=True):
            logs = log_choose + x[0] * belief
            p = np.exp(logs - logs.max())
            mass = p.sum()
            p /= mass
            mean = p @ belief
            value -= each * (np.log(mass) + logs.max())
            gradient -= each * mean
            hessian -= each * (p @ (belief - mean) ** 2)
        return value, np.array([gradient]), np.array([[hessian]])

    found = maximise(objective, [0.0], [-12.0], [12.0])
    information = -found.hessian[0, 0]
    known = found.free[0] and information > 1e-4
    return float(found.x[0]), float(information**-0.5) if known else float("nan")


def _terms(cells: CountCells) -> tuple[list[tuple[Floats, Floats]], Floats]:
    """`_splits` of each distinct total, and its prompts (M,)."""
    design, agreed, total = cells.totals
    splits = [_splits(cells, d, t) for d, t in zip(design, agreed, strict=True)]
    return splits, np.bincount(total, cells.weights, len(agreed))


def _splits(cells: CountCells, design: int, total: float) -> tuple[Floats, Floats]:
    """Log Π C(n_s, k_s) and Σ β_s k_s of every way to split a total over a design's contexts."""
    n = cells.design_n[design].astype(np.int64)
    most = np.minimum(n, int(total))
    first = itertools.product(*(range(m + 1) for m in most[:-1]))
    k = np.array([(*head, int(total) - sum(head)) for head in first if 0 <= total - sum(head) <= n[-1]])
    log_choose = (gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)).sum(axis=1)
    return log_choose, k @ cells.design_beliefs[design]


def any_law(cells: CountCells, delta: float, se: float) -> tuple[float, float, float]:
    """δ, log-likelihood and faking share where the law of μ_i is fitted without a form.

    δ is sought within six standard errors of the conditional estimate; at each, the law is the largest by
    `estimators.mixing.climb`, its atoms on a grid of .1 logits.
    """
    design, agreed, total = cells.totals
    weight = np.bincount(total, cells.weights, len(agreed))
    n, belief = cells.design_n[design], cells.design_beliefs[design]  # (M, S)

    def law(at: float) -> tuple[float, Floats, Floats]:
        def columns(atoms: Floats) -> Floats:
            eta = atoms[:, 0][None, :, None] + (at * belief)[:, None, :]
            logs = agreed[:, None] * atoms[:, 0] + (n[:, None, :] * log_expit(-eta)).sum(axis=2)
            return np.asarray(np.exp(logs - shift[:, None]))

        eta = _GRID[:, 0][None, :, None] + (at * belief)[:, None, :]
        logs = agreed[:, None] * _GRID[:, 0] + (n[:, None, :] * log_expit(-eta)).sum(axis=2)
        shift = logs.max(axis=1)  # rows are scaled to at most one
        table = columns(_GRID)

        def propose(ratios: Floats, atoms: Floats) -> tuple[Floats, float]:
            slope = ratios @ table
            best = local_maxima(slope[:, None])[:, 0]
            return _GRID[best], float(slope.max())

        found = climb(weight, columns, propose, _GRID[::8], tolerance=1e-5)
        value = found.log_likelihood + float(weight @ shift) + at * float(cells.weights @ cells.agreed_belief)
        return value + cells.log_coefficients, found.atoms[:, 0], found.weights

    reach = 6 * se if np.isfinite(se) else 0.0
    best = delta
    if reach > 0:
        bounds = (delta - reach, delta + reach)
        best = float(minimize_scalar(lambda x: -law(x)[0], bounds=bounds, method="bounded").x)
    value, atoms, weights = law(best)
    return best, value, float(weights @ ((atoms < 0) & (atoms + best > 0)))
