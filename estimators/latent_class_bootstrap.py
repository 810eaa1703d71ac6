"""Is there a faker class, and is one class more needed? Answered by simulating from the fit that says no.

A share of zero lies on the boundary, where no χ² law holds for a likelihood ratio (McLachlan & Peel 2000, section
6.4). So T = 2(ℓ₁ − ℓ₀) is compared with that of data sets drawn from the fitted ℓ₀ and fitted afresh by both models:
  one class more   ℓ₀ with J − 1 classes, ℓ₁ with J
  a faker class    ℓ₀ the best fit by BIC in which no class fakes: with fewer classes, or as many and every class
                   kept to p_train ≤ ½ or to p_deploy ≥ ½; ℓ₁ the chosen fit. They need not be nested (Williams 1970).

p = (1 + #{T_b ≥ T})/(B + 1). Once 5 % is out of reach the run stops, after b data sets of which h reach T, and p =
h/b (Besag & Clifford 1991).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from estimators.count_cells import CountCells
from estimators.latent_class_fit import (
    AT_BEST,
    ClassFit,
    Family,
    bounds,
    fit_classes,
    information_criterion,
    with_one_more,
)
from estimators.latent_class_law import ClassLaw
from estimators.latent_class_likelihood import log_likelihood, unpack
from estimators.newton import Maximum, maximise
from estimators.simulate import Design

Floats = NDArray[np.float64]

REJECT = 0.05
_STARTS = 5


@dataclass(frozen=True, eq=False)
class WithoutFaker:
    """The best fit in which no class fakes.

    Attributes
    ----------
    classes : int
    parameters : (P,)
    log_likelihood, bic : float
        A rate that is held at ½ is no free parameter.
    kept : (J,) tuple of "train" or "deploy", or None
        Which rate of each class is kept on its side of ½; None for a fit whose classes do so by themselves.
    """

    classes: int
    parameters: Floats
    log_likelihood: float
    bic: float
    kept: tuple[str, ...] | None


@dataclass(frozen=True, eq=False)
class BootstrapTest:
    """A likelihood ratio against simulated ones.

    Attributes
    ----------
    ratio : float
    ratios : (B,)
        Fewer than asked for where the answer was clear before.
    p_value : float
        NaN where nothing was simulated.
    """

    ratio: float
    ratios: Floats
    p_value: float


def best_without_faker(fits: Iterable[ClassFit], cells: CountCells, family: Family) -> WithoutFaker:
    """The fit without a faker class that BIC likes best, among fits as they are and fits that are kept from faking.

    The latter are tried from every maximum that a fit's starts led to: a poor rival would make a faker class look
    needed.
    """
    found = []
    for fit in fits:
        if not fit.fakers.any():
            found.append(WithoutFaker(fit.classes, fit.parameters, fit.log_likelihood, fit.bic, None))
            continue
        for start in _different(fit):
            _, logits, _ = unpack(start, fit.classes, 2)
            for kept in itertools.product(*(_sides(*x) for x in logits)):
                end, active = _climb(start, kept, cells, fit.classes, family)
                bic = information_criterion(end.value, len(start) - active, cells)
                found.append(WithoutFaker(fit.classes, end.x, end.value, bic, kept))
    return min(found, key=lambda rival: rival.bic)


def faker_test(
    cells: CountCells,
    without: WithoutFaker,
    chosen: ClassFit,
    family: Family,
    replicates: int,
    rng: np.random.Generator,
    progress: bool = False,
) -> BootstrapTest:
    """Test that no class fakes against the chosen fit."""

    def ratio(drawn: CountCells) -> float:
        null: float
        extra: list[Floats] = []
        if without.kept is None:
            null_fit = fit_classes(drawn, without.classes, family, _STARTS, rng, [without.parameters])
            null = null_fit.log_likelihood
            if without.classes == chosen.classes - 1:
                extra.append(with_one_more(null_fit, drawn))
        else:
            null_end, _ = _climb(without.parameters, without.kept, drawn, without.classes, family)
            null = null_end.value
            if without.classes == chosen.classes:
                extra.append(null_end.x)
        other = fit_classes(drawn, chosen.classes, family, _STARTS, rng, [*extra, chosen.parameters])
        return 2.0 * (other.log_likelihood - null)

    law = ClassLaw.of(without.parameters, without.classes)
    observed = 2.0 * (chosen.log_likelihood - without.log_likelihood)
    return _bootstrap(observed, ratio, law, cells, replicates, rng, progress)


def one_more_test(
    cells: CountCells,
    null: ClassFit,
    chosen: ClassFit,
    family: Family,
    replicates: int,
    rng: np.random.Generator,
    progress: bool = False,
) -> BootstrapTest:
    """Test the fit with a class less against the chosen one."""

    def ratio(drawn: CountCells) -> float:
        less = fit_classes(drawn, null.classes, family, _STARTS, rng, [null.parameters])
        extra = [with_one_more(less, drawn), chosen.parameters]
        more = fit_classes(drawn, chosen.classes, family, _STARTS, rng, extra)
        return 2.0 * (more.log_likelihood - less.log_likelihood)

    observed = 2.0 * (chosen.log_likelihood - null.log_likelihood)
    law = ClassLaw.of(null.parameters, null.classes)
    return _bootstrap(observed, ratio, law, cells, replicates, rng, progress)


def _bootstrap(
    observed: float,
    ratio: Callable[[CountCells], float],
    law: ClassLaw,
    cells: CountCells,
    replicates: int,
    rng: np.random.Generator,
    progress: bool,
) -> BootstrapTest:
    design = Design.of(cells)
    ratios: list[float] = []
    reached = 0
    for _ in tqdm(
        range(replicates), desc=f"{law.classes} classes or more", disable=not progress, leave=False
    ):
        ratios.append(ratio(law.simulate(design, rng)))
        reached += ratios[-1] >= observed
        if 1 + reached > REJECT * (replicates + 1):
            return BootstrapTest(observed, np.array(ratios), reached / len(ratios))
    p_value = (1 + reached) / (replicates + 1) if replicates else float("nan")
    return BootstrapTest(observed, np.array(ratios), p_value)


def _climb(
    start: Floats, kept: tuple[str, ...], cells: CountCells, classes: int, family: Family
) -> tuple[Maximum, int]:
    """Maximum with every class kept to its side of ½, and how many rates are held there."""
    lower, upper = bounds(classes, family)
    edges = [classes - 1 + 2 * j + (side == "deploy") for j, side in enumerate(kept)]
    for edge, side in zip(edges, kept, strict=True):
        (upper if side == "train" else lower)[edge] = 0.0
    found = maximise(lambda x: log_likelihood(x, cells, classes), start, lower, upper, gain=1e-2)
    return found, sum(not found.free[edge] and found.x[edge] == 0.0 for edge in edges)


def _different(fit: ClassFit) -> list[Floats]:
    """The fit and the other maxima that its starts led to."""
    steps = -np.diff(np.append(fit.log_likelihood, fit.ends))
    return [fit.parameters, *fit.climbed[steps > AT_BEST]]


def _sides(train: float, deploy: float) -> tuple[str, ...]:
    """Which rate to keep on its side of ½ so that a class with these logits does not fake; either of a faker's."""
    if train >= 0 > deploy:
        return ("train", "deploy")
    return ("train",) if train < 0 else ("deploy",)
