"""What a run does to prompts that do not plan: rates, gaps and the share of prompts that look faked.

Deploy log-odds are normal over prompts and train log-odds lie a fixed gap above.  The flow gives the outcome in
expectation; :func:`sampled_run` trains prompt by prompt on sampled pairs, labels or groups, with the reference
point and the reward shift pooled over prompts as trainers pool them over a batch.
"""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit
from scipy.stats import norm

from stackelberg.faking.methods import TrainingRun
from stackelberg.faking.training.flow import flow, unit_dose
from stackelberg.faking.training.objectives import (
    BCO,
    DPO,
    GRPO,
    KTO,
    SFT,
    Array,
    Objective,
    PolicyGradient,
    log_ratios,
)
from stackelberg.game import GameError


@dataclass(frozen=True)
class Outcome:
    """Means over prompts.

    Attributes
    ----------
    train_rate, deploy_rate : float
        Probability of complying.
    gap : float
        Train rate minus deploy rate.
    log_odds_gap : float
        Mean of train minus deploy log-odds.
    faking_share : float
        Share of prompts with :math:`\\eta_T > 0 > \\eta_D`: more likely to comply in train and to refuse in deploy.
    deploy_spread : float
        Standard deviation of the deploy log-odds.
    """

    train_rate: float
    deploy_rate: float
    gap: float
    log_odds_gap: float
    faking_share: float
    deploy_spread: float

    def as_dict(self) -> dict[str, float]:
        """By name, for a frame."""
        return asdict(self)


def prompts(mean: float, spread: float = 1.5, gap: float = 1.0, count: int = 4001) -> Array:
    """Train and deploy log-odds of equally likely prompts, (2, count): midpoints of the normal's quantiles."""
    deploy = norm.ppf((np.arange(count) + 0.5) / count, mean, spread)
    return np.stack([deploy + gap, deploy])


def summarise(logit: Array) -> Outcome:
    """Outcome of train and deploy log-odds, (2, prompts)."""
    train, deploy = expit(logit).mean(axis=1)
    return Outcome(
        train_rate=float(train),
        deploy_rate=float(deploy),
        gap=float(train - deploy),
        log_odds_gap=float((logit[0] - logit[1]).mean()),
        faking_share=float(((logit[0] > 0) & (logit[1] < 0)).mean()),
        deploy_spread=float(logit[1].std()),
    )


def outcome(objective: Objective, start: Array, run: TrainingRun | None = None) -> Outcome:
    """Outcome of a fixed dose on prompts that start at log-odds of shape (2, prompts), their own reference.

    Examples
    --------
    >>> from stackelberg.faking.training.objectives import DPO
    >>> round(outcome(DPO(), prompts(-4.0), TrainingRun(generalisation=0.3)).log_odds_gap, 2)
    2.54
    """
    run = run or TrainingRun()
    if run.until is not None:
        raise GameError(
            "prompts that do not plan need a fixed dose: give TrainingRun(dose=...) without until"
        )
    end = flow(
        objective,
        start,
        start,
        run.dose * unit_dose(objective),
        generalisation=run.generalisation,
        train_share=run.train_share,
    )
    return summarise(end)


def sampled_run(
    objective: Objective,
    start: Array,
    run: TrainingRun | None = None,
    *,
    steps: int,
    rng: np.random.Generator,
    pooled: bool = True,
) -> Array:
    """Log-odds after stochastic training: each step, every prompt draws a cue and an example, pair or group.

    Parameters
    ----------
    objective : Objective
    start : ndarray, shape (2, prompts)
        Its own reference.
    run : TrainingRun
    steps : int
        The learning rate is the dose over the steps; its bias vanishes with it.
    rng : Generator
    pooled : bool
        KTO's reference point and BCO's reward shift are means over all prompts, as in a batch; else per prompt.

    Returns
    -------
    ndarray, shape (2, prompts)
    """
    run = run or TrainingRun()
    if run.until is not None:
        raise GameError("sampled training needs a fixed dose: give TrainingRun(dose=...) without until")
    logit, count = start.copy(), start.shape[1]
    rate = run.dose * unit_dose(objective) / steps
    every = np.arange(count)
    for _ in range(steps):
        cue = np.where(rng.random(count) < run.train_share, 0, 1)
        push = rate * _sampled_push(objective, logit[cue, every], start[cue, every], rng, pooled)
        logit[cue, every] += push
        logit[1 - cue, every] += run.generalisation * push
    return logit


def _sampled_push(
    objective: Objective, logit: Array, reference: Array, rng: np.random.Generator, pooled: bool
) -> Array:
    """Minus the gradient of the sampled loss in each prompt's logit, (prompts,)."""
    draw = rng.random(logit.shape)
    match objective:
        case DPO(self_sampled=False):
            sign = np.where(draw < objective.label_noise, -1.0, 1.0)  # which answer the label prefers
            return objective.beta * sign * expit(-sign * objective.beta * (logit - reference))
        case BCO() | KTO():
            complies = draw < objective.comply_share
            desired = complies ^ (rng.random(logit.shape) < objective.label_noise)
            return _example_push(objective, logit, reference, complies, desired, pooled)
        case SFT():
            return (draw < objective.comply_share) - expit(logit)
        case GRPO(kl=0.0) if np.isfinite(objective.group_size):
            size = int(objective.group_size)
            complied = rng.binomial(size, expit(logit)).astype(float)
            mean = complied / size
            scale = np.sqrt(mean * (1 - mean) * size / (size - objective.sample_deviation))
            scale = scale if objective.scaled else np.ones_like(scale)
            # sum over the group of advantage times the derivative of the log-probability, divided by its size
            push = mean * (1 - mean) * (1 - expit(logit)) + (1 - mean) * mean * expit(logit)
            return np.divide(push, scale, out=np.zeros_like(push), where=scale > 0)
        case PolicyGradient():
            complied = draw < expit(logit)
            return np.where(complied, 1 - expit(logit), 0.0)
    raise GameError(
        f"{objective} has no sampled run: use DPO, BCO, KTO, SFT, GRPO without kl or PolicyGradient"
    )


def _example_push(
    objective: BCO | KTO,
    logit: Array,
    reference: Array,
    complies: NDArray[np.bool_],
    desired: NDArray[np.bool_],
    pooled: bool,
) -> Array:
    comply, refuse = log_ratios(logit, reference)
    reward = np.where(complies, comply, refuse)
    slope = np.where(
        complies, np.exp(log_expit(-logit)), -expit(logit)
    )  # of the log-probability in the logit
    if isinstance(objective, BCO):
        shift = objective.reward_shift(logit, reference)
        x = objective.beta * reward - (shift.mean() if pooled else shift)
        return objective.beta * slope * np.where(desired, expit(-x), -expit(x))
    if pooled:
        share = objective.comply_share if objective.baseline == "mismatched" else expit(logit)
        mean = float((share * comply + (1 - share) * refuse).mean())
        point = np.asarray(0.0 if objective.baseline == "zero" else max(0.0, mean))
    else:
        point = objective.reference_point(logit, reference)
    x = objective.beta * (reward - point)
    weight = np.where(desired, objective.desirable_weight, -objective.undesirable_weight)
    return objective.beta * slope * weight * expit(x) * expit(-x)
