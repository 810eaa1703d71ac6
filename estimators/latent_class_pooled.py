"""Groups of prompts share the latent classes, and borrow strength for how many of their prompts are of each.

Model: rates and φ are common; the shares of group g, a combination of labels such as family and method, follow
  log(π_gj / π_g1) = a_j − a_1 + Σ_f (b_fj − b_f1),   b_fj(level) ~ N(0, τ_f²) for each class j and level of factor f,
so that no class is special. The levels' effects and all else maximise ℓ + log density of the effects; τ_f is
estimated by empirical Bayes, the fixed point τ_f² = Σ b̂² / (effective number of effects) of the Laplace evidence
(MacKay 1992, Neural Computation 4:415, section 4).

In words: a factor whose levels differ no more than chance pulls them together (τ near 0), one whose levels differ
leaves them apart. With by = ("family", "model") a model is pulled to its family, and families to each other.
Intervals come from the curvature at the maximum with τ taken as known, so they are a little short where a factor has
few levels. Prompts are taken as different ones even where the same text is put to several models.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from estimators.count_cells import CountCells, pair_cells
from estimators.latent_class import LatentClasses
from estimators.latent_class_fit import Family, bounds
from estimators.latent_class_likelihood import Groups, class_shares, log_likelihood, unpack
from estimators.latent_class_summary import class_labels, logit_interval
from estimators.newton import EstimationWarning, Maximum, maximise
from estimators.parameters import stored

if TYPE_CHECKING:
    from estimators.observations import Observations

Floats = NDArray[np.float64]

_SCALES = (0.02, 10.0)
"""Smallest and largest τ: below, levels are as good as equal; above, as good as free."""
_ROUNDS = 60


class PooledClasses:
    """Latent classes with shares by group, partially pooled over the levels of the group's labels.

    Parameters
    ----------
    by : sequence of str
        Label columns, each a factor with an effect per level: model, family, method, axis, setting, arm.
    classes : "auto" or int
        "auto" takes the number that BIC chooses for all prompts together.
    family : "beta-binomial" or "binomial"
    prior_scale : "empirical-bayes" or float
        τ of every factor in logits, if it is not to be estimated; large for no pooling, small for one share for all.
    max_classes, starts, bootstrap, seed, level
        See `LatentClasses`, which is fitted to all prompts first.

    Attributes
    ----------
    all_ : LatentClasses
        The fit to all prompts together, which also decides whether a faker class may be reported.
    shares_ : DataFrame
        Labels, prompts, class, share, se, low, high; classes as in `all_`, "faker (unsupported)" where it says so.
    effects_ : DataFrame
        factor, level, class, effect, se: b_fj less its mean over the classes, in logits.
    scales_ : DataFrame
        factor, levels, tau, effective (number of effects that the counts determine), at_bound.
    class_table_ : DataFrame
        class, p_train, p_deploy with _se, _low, _high: the common rates.
    phi_ : float
    parameters_, covariance_ : (P,), (P, P)
        Share coefficients row by row (intercept, then levels factor by factor), logits of rates, log φ.
    log_likelihood_, evidence_, gradient_norm_ : float
        Without and with the effects integrated out (Laplace; flat in the parameters that have no prior).
    converged_ : bool

    Examples
    --------
    >>> from estimators.datasets import load_vlaf
    >>> fit = PooledClasses(by=["family", "model"], bootstrap=0).fit(load_vlaf())
    >>> fit.scales_[["factor", "levels", "tau"]].round(1)
       factor  levels  tau
    0  family       3  0.0
    1   model      10  1.6
    """

    def __init__(
        self,
        by: Sequence[str],
        classes: Literal["auto"] | int = "auto",
        family: Family = "beta-binomial",
        *,
        prior_scale: Literal["empirical-bayes"] | float = "empirical-bayes",
        max_classes: int = 4,
        starts: int = 10,
        bootstrap: int = 99,
        seed: int = 0,
        level: float = 0.95,
    ) -> None:
        self.by = by
        self.classes = classes
        self.family = family
        self.prior_scale = prior_scale
        self.max_classes = max_classes
        self.starts = starts
        self.bootstrap = bootstrap
        self.seed = seed
        self.level = level

    def get_params(self) -> dict[str, Any]:
        """What `__init__` stored."""
        return stored(self)

    def fit(self, obs: Observations) -> Self:
        """Fit to the (train, deploy) pairs of the observations.

        Raises
        ------
        ValueError
            No column in `by`, one that the data lack, a prior scale that is not positive, no pair in a group.

        Warns
        -----
        EstimationWarning
            The climb did not converge.
        """
        labels, cells = [], []
        for own, group in obs.groups(list(self.by)):
            labels.append(own)
            cells.append(pair_cells(group))
        return self.fit_cells(pd.DataFrame(labels), cells)

    def fit_cells(self, labels: pd.DataFrame, cells: Sequence[CountCells]) -> Self:
        """Fit to the count cells of each group, whose labels (G, factors) are rows of a frame; see `fit`."""
        if not len(self.by) or len(labels) != len(cells):
            raise ValueError("by needs at least one column, and every group its row of labels")
        if self.prior_scale != "empirical-bayes" and not self.prior_scale > 0:
            raise ValueError(f"prior_scale must be positive or 'empirical-bayes', got {self.prior_scale}")
        whole, of_cell = stack_cells(cells)
        alone = LatentClasses(
            self.classes,
            self.family,
            max_classes=self.max_classes,
            starts=self.starts,
            bootstrap=self.bootstrap,
            seed=self.seed,
            level=self.level,
        )
        self.all_ = alone.fit_cells(whole)
        count = self.all_.n_classes_
        columns, self._levels = _columns(labels[list(self.by)])
        self._factors = np.array([self.by.index(factor) for factor, _ in self._levels])
        groups = Groups(of_cell, columns)
        start = self.all_.fits_[count].parameters
        x = np.concatenate(
            [start[: count - 1], np.zeros(len(self._levels) * (count - 1)), start[count - 1 :]]
        )
        estimated = self.prior_scale == "empirical-bayes" and count > 1
        scales = np.full(len(self.by), 1.0 if estimated else float(self.prior_scale) if count > 1 else 1.0)
        for _ in range(_ROUNDS if estimated else 1):
            found, covariance = self._climb(x, whole, groups, count, scales)
            x, before = found.x, scales
            if estimated:
                scales = self._new_scales(x, covariance, count, scales)
            if np.all(np.abs(np.log(scales / before)) < 1e-3):
                break
        self._keep(found, covariance, whole, groups, labels, count, before)
        if not self.converged_:
            text = "the climb stopped before its maximum; try fewer classes or a fixed prior_scale"
            warnings.warn(f"not converged: {text}", EstimationWarning, stacklevel=2)
        return self

    def _prior(self, count: int, scales: Floats) -> Floats:
        """Precision (P_share, P_share) of the share coefficients: zero for the intercepts.

        J iid effects of variance τ² leave the J − 1 differences from the first with precision (I − 11'/J)/τ².
        """
        among = np.eye(count - 1) - 1.0 / count
        precision = np.append(0.0, scales[self._factors] ** -2.0)
        return np.asarray(np.kron(np.diag(precision), among), dtype=np.float64)

    def _climb(
        self, start: Floats, cells: CountCells, groups: Groups, count: int, scales: Floats
    ) -> tuple[Maximum, Floats]:
        prior = self._prior(count, scales)
        size = len(prior)

        def objective(x: Floats) -> tuple[float, Floats, Floats]:
            value, gradient, hessian = log_likelihood(x, cells, count, groups)
            pull = prior @ x[:size]
            gradient[:size] -= pull
            hessian[:size, :size] -= prior
            return value - 0.5 * float(x[:size] @ pull), gradient, hessian

        lower, upper = bounds(count, self.family)
        rows = groups.covariates.shape[1]
        wide = [np.concatenate([np.tile(end[: count - 1], rows), end[count - 1 :]]) for end in (lower, upper)]
        found = maximise(objective, start, *wide)
        covariance = np.full(found.hessian.shape, np.nan)
        kept = np.ix_(found.free, found.free)
        covariance[kept] = np.linalg.pinv(-found.hessian[kept], hermitian=True)
        return found, covariance

    def _new_scales(self, x: Floats, covariance: Floats, count: int, scales: Floats) -> Floats:
        spread, effective = self._spread(x, covariance, count, scales)
        return np.asarray(np.clip(np.sqrt(spread / np.maximum(effective, 1e-9)), *_SCALES))

    def _spread(self, x: Floats, covariance: Floats, count: int, scales: Floats) -> tuple[Floats, Floats]:
        """Σ b̂² about the mean over classes, and effective number of effects, of each factor, each (F,)."""
        among = np.eye(count - 1) - 1.0 / count
        rows = np.arange(len(self._levels))[:, None] * (count - 1) + np.arange(count - 1) + count - 1
        effects = x[rows]
        own = np.nan_to_num(covariance)[rows[:, :, None], rows[:, None, :]]
        squares = np.einsum("lj,jk,lk->l", effects, among, effects)
        shrunk = np.einsum("jk,lkj->l", among, own) * scales[self._factors] ** -2.0
        factors = len(self.by)
        return (
            np.bincount(self._factors, squares, factors),
            np.bincount(self._factors, count - 1 - shrunk, factors),
        )

    def _keep(
        self,
        found: Maximum,
        covariance: Floats,
        cells: CountCells,
        groups: Groups,
        labels: pd.DataFrame,
        count: int,
        scales: Floats,
    ) -> None:
        """Results and tables of the last climb."""
        self.parameters_, self.covariance_ = found.x, covariance
        self.converged_ = found.converged
        self.gradient_norm_ = float(np.abs(found.gradient[found.free]).max(initial=0.0))
        coefficients, logits, log_phi = unpack(found.x, count, 2, groups.covariates.shape[1])
        self.phi_ = float(np.exp(log_phi[0])) if log_phi.size else float("inf")
        self.log_likelihood_ = log_likelihood(found.x, cells, count, groups)[0]
        # log ∫ = penalised maximum + ½ log |prior| − ½ log |H| over the effects and all else, up to a constant.
        sign = np.linalg.slogdet(-found.hessian[np.ix_(found.free, found.free)])[1]
        widths = -2.0 * (count - 1) * np.log(scales[self._factors]).sum() - len(self._levels) * np.log(count)
        self.evidence_ = found.value + 0.5 * float(widths - sign)
        rates = 1.0 / (1.0 + np.exp(-logits))
        order = np.argsort(-rates.mean(axis=1), kind="stable")
        names = class_labels(rates[order])
        if self.all_.faker_reason_:
            names = [f"{name} (unsupported)" if name.startswith("faker") else name for name in names]
        _, effective = self._spread(found.x, covariance, count, scales)
        self.scales_ = pd.DataFrame(
            {
                "factor": list(self.by),
                "levels": np.bincount(self._factors, minlength=len(self.by)),
                "tau": scales,
                "effective": effective,
                "at_bound": np.isin(scales, _SCALES),
            }
        )
        self.shares_ = self._share_table(coefficients, groups, cells, labels, order, names)
        self.effects_ = self._effect_table(coefficients, order, names)
        first = coefficients.size
        logit_se = np.sqrt(np.diag(covariance)[first : first + 2 * count]).reshape(count, 2)
        table: dict[str, Any] = {"class": names}
        for s, context in enumerate(("train", "deploy")):
            value, se = rates[order, s], (logit_se * rates * (1 - rates))[order, s]
            low, high = logit_interval(value, se, self.level)
            table |= {f"p_{context}": value, f"p_{context}_se": se}
            table |= {f"p_{context}_low": low, f"p_{context}_high": high}
        self.class_table_ = pd.DataFrame(table)

    def _share_table(
        self,
        coefficients: Floats,
        groups: Groups,
        cells: CountCells,
        labels: pd.DataFrame,
        order: NDArray[np.intp],
        names: list[str],
    ) -> pd.DataFrame:
        shares = class_shares(coefficients, groups.covariates)
        prompts = np.bincount(groups.of_cell, cells.weights, len(shares))
        first = coefficients.size
        own = self.covariance_[:first, :first]
        parts = []
        for g, (pi, x) in enumerate(zip(shares, groups.covariates, strict=True)):
            lean = (np.diag(pi) - np.outer(pi, pi))[:, 1:]
            slope = (lean[:, None, :] * x[None, :, None]).reshape(len(pi), first)
            se = np.sqrt(np.einsum("jp,pq,jq->j", slope, own, slope)) if first else np.full(1, np.nan)
            low, high = logit_interval(pi, se, self.level)
            told: dict[str, Any] = {name: [labels.iloc[g][name]] * len(pi) for name in self.by}
            told |= {"prompts": prompts[g], "class": names, "share": pi[order], "se": se[order]}
            parts.append(pd.DataFrame(told | {"low": low[order], "high": high[order]}))
        return pd.concat(parts, ignore_index=True)

    def _effect_table(self, coefficients: Floats, order: NDArray[np.intp], names: list[str]) -> pd.DataFrame:
        count = len(order)
        centre = np.eye(count)[:, 1:] - 1.0 / count  # b_j − mean of b, from the differences from the first
        rows = []
        for r, (factor, level) in enumerate(self._levels, start=1):
            own = slice(r * (count - 1), (r + 1) * (count - 1))
            effect = centre @ coefficients[r]
            se = np.sqrt(np.einsum("jp,pq,jq->j", centre, self.covariance_[own, own], centre))
            rows += [(factor, level, names[k], effect[j], se[j]) for k, j in enumerate(order)]
        return pd.DataFrame(rows, columns=["factor", "level", "class", "effect", "se"])


def stack_cells(parts: Sequence[CountCells]) -> tuple[CountCells, NDArray[np.int64]]:
    """All groups' cells in one, and the group of each (C,)."""
    offset = np.cumsum([0, *(len(part.design_n) for part in parts)])
    whole = CountCells(
        n=np.concatenate([part.n for part in parts]),
        k=np.concatenate([part.k for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
        design=np.concatenate([part.design + start for part, start in zip(parts, offset)]),
        design_n=np.concatenate([part.design_n for part in parts]),
        design_beliefs=np.concatenate([part.design_beliefs for part in parts]),
    )
    return whole, np.repeat(np.arange(len(parts)), [len(part.k) for part in parts])


def _columns(labels: pd.DataFrame) -> tuple[Floats, list[tuple[str, object]]]:
    """Covariates (G, 1 + levels): ones, then an indicator per level of each factor; and what the latter stand for."""
    parts, levels = [np.ones((len(labels), 1))], []
    for factor in labels.columns:
        code, names = pd.factorize(labels[factor], sort=True)
        parts.append(np.eye(len(names))[code])
        levels += [(str(factor), name) for name in names]
    return np.hstack(parts), levels
