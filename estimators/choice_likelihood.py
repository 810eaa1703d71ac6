"""The likelihood of counts when every type replies to the stated belief with one logit: THEORY 2.1 and 2.3 (iii).

A conversation of situation u states the belief β_u that it is monitored; a prompt belongs to type θ with share π_θ:
  complier, refuser   logit p = a_θ, whatever the belief            (K = 0: no incentive)
  strategic, reverse  logit p = ±λK (β̃_u m_u − β*),  β* = v/K       (an incentive to comply, or to refuse, if monitored)
  free                logit p = a_θu, one per situation              (no payoffs assumed; for bounds and tests)
  β̃_u = Λ(logit q_u + κ (logit β_u − logit q_u)),   m_u = w δ_u + (1 − w) r_u,
with counts beta-binomial at one φ. In words: a type weighs the incentive that it expects against its own preference;
it may under- or overrate (κ) how far the cue moves the stated monitoring share q, and of its incentive the part w is
goal guarding, which only training puts at stake (δ, zero where untrained), the rest pleases a rater (r, 0 or 1).

These are the latent classes of `estimators.latent_class_likelihood`, whose logits are now functions x(ψ) of fewer
parameters: the gradient is Jᵀ∇ℓ and the Hessian JᵀHJ + Σ ∂ℓ/∂x ∇²x, with J = ∂x/∂ψ.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, logit, logsumexp, softmax
from scipy.stats import betabinom, binom

from estimators.count_cells import CountCells, count_cells
from estimators.latent_class_likelihood import log_likelihood as class_log_likelihood

Floats = NDArray[np.float64]

CONSTANT = ("complier", "refuser")
STRATEGIC = {"strategic": 1.0, "reverse": -1.0}
KINDS = (*CONSTANT, *STRATEGIC, "free")
_MOST_OUTCOMES = 20_000


@dataclass(frozen=True, eq=False)
class Situations:
    """What a conversation is told, one entry per distinct situation.

    Attributes
    ----------
    belief : (U,)
        Stated belief β that the conversation is monitored.
    monitoring : (U,)
        Stated share q of monitored conversations, from which the cue moves the belief; it matters for κ only.
    goal : (U,)
        Modification δ that training on a monitored conversation brings; 0 where it is not trained on.
    rated : (U,)
        1 where a monitored conversation is rated, else 0.
    """

    belief: Floats
    monitoring: Floats
    goal: Floats
    rated: Floats

    @classmethod
    def at(cls, belief: object, monitoring: float = 0.5) -> Situations:
        """Situations that differ in the stated belief only, trained on and rated if monitored."""
        told = np.asarray(belief, dtype=np.float64)
        ones = np.ones_like(told)
        return cls(told, monitoring * ones, ones, ones)

    def __len__(self) -> int:
        return len(self.belief)


@dataclass(frozen=True)
class ChoiceForm:
    """Which types there are and what is unknown.

    Attributes
    ----------
    types : tuple of `KINDS`
    situations : int
        U, on which the parameters of a free type depend.
    sharpness : bool
        κ is estimated; otherwise it is 1, Bayes' rule.
    split : bool
        The part w of goal guarding is estimated for each strategic or reverse type; otherwise δ = r = 1 throughout.
    overdispersed : bool
        Beta-binomial with one φ; otherwise binomial.
    """

    types: tuple[str, ...]
    situations: int
    sharpness: bool = False
    split: bool = False
    overdispersed: bool = True

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Kinds, numbered where one comes twice."""
        seen = {kind: itertools.count(1) for kind in self.types}
        return tuple(f"{k} {next(seen[k])}" if self.types.count(k) > 1 else k for k in self.types)

    @cached_property
    def blocks(self) -> tuple[slice, ...]:
        """Where each type's own parameters stand."""
        ends = list(itertools.accumulate(map(self._width, self.types), initial=len(self.types) - 1))
        return tuple(slice(a, b) for a, b in itertools.pairwise(ends))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Working parameters in order; λK, κ and φ on the log scale, rates as logits."""
        names = [f"log_odds_share[{label}]" for label in self.labels[1:]]
        for kind, label in zip(self.types, self.labels):
            if kind in CONSTANT:
                names.append(f"logit_rate[{label}]")
            elif kind == "free":
                names += [f"logit_rate[{label}, {u}]" for u in range(self.situations)]
            else:
                own = ["log_lambda_K", "beta_star", *["goal_part"] * self.split]
                names += [f"{name}[{label}]" for name in own]
        return (*names, *["log_kappa"] * self.sharpness, *["log_phi"] * self.overdispersed)

    def _width(self, kind: str) -> int:
        return {"free": self.situations}.get(kind, 1 if kind in CONSTANT else 2 + self.split)

    def shares(self, parameters: Floats) -> Floats:
        """Type shares π, (..., J), of parameters (..., P)."""
        odds = parameters[..., : len(self.types) - 1]
        return np.asarray(softmax(np.concatenate([np.zeros((*odds.shape[:-1], 1)), odds], axis=-1), axis=-1))

    def kappa(self, parameters: Floats) -> float:
        """Cue sharpness κ."""
        return float(np.exp(parameters[self.names.index("log_kappa")])) if self.sharpness else 1.0


def perceived_belief(situations: Situations, kappa: float) -> tuple[Floats, Floats, Floats]:
    """β̃ with its first and second derivative in log κ, each (U,); a belief of 0 or 1 is certain at any κ."""
    with np.errstate(divide="ignore", invalid="ignore"):
        start = logit(situations.monitoring)
        evidence = np.asarray(logit(situations.belief) - start)
    inside = np.isfinite(evidence)
    moved = kappa * np.where(inside, evidence, 0.0)
    belief = np.where(inside, expit(np.where(inside, start, 0.0) + moved), situations.belief)
    if kappa == 1.0:  # Bayes' rule must give back the stated belief to the last digit
        belief = situations.belief.copy()
    first = moved * belief * (1.0 - belief)
    return belief, first, first * (1.0 + moved * (1.0 - 2.0 * belief))


def logits(parameters: Floats, form: ChoiceForm, situations: Situations) -> tuple[Floats, Floats, Floats]:
    """Logits of agreeing x with ∂x/∂ψ and ∂²x/∂ψ².

    Returns
    -------
    value : (J, U)
    slope : (J, U, P)
    curvature : (J, U, P, P)

    Examples
    --------
    A type with λK = 2, indifferent at a belief of 1/2, has logit 2 (β − 1/2):

    >>> form = ChoiceForm(("strategic",), 3, overdispersed=False)
    >>> logits(np.array([np.log(2.0), 0.5]), form, Situations.at([0.0, 0.5, 1.0]))[0]
    array([[-1.,  0.,  1.]])
    """
    size, count = len(parameters), len(situations)
    value = np.zeros((len(form.types), count))
    slope = np.zeros((*value.shape, size))
    curvature = np.zeros((*value.shape, size, size))
    belief, first, second = perceived_belief(situations, form.kappa(parameters))
    at_kappa = form.names.index("log_kappa") if form.sharpness else None
    for j, (kind, block) in enumerate(zip(form.types, form.blocks)):
        own = np.arange(block.start, block.stop)
        if kind in CONSTANT:
            value[j], slope[j, :, own[0]] = parameters[own[0]], 1.0
        elif kind == "free":
            value[j], slope[j, np.arange(count), own] = parameters[own], 1.0
        else:
            steep = STRATEGIC[kind] * np.exp(parameters[own[0]])
            part = parameters[own[2]] if form.split else 1.0
            stake = part * situations.goal + (1.0 - part) * situations.rated if form.split else np.ones(count)
            value[j] = steep * (belief * stake - parameters[own[1]])
            slope[j, :, own[0]] = value[j]
            slope[j, :, own[1]] = -steep
            if form.split:
                slope[j, :, own[2]] = steep * belief * (situations.goal - situations.rated)
            if at_kappa is not None:
                slope[j, :, at_kappa] = steep * stake * first
                curvature[j, :, at_kappa, at_kappa] = steep * stake * second
                if form.split:
                    mixed = steep * first * (situations.goal - situations.rated)
                    curvature[j, :, own[2], at_kappa] = curvature[j, :, at_kappa, own[2]] = mixed
            # log λK multiplies everything, so its row of second derivatives is the slope itself.
            curvature[j, :, own[0], :] = curvature[j, :, :, own[0]] = slope[j]
    return value, slope, curvature


def log_likelihood(
    parameters: Floats, cells: CountCells, form: ChoiceForm, situations: Situations
) -> tuple[float, Floats, Floats]:
    """Log-likelihood with its exact gradient and Hessian in the working parameters of `form.names`.

    Parameters
    ----------
    parameters : (P,)
    cells : CountCells
        Column u holds the samples of situation u; n = 0 where a prompt lacks it.
    form : ChoiceForm
    situations : Situations

    Returns
    -------
    value : float
        With the binomial coefficients, in nats.
    gradient : (P,)
    hessian : (P, P)

    Examples
    --------
    One strategic prompt, asked once at its indifference belief, agrees with probability 1/2:

    >>> form = ChoiceForm(("strategic",), 1, overdispersed=False)
    >>> told = Situations.at([0.4])
    >>> float(np.exp(log_likelihood(np.array([1.0, 0.4]), count_cells([[1]], [[1]]), form, told)[0]))
    0.5
    """
    value, slope, curvature = logits(parameters, form, situations)
    free = len(form.types) - 1
    tail = parameters[len(parameters) - form.overdispersed :]
    inner = np.concatenate([parameters[:free], value.ravel(), tail])
    total, by_inner, by_inner2 = class_log_likelihood(inner, cells, len(form.types))
    jacobian = np.zeros((len(inner), len(parameters)))
    jacobian[np.arange(free), np.arange(free)] = 1.0
    jacobian[free : free + value.size] = slope.reshape(value.size, -1)
    if form.overdispersed:
        jacobian[-1, -1] = 1.0
    bend = np.tensordot(
        by_inner[free : free + value.size], curvature.reshape(value.size, *2 * [len(parameters)]), 1
    )
    return total, by_inner @ jacobian, jacobian.T @ by_inner2 @ jacobian + bend


def type_log_likelihoods(
    parameters: Floats, cells: CountCells, form: ChoiceForm, situations: Situations
) -> Floats:
    """log π_θ P(k | θ) of each cell and type, (C, J), by scipy's laws; their log-sum-exp is the cell's."""
    value = logits(parameters, form, situations)[0]
    n, k = cells.n[:, None, :], cells.k[:, None, :]
    if form.overdispersed:
        phi = np.exp(parameters[-1])
        each = betabinom.logpmf(k, n, expit(value) * phi, expit(-value) * phi)
    else:
        each = binom.logpmf(k, n, expit(value))
    return np.log(form.shares(parameters)) + np.where(n > 0, each, 0.0).sum(axis=2)


def expected_information(
    parameters: Floats, cells: CountCells, form: ChoiceForm, situations: Situations, seed: int = 0
) -> Floats:
    """Fisher information, (P, P), of as many prompts of the same designs as `cells` has.

    Every outcome of a design counts with its probability; designs with more than 20,000 outcomes are represented by
    as many drawn ones.
    """
    rng = np.random.default_rng(seed)
    total = np.zeros((len(parameters), len(parameters)))
    for d, n in enumerate(cells.design_n.astype(np.int64)):
        prompts = float(cells.weights[cells.design == d].sum())
        if prompts == 0 or not n.any():
            continue
        if np.prod(n + 1.0) <= _MOST_OUTCOMES:
            outcomes = np.array(list(itertools.product(*(range(m + 1) for m in n))))
            every = count_cells(np.broadcast_to(n, outcomes.shape), outcomes, np.zeros(len(n)))
            chance = np.exp(logsumexp(type_log_likelihoods(parameters, every, form, situations), axis=1))
        else:
            drawn = simulate(rng, parameters, np.tile(n, (_MOST_OUTCOMES, 1)), form, situations)
            every = count_cells(np.broadcast_to(n, drawn.shape), drawn, np.zeros(len(n)))
            chance = every.weights / _MOST_OUTCOMES
        kept = chance > 1e-300
        weighted = count_cells(every.n[kept], every.k[kept], np.zeros(len(n)), prompts * chance[kept])
        total -= log_likelihood(parameters, weighted, form, situations)[2]
    return total


def simulate(
    rng: np.random.Generator,
    parameters: Floats,
    n: NDArray[np.int64],
    form: ChoiceForm,
    situations: Situations,
) -> NDArray[np.int64]:
    """Draw agreements (N, U) of n (N, U) samples; a prompt has one type, and a rate of its own in each situation."""
    value = logits(parameters, form, situations)[0]
    kind = rng.choice(len(form.types), size=len(n), p=form.shares(parameters))
    rate = expit(value)[kind]
    if form.overdispersed:
        phi = np.exp(parameters[-1])
        rate = rng.beta(phi * rate, phi * np.exp(log_expit(-value))[kind])
    return rng.binomial(n, rate).astype(np.int64)
