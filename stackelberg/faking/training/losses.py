"""The expected losses whose gradients the drifts are, written as TRL writes them, from log-probabilities.

Each takes the logit that is trained and ``at``, the logit at which everything detached is held: the sampling policy,
BCO's reward shift, KTO's reference point, GRPO's old log-probabilities.  ``tests`` differentiate them numerically;
nothing else in the library uses them, and they share no formula with :mod:`~stackelberg.faking.training.objectives`
but the detached quantities.  (TRL: ``DPOTrainer`` with the sigmoid loss, ``BCOTrainer.bco_loss``,
``KTOTrainer.kto_loss``, ``GRPOTrainer._compute_loss``.)
"""

import itertools
from math import comb

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, log_expit

from stackelberg.faking.training.objectives import (
    BCO,
    DPO,
    GRPO,
    KTO,
    SFT,
    Array,
    Mixture,
    Objective,
    PolicyGradient,
    example_shares,
    log_ratios,
)


def expected_loss(objective: Objective, logit: ArrayLike, reference: ArrayLike, at: ArrayLike) -> Array:
    """Expected loss of an objective at a logit, shapes broadcast.

    Parameters
    ----------
    objective : Objective
    logit, reference : array_like
    at : array_like
        Logit at which what the trainer detaches is held; the drift is minus the derivative at ``logit = at``.

    Raises
    ------
    TypeError
        For an objective that has no stated loss.

    Examples
    --------
    >>> round(float(expected_loss(DPO(beta=0.1), 0.0, 0.0, 0.0)), 4)
    0.6931
    """
    new, ref, old = (np.asarray(x, dtype=float) for x in (logit, reference, at))
    match objective:
        case DPO():
            return _dpo(objective, new, ref, old)
        case BCO():
            return _bco(objective, new, ref, old)
        case KTO():
            return _kto(objective, new, ref, old)
        case SFT():
            return -(objective.comply_share * log_expit(new) + (1 - objective.comply_share) * log_expit(-new))
        case GRPO():
            return _grpo(objective, new, ref, old)
        case PolicyGradient():
            return -expit(old) * np.exp(log_expit(new) - log_expit(old))
        case Mixture():
            terms = [weight * expected_loss(part, new, ref, old) for part, weight in objective.parts]
            return np.sum(terms, axis=0)
    raise TypeError(f"{type(objective).__name__} has no stated loss: use one of the methods of this module")


def _dpo(objective: DPO, new: Array, ref: Array, old: Array) -> Array:
    chosen, rejected = log_ratios(new, ref)
    margin = objective.beta * (chosen - rejected)
    loss: Array = -(1 - objective.label_noise) * log_expit(margin) - objective.label_noise * log_expit(
        -margin
    )
    return loss * 2 * expit(old) * expit(-old) if objective.self_sampled else loss


def _bco(objective: BCO, new: Array, ref: Array, old: Array) -> Array:
    comply, refuse = (objective.beta * ratio for ratio in log_ratios(new, ref))
    shift = objective.reward_shift(old, ref)
    cd, cu, rd, ru = example_shares(objective.comply_share, objective.label_noise)
    desired = -cd * log_expit(comply - shift) - rd * log_expit(refuse - shift)
    undesired = -cu * log_expit(-(comply - shift)) - ru * log_expit(-(refuse - shift))
    return np.asarray(desired + undesired)


def _kto(objective: KTO, new: Array, ref: Array, old: Array) -> Array:
    comply, refuse = log_ratios(new, ref)
    point, beta = objective.reference_point(old, ref), objective.beta
    cd, cu, rd, ru = example_shares(objective.comply_share, objective.label_noise)
    desired = cd * (1 - expit(beta * (comply - point))) + rd * (1 - expit(beta * (refuse - point)))
    undesired = cu * (1 - expit(beta * (point - comply))) + ru * (1 - expit(beta * (point - refuse)))
    return np.asarray(objective.desirable_weight * desired + objective.undesirable_weight * undesired)


def _grpo(objective: GRPO, new: Array, ref: Array, old: Array) -> Array:
    """Every composition of a group, its advantages from its own rewards, and the ratio to the old policy."""
    ratios = np.exp(log_expit(new) - log_expit(old)), np.exp(log_expit(-new) - log_expit(-old))
    if np.isinf(objective.group_size):
        p = expit(old)
        deviation = np.sqrt(p * (1 - p)) if objective.scaled else 1.0
        surrogate = (p * (1 - p) * ratios[0] + (1 - p) * (0 - p) * ratios[1]) / deviation
    else:
        surrogate = np.zeros(np.broadcast_shapes(new.shape, old.shape))
        G = int(objective.group_size)
        for complied in range(1, G):
            rewards = np.array(
                list(itertools.repeat(1.0, complied)) + list(itertools.repeat(0.0, G - complied))
            )
            advantages = rewards - rewards.mean()
            if objective.scaled:
                advantages = advantages / rewards.std(ddof=int(objective.sample_deviation))
            chance = comb(G, complied) * np.exp(complied * log_expit(old) + (G - complied) * log_expit(-old))
            mean = (advantages[:complied].sum() * ratios[0] + advantages[complied:].sum() * ratios[1]) / G
            surrogate = surrogate + chance * mean
    loss: Array = -surrogate
    if objective.kl:
        loss = loss + objective.kl * _divergence(objective, new, ref, old)
    return loss


def _divergence(objective: GRPO, new: Array, ref: Array, old: Array) -> Array:
    """k3 averaged over answers of the *old* policy, as coded; or the reverse divergence of the new one."""
    total = np.zeros(np.broadcast_shapes(new.shape, ref.shape, old.shape))
    for sign in (1.0, -1.0):
        ratio = log_expit(sign * ref) - log_expit(sign * new)
        if objective.kl_gradient == "coded":
            total = total + expit(sign * old) * (np.exp(ratio) - ratio - 1)
        else:
            total = total - expit(sign * new) * ratio
    return total
