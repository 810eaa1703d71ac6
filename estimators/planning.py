"""How many prompts and samples an evaluation needs for an interval of a wanted width.

Standard errors fall with the root of the number of prompts: with se₁ that of one prompt, an interval of width w at
level 1 − α takes  N = (2 z_{1−α/2} se₁ / w)²  prompts. For a model's parameter se₁ is the Cramér–Rao bound of the
design, from the expected information at a law that is stated beforehand: a fit to a pilot, to a relative of the model,
or a guess. For the gap it is the standard deviation over prompts of the difference of two rates,
  se₁² = Var(p_T − p_D) + E[p_T (1 − p_T)]/n + E[p_D (1 − p_D)]/n,
with Student's quantile in the place of z. In words: more samples of a prompt remove its sampling noise, never the
spread between prompts, so beyond few samples only prompts help; the table shows where.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import norm
from scipy.stats import t as student

from estimators.count_cells import CountCells
from estimators.gap import check_level
from estimators.latent_class_law import ClassLaw
from estimators.shares import PreferenceLaw, agreement_rate, faking_share, simulate_agreed
from estimators.simulate import Design, cramer_rao
from estimators.structural_likelihood import GRADED, ONE, TWO, log_likelihood, quadrature

Floats = NDArray[np.float64]
Bound = Callable[[Design], Mapping[str, float]]
MakeDesign = Callable[[int, int], Design]

SAMPLES = (1, 2, 3, 5, 10, 20)
_PILOT = 60  # prompts of the design whose bound is scaled; a multiple of the usual numbers of arms


def plan(
    bound: Bound,
    quantity: str,
    width: float,
    *,
    design: MakeDesign = Design.regular,
    samples: Sequence[int] = SAMPLES,
    level: float = 0.95,
) -> pd.DataFrame:
    """Prompts that bring the interval of a model's parameter to a width, for several numbers of samples.

    Parameters
    ----------
    bound : Design -> mapping from quantity to its Cramér–Rao bound
        The `bound` of any `estimators.simulate.Recoverable`, or `law_bound` of a law of preferences.
    quantity : str
    width : float
        Of the interval, on the quantity's own scale.
    design : prompts, samples -> Design
        How an evaluation of that size would ask; by default each prompt in train and deploy.
    samples : sequence of int
    level : float

    Returns
    -------
    DataFrame
        samples, prompts, total_samples, se, width (both predicted at that many prompts), fewest (True in the row with
        the fewest samples in all). Where a number of samples does not identify the quantity: prompts is 0, se NaN.

    Raises
    ------
    ValueError
        A quantity that the model has not, a width or number of samples that is not positive.

    Examples
    --------
    >>> law = PreferenceLaw(mu=-3.0, sigma=2.0, deltas=np.array([2.0]), shares=np.array([1.0]))
    >>> plan(law_bound(law), "delta", 0.5, samples=(5, 10))[["samples", "prompts", "total_samples", "fewest"]]
       samples  prompts  total_samples  fewest
    0        5      302           3020   False
    1       10      149           2980    True
    """
    check_level(level)
    _positive(width, samples)
    z, rows = float(norm.ppf(0.5 + level / 2)), []
    for n in samples:
        pilot = design(_PILOT, n)
        found = bound(pilot)
        if quantity not in found:
            raise ValueError(f"the model has no {quantity!r}; choose one of {', '.join(found)}")
        each = found[quantity] * np.sqrt(pilot.prompts)
        prompts = int(np.ceil((2 * z * each / width) ** 2)) if np.isfinite(each) else 0
        se = each / np.sqrt(prompts) if prompts else float("nan")
        rows.append((n, prompts, round(prompts * pilot.n.sum() / pilot.prompts), se, 2 * z * se))
    return plan_table(rows)


def plan_gap(
    law: PreferenceLaw | ClassLaw,
    width: float,
    *,
    beliefs: tuple[float, float] = (1.0, 0.0),
    samples: Sequence[int] = SAMPLES,
    level: float = 0.95,
) -> pd.DataFrame:
    """Prompts that bring the interval of the compliance gap to a width, whatever estimator of types is used.

    Parameters
    ----------
    law : PreferenceLaw or ClassLaw
        A guess at the model.
    width : float
    beliefs : (train, deploy)
        At which a law of preferences is asked.
    samples : sequence of int
        Per prompt and context.
    level : float

    Returns
    -------
    DataFrame
        As `plan` gives.

    Examples
    --------
    >>> law = ClassLaw(shares=(0.25, 0.2, 0.55), train=(0.93, 0.85, 0.05), deploy=(0.92, 0.12, 0.04), phi=20.0)
    >>> plan_gap(law, 0.08, samples=(1, 10))[["samples", "prompts", "total_samples"]]
       samples  prompts  total_samples
    0        1      511           1022
    1       10      246           4920
    """
    check_level(level)
    _positive(width, samples)
    between, noise = _spread(law, beliefs)
    rows = []
    for n in samples:
        each = float(np.sqrt(between + noise / n))
        prompts = 2
        for _ in range(50):  # Student's quantile depends on the answer, ever less
            wanted = (2 * student.ppf(0.5 + level / 2, max(prompts - 1, 1)) * each / width) ** 2
            if (following := max(2, int(np.ceil(wanted)))) == prompts:
                break
            prompts = following
        se = each / np.sqrt(prompts)
        rows.append((n, prompts, 2 * n * prompts, se, 2 * student.ppf(0.5 + level / 2, prompts - 1) * se))
    return plan_table(rows)


def law_bound(law: PreferenceLaw, beliefs: tuple[float, float] = (1.0, 0.0)) -> Bound:
    """Cramér–Rao bounds of a law of preferences: mu, sigma, each delta and share, gap and faking_share.

    Parameters
    ----------
    law : PreferenceLaw
        With one or two incentives.
    beliefs : (train, deploy)
        Of the gap and of the faking share; a design has beliefs of its own.

    Examples
    --------
    >>> law = PreferenceLaw(mu=-3.0, sigma=2.0, deltas=np.array([2.0]), shares=np.array([1.0]))
    >>> {name: round(se, 3) for name, se in law_bound(law)(Design.regular(92, 10)).items()}
    {'mu': 0.264, 'sigma': 0.209, 'delta': 0.162, 'gap': 0.022, 'faking_share': 0.03}
    """
    types = len(law.deltas)
    graded = law.ratio != 1
    if types > 2 or law.sigma == 0 or (graded and types > 1):
        raise ValueError(
            "planning covers one or two incentives, a graded one, and preferences that vary; state such a law"
        )
    form = replace(GRADED if graded else (ONE, TWO)[types - 1], preference=law.preference)
    odds = np.log(law.shares[1:] / law.shares[0])
    last = [np.log(law.ratio)] if graded else []
    working = np.concatenate([[law.mu, np.log(law.sigma)], law.deltas, odds, last])
    ends = [f"_{j + 1}" for j in range(types)] if types > 1 else [""]
    shares = [f"share{end}" for end in ends] * (types > 1)
    names = ["mu", "sigma", *(f"delta{end}" for end in ends), *shares, *(["ratio"] if graded else [])]
    names += ["gap", "faking_share"]

    def report(x: Floats) -> Floats:
        mu, sigma, deltas, parts = form.unpack(x)
        ratio = float(form.ratio(x))
        drawn = PreferenceLaw(float(mu), float(sigma), deltas, parts, form.preference, ratio)
        rates = agreement_rate(drawn, np.array(beliefs))
        own = parts if types > 1 else np.full(int(graded), ratio)
        return np.array(
            [drawn.mu, drawn.sigma, *deltas, *own, rates[0] - rates[1], float(faking_share(drawn, *beliefs))]
        )

    def bound(design: Design) -> Mapping[str, float]:
        def draw(asked: Design, rng: np.random.Generator) -> CountCells:
            return asked.counted(simulate_agreed(rng, law, asked.n, asked.beliefs))

        found = cramer_rao(lambda x, cells: log_likelihood(x, cells, form), working, design, draw, report)
        return dict(zip(names, found.tolist(), strict=True))

    return bound


def _spread(law: PreferenceLaw | ClassLaw, beliefs: tuple[float, float]) -> tuple[float, float]:
    """Var(p_T − p_D) over prompts, and E[p_T (1 − p_T)] + E[p_D (1 − p_D)]."""
    if isinstance(law, ClassLaw):
        weight, rates = np.array(law.shares), law.rates
        scatter = rates * (1 - rates) / (law.phi + 1)  # of a prompt's own rate around its class's
    else:
        widest = max(law.sigma, 1e-3) * max(1.0, law.ratio)
        shifts = np.append(law.deltas, 0.0)
        z, log_weights = quadrature(law.mu, widest, shifts, 1.0, preference=law.preference)
        told = np.array(beliefs)
        eta = law.mu + np.outer(z, law.sigma * (1 + told * (law.ratio - 1)))
        rates = np.concatenate([expit(eta + told * delta) for delta in law.deltas])
        weight = np.concatenate([share * np.exp(log_weights) for share in law.shares])
        weight, scatter = weight / weight.sum(), np.zeros_like(rates)
    difference = rates[:, 0] - rates[:, 1]
    between = float(weight @ (difference - weight @ difference) ** 2 + weight @ scatter.sum(axis=1))
    return between, float(weight @ (rates * (1 - rates) - scatter).sum(axis=1))


def _positive(width: float, samples: Sequence[int]) -> None:
    if not width > 0 or not samples or min(samples) < 1:
        raise ValueError(f"width and samples must be positive, got {width} and {list(samples)}")


def plan_table(rows: list[tuple[int, int, int, float, float]]) -> pd.DataFrame:
    """Rows of samples, prompts, total_samples, se and width, with the one that takes the fewest samples marked."""
    table = pd.DataFrame(rows, columns=["samples", "prompts", "total_samples", "se", "width"])
    total = table["total_samples"].where(table["prompts"] > 0)
    return table.assign(fewest=(total == total.min()) if total.notna().any() else False)
