"""Where models share prompts, the same prompt put to several models is one cluster and not several prompts.

With ℓ_u the log-likelihood of unit u (a prompt of one model), c(u) its prompt, A = −Σ_u ∇²ℓ_u(ψ̂) and G prompts,
  C = G/(G − 1) · A⁻¹ (Σ_c s_c s_cᵀ) A⁻¹,   s_c = Σ_{u: c(u) = c} ∇ℓ_u(ψ̂),
with Student's quantile at G − 1 degrees of freedom in the place of the normal one (Liang & Zeger 1986, Biometrika
73:13; Cameron & Miller 2015, J. Human Resources 50:317, on few clusters).

In words: what makes a prompt hard makes it hard for every model, so ten models on one prompt say less of the law over
prompts than ten prompts do. The estimates stay those of the pooled likelihood, an average over the models at hand; what
is concluded holds for these models on other such prompts. A mixture over models looks like types of prompts, so a
pooled group is fitted with one incentive, and gets no faker class.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from estimators.count_cells import CountCells, belief_units, count_cells
from estimators.latent_class_likelihood import cell_terms
from estimators.latent_class_summary import class_table
from estimators.observations import PROMPT_KEY
from estimators.structural import NOT_DETECTED, StructuralPayoffs
from estimators.structural_fit import StructuralFit
from estimators.structural_likelihood import log_probabilities
from estimators.structural_summary import root, summarise

if TYPE_CHECKING:
    from estimators.latent_class import LatentClasses
    from estimators.observations import Observations

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_STEP = 1e-4


def shares_prompts(obs: Observations) -> bool:
    """Whether some prompt comes with several models, families, methods or settings.

    Examples
    --------
    >>> from estimators.datasets import load_vlaf
    >>> shares_prompts(load_vlaf()), [shares_prompts(one) for _, one in load_vlaf().groups("model")][:2]
    (True, [False, False])
    """
    units = belief_units(obs, {"train": 1.0, "deploy": 0.0}).labels
    return bool(units.duplicated([name for name in PROMPT_KEY if name in units]).any())


def cluster_covariance(score: Floats, cluster: Ints, inverse: Floats) -> Floats:
    """C of the module's formula, (P, P), NaN where the inverse information is.

    Parameters
    ----------
    score : (U, P)
        ∇ℓ_u at the fit.
    cluster : (U,) of int
        From 0, each with a unit.
    inverse : (P, P)
        A⁻¹, NaN for parameters that are taken as given.

    Examples
    --------
    Units that repeat one another say no more than one of them:

    >>> score = np.array([[1.0], [-1.0], [2.0], [-2.0]])
    >>> once = cluster_covariance(score, np.arange(4), np.array([[0.1]]))
    >>> twice = cluster_covariance(np.repeat(score, 2, axis=0), np.repeat(np.arange(4), 2), np.array([[0.05]]))
    >>> bool(np.allclose(once, twice))
    True
    """
    known = ~np.isnan(np.diag(inverse))
    count = int(cluster.max()) + 1
    summed = np.stack([np.bincount(cluster, own, count) for own in score.T], axis=1)
    found = np.full_like(inverse, np.nan)
    if count > 1 and known.any():
        half = summed[:, known] @ inverse[np.ix_(known, known)]
        found[np.ix_(known, known)] = half.T @ half * (count / (count - 1))
    return found


def student_level(level: float, clusters: int) -> float:
    """The level at which the normal quantile is Student's with clusters − 1 degrees of freedom at `level`.

    Examples
    --------
    >>> round(student_level(0.95, 19), 3)
    0.964
    """
    if clusters < 2:
        return level
    return float(2 * norm.cdf(student.ppf(0.5 + level / 2, clusters - 1)) - 1)


def clustered_payoffs(
    fit: StructuralPayoffs, obs: Observations, beliefs: Mapping[str, float]
) -> StructuralPayoffs:
    """The same fit, its standard errors, intervals and draws clustered by prompt.

    Its `level` is `student_level`, so that whatever takes a normal quantile at it takes Student's. The bootstrap of
    δ = 0 draws units without an incentive; incentives that differ over prompts and cancel would pass for one. So the
    p-value is the larger of the bootstrap's and Student's on the clustered standard error, and the verdict follows it.
    """
    units = belief_units(obs, beliefs)
    cells = count_cells(units.n, units.k, units.beliefs)
    prompt = _numbered(units.labels)
    found = copy(fit)
    found.level = student_level(fit.level, int(prompt.max()) + 1)
    found.fits_ = {name: _clustered(each, cells, prompt) for name, each in fit.fits_.items()}
    chosen = found.fits_[fit.chosen_]
    found.covariance_ = chosen.covariance
    normal = np.random.default_rng([fit.seed, 2]).standard_normal(fit.draws_.shape)
    found.draws_ = fit.parameters_ + normal @ root(found.covariance_).T
    one = found.fits_["one"]
    ratio = abs(fit.delta_one_type_) / float(np.sqrt(one.covariance[2, 2]))
    if np.isfinite(ratio) and np.isfinite(fit.p_value_delta_):
        by_prompt = float(2 * student.sf(ratio, max(int(prompt.max()), 1)))
        found.p_value_delta_ = max(fit.p_value_delta_, by_prompt)
        found.verdict_ = NOT_DETECTED if found.p_value_delta_ > 0.05 else fit.verdict_
    told = (beliefs["train"], beliefs["deploy"])
    found.summary = summarise(chosen, found.fits_["one"], found.draws_, told, found.level, found.verdict_)
    return found


def clustered_classes(fit: LatentClasses, obs: Observations) -> LatentClasses:
    """The same latent classes, their standard errors and intervals clustered by prompt."""
    pairs = obs.pairs()
    prompt = _numbered(pairs)
    chosen = fit.fits_[fit.n_classes_]
    score = cell_terms(chosen.parameters, fit.cells_, chosen.classes).score[fit.cells_.cell]
    found = copy(fit)
    found.level = student_level(fit.level, int(prompt.max()) + 1)
    found.covariance_ = cluster_covariance(score, prompt, fit.covariance_)
    found.class_table_ = class_table(chosen, found.covariance_, found.level, not fit.faker_reason_)
    return found


def _clustered(fit: StructuralFit, cells: CountCells, prompt: Ints) -> StructuralFit:
    steps = _STEP * np.eye(len(fit.parameters))
    ends = [
        (
            log_probabilities(fit.parameters + e, cells, fit.candidate),
            log_probabilities(fit.parameters - e, cells, fit.candidate),
        )
        for e in steps
    ]
    score = np.stack([(up - down) / (2 * _STEP) for up, down in ends], axis=1)[cells.cell]
    return replace(fit, covariance=cluster_covariance(score, prompt, fit.covariance))


def _numbered(labels: pd.DataFrame) -> Ints:
    """Number of each row's prompt, (rows,)."""
    key = [name for name in PROMPT_KEY if name in labels]
    return np.asarray(labels.groupby(key, sort=False).ngroup(), dtype=np.int64)
