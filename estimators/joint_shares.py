"""Faking shares of several groups that answered the same prompts, drawn together so that they can be compared.

Group a's parameters ψ_a have the maximum likelihood estimate ψ̂_a, the covariance C_a (inverse observed information),
and prompt i's influence d_ai = C_a ∇ log P(counts of i). With ξ_i ~ N(0, 1), one per prompt for all groups,
  ψ_a = ψ̂_a + Σ_i ξ_i A_a d_ai,   A_a = C_a^½ (Σ_i d_ai d_aiᵀ)^−½,
has the covariance C_a by itself, and across groups the correlation of the prompts' influences (a multiplier bootstrap
with the model's own margins; van der Vaart & Wellner 1996, section 3.6). Shares have a kink where they reach zero, so
their differences are judged by the draws and not by the delta method.

In words: a prompt that is unusual is unusual for every model that answers it; comparing on shared prompts takes that
out, as a paired test does for means.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, softmax
from scipy.stats import chi2

from estimators.count_cells import CountCells, count_cells
from estimators.observations import PROMPT_KEY, Observations
from estimators.shares import reply_share
from estimators.structural_fit import StructuralFit, fit_candidate
from estimators.structural_likelihood import NO_INCENTIVE, ONE, quadrature

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class JointShare:
    """The faking share of one group.

    Attributes
    ----------
    value : float
        At the estimate.
    draws : (D,)
        NaN where the counts determine nothing. Draws of groups from one call go together.
    p_value : float
        Of no incentive, by the likelihood ratio, χ² with one degree of freedom; NaN as the draws.
    message : str
    """

    value: float
    draws: Floats
    p_value: float
    message: str


def joint_shares[Key: Hashable](
    groups: Mapping[Key, Observations], beliefs: tuple[float, float], draws: int, seed: int
) -> dict[Key, JointShare]:
    """Faking share of each group at these beliefs in train and deploy, with one incentive, by its key.

    Parameters
    ----------
    groups : mapping from a key to Observations
    beliefs : (float, float)
    draws, seed : int

    Examples
    --------
    >>> from estimators.datasets import load_vlaf
    >>> parts = {labels["method"]: part for labels, part in load_vlaf().groups(["model", "method"])
    ...          if labels["model"].startswith("olmo2")}
    >>> found = joint_shares(parts, (1.0, 0.0), 1000, 0)
    >>> {name: round(share.value, 2) for name, share in found.items()}
    {'base': 0.47, 'sft': 0.01, 'dpo': 0.09, 'grpo': 0.19}
    >>> bool(np.corrcoef(found["dpo"].draws, found["grpo"].draws)[0, 1] > 0.3)  # they share their prompts
    True
    """
    names = {key: _prompts(part) for key, part in groups.items()}
    column = {prompt: i for i, prompt in enumerate(sorted(set().union(*names.values())))}
    noise = np.random.default_rng([seed, 6]).standard_normal((draws, len(column)))
    found = {}
    for key, part in groups.items():
        pairs = part.pairs()
        counts = pairs[["n_train", "n_deploy"]], pairs[["agreed_train", "agreed_deploy"]]
        cells = count_cells(*counts, np.array(beliefs))
        found[key] = _joint_share(cells, noise[:, [column[prompt] for prompt in names[key]]], beliefs)
    return found


def _prompts(obs: Observations) -> list[tuple[str, ...]]:
    pairs = obs.pairs()
    return list(pairs[[name for name in PROMPT_KEY if name in pairs]].itertuples(index=False, name=None))


def _joint_share(cells: CountCells, noise: Floats, beliefs: tuple[float, float]) -> JointShare:
    """`noise` (D, N): one column per row that `cells` collected."""
    null, fit = fit_candidate(cells, NO_INCENTIVE), fit_candidate(cells, ONE)
    value = float(_share(fit.parameters, beliefs))
    if np.isnan(fit.covariance).all():
        return JointShare(value, np.full(len(noise), np.nan), np.nan, fit.message)
    moves = noise @ _influence(fit, cells)
    ratio = max(0.0, 2 * (fit.log_likelihood - null.log_likelihood))
    p_value = float(chi2.sf(ratio, 1))
    return JointShare(value, _share(fit.parameters + moves, beliefs), p_value, fit.message)


def _share(parameters: Floats, beliefs: tuple[float, float]) -> Floats:
    return reply_share(*ONE.unpack(parameters), *beliefs)


def _influence(fit: StructuralFit, cells: CountCells) -> Floats:
    """A d of the module's text, (N, P): its cross product is the covariance of the fit."""
    covariance = np.nan_to_num(fit.covariance)  # a parameter at its bound stands still
    own = (_scores(fit, cells) @ covariance)[cells.cell]
    return np.asarray(own @ _power(own.T @ own, -0.5) @ _power(covariance, 0.5))


def _scores(fit: StructuralFit, cells: CountCells) -> Floats:
    """∇ log P of each cell by (μ, log σ, δ), (C, 3): posterior means of those given the preference."""
    mu, sigma, (delta,), _ = ONE.unpack(fit.parameters)
    told = cells.beliefs[:, :, None]
    z, log_weights = quadrature(float(mu), float(sigma), told * delta, float(cells.n.sum(axis=1).max()))
    eta = mu + sigma * z + told * delta  # (C, S, Q)
    k, n = cells.k[:, :, None], cells.n[:, :, None]
    weights = softmax(log_weights + np.sum(k * eta + n * log_expit(-eta), axis=1), axis=1)  # (C, Q)
    left = k - n * expit(eta)
    parts = (left.sum(axis=1), sigma * z * left.sum(axis=1), np.sum(told * left, axis=1))
    return np.stack([np.sum(weights * part, axis=1) for part in parts], axis=1)


def _power(matrix: Floats, exponent: float) -> Floats:
    """Power of a symmetric matrix on its range."""
    values, vectors = np.linalg.eigh(matrix)
    kept = values > 1e-12 * max(values.max(), 1e-300)
    return np.asarray((vectors[:, kept] * values[kept] ** exponent) @ vectors[:, kept].T)
