"""One candidate for the incentives is fitted by maximum likelihood, and two candidates are compared by
simulation.

Working parameters ψ = (μ, log σ, δ of each free type, log share odds); ψ̂ maximises the likelihood of
`estimators.structural_likelihood` from several starts, and its covariance is the inverse observed
information −∇²ℓ(ψ̂)⁻¹. A likelihood ratio LR = 2(ℓ₁ − ℓ₀) is compared with those of B data sets simulated
from the fitted ℓ₀, since no χ² law holds where a type's share is zero (McLachlan & Peel 2000, section 6.4):
p = (1 + #{LR_b ≥ LR}) / (B + 1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from tqdm import tqdm

from estimators.count_cells import CountCells, count_cells
from estimators.newton import Maximum, informed, maximise, observed_covariance
from estimators.preference import Preference
from estimators.shares import PreferenceLaw, simulate_agreed
from estimators.structural_likelihood import NO_INCENTIVE, ONE, Candidate, log_likelihood

Floats = NDArray[np.float64]
Status = Literal["converged", "at bound", "singular", "not converged", "no variation"]

MESSAGES: dict[str, str] = {
    "converged": "a maximum inside the bounds; standard errors from the observed information",
    "at bound": "no standard error for {names} (bound or no information); the others take these as given",
    "singular": "these counts do not identify every parameter (singular information); no standard errors",
    "not converged": "the climb stopped before its maximum; do not use the estimates, try fewer types",
    "no variation": "every sample agrees or every sample refuses, which shows no incentive and no spread",
}

# σ below .005 cannot be told from no spread (it moves the log-likelihood by less than 1e-3 at thousands of
# samples); beyond |20| logits or odds of 1 to 5e8 nothing that counts can show changes.
_BOUNDS = {
    "mu": (-20.0, 20.0),
    "log_sigma": (np.log(0.005), np.log(12.0)),
    "delta": (-12.0, 12.0),
    "log_omega": (np.log(0.005), np.log(3.0)),  # the 41 nodes of ω resolve no more
    "log_ratio": (-3.0, 3.0),
}
_SHARE_BOUND = 20.0
SIZE = 0.05
"""A test rejects where p is at most this."""
_MIN_SHARE, _MIN_DIFFERENCE = 1e-4, 0.01  # with less, a type is not there, or is the other one


@dataclass(frozen=True, eq=False)
class StructuralFit:
    """A fitted candidate, with what is needed to judge it.

    Attributes
    ----------
    candidate : Candidate
    parameters : (P,)
        In the order of `candidate.parameter_names`; logits, log σ, log odds.
    covariance : (P, P)
        Inverse observed information; NaN for parameters at a bound, all NaN where it is singular.
    log_likelihood : float
        In nats, with the binomial coefficients.
    gradient_norm, condition_number : float
        Largest |gradient| of the free parameters; condition of their information.
    status : "converged", "at bound", "singular", "not converged" or "no variation"
    message : str
        What the status means for the reader.
    prompts : float
    """

    candidate: Candidate
    parameters: Floats
    covariance: Floats
    log_likelihood: float
    gradient_norm: float
    condition_number: float
    status: Status
    message: str
    prompts: float

    @property
    def law(self) -> PreferenceLaw:
        """The fitted law of preferences and incentives."""
        return self.law_at(self.parameters)

    def law_at(self, parameters: Floats) -> PreferenceLaw:
        """The law at other working parameters (P,)."""
        mu, sigma, deltas, shares = self.candidate.unpack(parameters)
        ratio = float(self.candidate.ratio(parameters))
        return PreferenceLaw(float(mu), float(sigma), deltas, shares, self.candidate.preference, ratio)

    @property
    def bic(self) -> float:
        """−2ℓ + P log N, N the number of prompts: smaller is better."""
        return -2.0 * self.log_likelihood + self.candidate.parameters * float(np.log(self.prompts))


def fit_candidate(
    cells: CountCells, candidate: Candidate, simpler: Iterable[StructuralFit] = ()
) -> StructuralFit:
    """Maximise the likelihood of one candidate.

    Parameters
    ----------
    cells : CountCells
    candidate : Candidate
    simpler : fits of candidates nested in this one
        Starts are made from them, so that the fit is never worse than theirs.

    Raises
    ------
    ValueError
        An incentive is asked for although every row has the same belief.
    """
    seen = cells.design_beliefs[cells.design_n > 0]
    if candidate.free and (seen.size == 0 or np.ptp(seen) == 0):
        raise ValueError(
            "all rows have one and the same belief, which cannot identify an incentive; "
            "add rows at another belief, or state different beliefs for train and deploy"
        )
    agreed, samples = float(cells.weights @ cells.agreed), float(cells.weights @ cells.n.sum(axis=1))
    if agreed in (0.0, samples):
        return _no_variation(cells, candidate, agreed, samples)

    kinds = [name.rsplit("_", 1)[0] if name[-1].isdigit() else name for name in candidate.parameter_names]
    box = np.array([_BOUNDS.get(kind, (-_SHARE_BOUND, _SHARE_BOUND)) for kind in kinds])

    def objective(x: Floats) -> tuple[float, Floats, Floats]:
        return log_likelihood(x, cells, candidate)

    # Climb roughly from every start, then to the end from the best: half the time, and the same maxima.
    starts = _starts(candidate, agreed / samples, tuple(simpler))
    rough = [maximise(objective, x, box[:, 0], box[:, 1], gain=1e-3, max_iterations=30) for x in starts]
    best = max(rough, key=lambda found: found.value)
    best = maximise(objective, best.x, box[:, 0], box[:, 1])
    if candidate.free == 2 and best.x[2] > best.x[3]:  # the types have no order of their own: δ₁ ≤ δ₂
        best = maximise(objective, best.x[[0, 1, 3, 2, 4]] * [1, 1, 1, 1, -1], box[:, 0], box[:, 1])
    return _judged(best, cells, candidate)


def _starts(candidate: Candidate, rate: float, simpler: tuple[StructuralFit, ...]) -> list[Floats]:
    one = next((fit for fit in simpler if fit.candidate.name == ONE.name), None)
    if candidate.varies and one is not None:
        return [np.append(one.parameters, log_omega) for log_omega in (-4.0, -0.7, 0.5)]
    if candidate.graded and one is not None:
        # One start: on 95 data sets, shipped ones and ratios of .2 to 5 among them, two more led to the same maximum.
        return [np.append(one.parameters, 0.0)]
    if candidate.types == 1:
        centre = float(logit(np.clip(rate, 1e-3, 1 - 1e-3)))
        more = [0.0] * (candidate.parameters - 2)
        given = [np.append(fit.parameters, more) for fit in simpler]
        return given or [np.array([1.3 * centre, 0.3, *more])]
    mu, log_sigma, delta = (0.0, 0.3, 1.0) if one is None else one.parameters
    if candidate.free == 1:
        tries = [(2 * delta, 0.0), (delta + 2, -1.5), (delta - 2, -1.5), (delta, _SHARE_BOUND)]
        return [np.array([mu, log_sigma, *t]) for t in tries]
    apart = [(delta - 1, delta + 1, 0.0), (delta, delta + 3, -1.5), (delta - 3, delta, 1.5)]
    pairs = [*apart, (delta, delta, 0.0)]  # the last is the one-type fit itself
    nested = [np.insert(fit.parameters, 2, 0.0) for fit in simpler if fit.candidate.types == 2]
    return [np.array([mu, log_sigma, *pair]) for pair in pairs] + nested


def _judged(found: Maximum, cells: CountCells, candidate: Candidate) -> StructuralFit:
    """Standard errors and status of a maximum."""
    names, known = candidate.parameter_names, informed(found)
    if candidate.types == 2:
        _, _, deltas, shares = candidate.unpack(found.x)
        # Nothing can be learned about a type without members, nor about types that coincide.
        empty, same = shares < _MIN_SHARE, abs(deltas[1] - deltas[0]) < _MIN_DIFFERENCE
        lost = {f"delta_{j + 1}" for j in (0, 1) if empty[j] or same}
        lost |= {"log_odds_share_2"} if same or empty.any() else set()
        known &= [name not in lost for name in names]
    held = [name for name, is_known in zip(names, known) if not is_known]
    covariance, condition = observed_covariance(found.hessian, known)
    status: Status = "converged"
    if not found.converged:
        status = "not converged"
    elif np.all(np.isnan(covariance)):
        status = "singular"
    elif held:
        status = "at bound"
    return StructuralFit(
        candidate=candidate,
        parameters=found.x,
        covariance=covariance,
        log_likelihood=found.value,
        gradient_norm=float(np.abs(found.gradient[found.free]).max(initial=0.0)),
        condition_number=condition,
        status=status,
        message=MESSAGES[status].format(names=", ".join(held)),
        prompts=cells.prompts,
    )


def _no_variation(cells: CountCells, candidate: Candidate, agreed: float, samples: float) -> StructuralFit:
    """All zero or all n: the likelihood has no maximum, so state a rate half an event off the edge, no more."""
    centre = float(logit((agreed + 0.5) / (samples + 1.0)))
    parameters = np.array([centre, _BOUNDS["log_sigma"][0], *[0.0] * (candidate.parameters - 2)])
    size = candidate.parameters
    return StructuralFit(
        candidate=candidate,
        parameters=parameters,
        covariance=np.full((size, size), np.nan),
        log_likelihood=0.0,  # the supremum
        gradient_norm=np.nan,
        condition_number=np.inf,
        status="no variation",
        message=MESSAGES["no variation"],
        prompts=cells.prompts,
    )


def bootstrap_ratios(
    cells: CountCells,
    null: StructuralFit,
    alternatives: Sequence[Candidate],
    replicates: int,
    rng: np.random.Generator,
    progress: bool = False,
    observed: float = np.inf,
) -> Floats:
    """`selected_ratio` of data sets simulated from the fitted null, (replicates,); each alternative nests the last.

    There are fewer once so many reach what was `observed` that p is above `SIZE` whatever the rest would be: the
    decision is that of all, and p of fewer is still valid, only coarser (Besag & Clifford 1991, Biometrika 78:301).
    """
    repeats = np.rint(cells.weights).astype(np.int64)
    n, beliefs = np.repeat(cells.n, repeats, axis=0), np.repeat(cells.beliefs, repeats, axis=0)
    law, ratios, enough = null.law, np.zeros(replicates), max(1, int(SIZE * (replicates + 1)))
    label = f"{null.candidate.name} or {' or '.join(each.name for each in alternatives)}"
    for b in tqdm(range(replicates), desc=label, disable=not progress, leave=False):
        drawn = count_cells(n, simulate_agreed(rng, law, n, beliefs), beliefs)
        without = fit = fit_candidate(drawn, null.candidate)
        others = []
        for candidate in alternatives:
            fit = fit_candidate(drawn, candidate, [fit])
            others.append(fit)
        ratios[b] = selected_ratio(without, others)
        if np.sum(ratios[: b + 1] >= observed) >= enough:
            return ratios[: b + 1]
    return ratios


def selected_ratio(null: StructuralFit, alternatives: Sequence[StructuralFit]) -> float:
    """Likelihood ratio of the alternative that BIC prefers: max_a 2(ℓ_a − ℓ₀) − (P_a − min P) log N, not below zero.

    One alternative's is the plain ratio 2(ℓ₁ − ℓ₀). Of several, the choice is part of the statistic, so that a
    bootstrap of it answers for the choice too.
    """
    least, log_prompts = min(fit.candidate.parameters for fit in alternatives), float(np.log(null.prompts))
    gains = [
        2.0 * (fit.log_likelihood - null.log_likelihood) - (fit.candidate.parameters - least) * log_prompts
        for fit in alternatives
    ]
    return max(0.0, *gains)


def bootstrap_p_value(ratio: float, ratios: Floats) -> float:
    """(1 + #{LR_b ≥ LR}) / (B + 1), NaN without replicates."""
    return float((1 + np.sum(ratios >= ratio)) / (len(ratios) + 1)) if len(ratios) else float("nan")


def fit_all(cells: CountCells, candidates: Iterable[Candidate]) -> dict[str, StructuralFit]:
    """Fit "no incentive", "one" and the candidates, in order of size, each started from those nested in it."""
    fits: dict[str, StructuralFit] = {}
    larger = tuple(candidates)
    law: Preference = larger[0].preference if larger else "normal"
    for candidate in (*(replace(each, preference=law) for each in (NO_INCENTIVE, ONE)), *larger):
        if candidate.name not in fits:
            nests = candidate.types == 2 or candidate.varies or candidate.graded
            simpler = [f for f in fits.values() if nests and f.candidate.name != NO_INCENTIVE.name]
            fits[candidate.name] = fit_candidate(cells, candidate, simpler)
    return fits
