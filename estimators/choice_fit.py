"""The choice model is fitted by maximum likelihood from a few starts, with its curvature.

Starts differ in the indifference belief, which is the one parameter with several basins; Newton steps with the exact
Hessian of `estimators.choice_likelihood` end in them. The covariance is the inverse observed information.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from estimators.choice_likelihood import CONSTANT, STRATEGIC, ChoiceForm, Situations, log_likelihood
from estimators.count_cells import CountCells
from estimators.newton import Evaluation, Maximum, informed, maximise, observed_covariance

Floats = NDArray[np.float64]

_BOUNDS = {
    "log_odds_share": (-12.0, 12.0),
    "logit_rate": (-9.0, 9.0),
    "log_lambda_K": (float(np.log(0.02)), float(np.log(100.0))),
    "beta_star": (-3.0, 4.0),
    "goal_part": (-10.0, 11.0),
    "log_kappa": (-4.0, 4.0),
    "log_phi": (float(np.log(0.1)), float(np.log(1000.0))),
}
# A complier agrees more often than not and a refuser less: without that the two could swap.
_SIDES = {"logit_rate[complier]": (0.0, 9.0), "logit_rate[refuser]": (-9.0, 0.0)}
_GONE = 1e-4


@dataclass(frozen=True, eq=False)
class ChoiceFit:
    """A fitted form.

    Attributes
    ----------
    form : ChoiceForm
    parameters : (P,)
    covariance : (P, P)
        Inverse observed information; NaN for parameters that are held, all NaN where it is singular.
    log_likelihood, gradient_norm : float
    converged : bool
    held : tuple of str
        Parameters at a bound, or of which the counts say nothing.
    status, message : str
    starts : (R,)
        Log-likelihoods that the starts led to.
    """

    form: ChoiceForm
    parameters: Floats
    covariance: Floats
    log_likelihood: float
    gradient_norm: float
    converged: bool
    held: tuple[str, ...]
    status: str
    message: str
    starts: Floats


def fit_choice(
    cells: CountCells, form: ChoiceForm, situations: Situations, starts: Iterable[Floats] | None = None
) -> ChoiceFit:
    """Best fit over the starts, or over those given; types of one kind in the order of their indifference beliefs."""
    box = np.array([_SIDES.get(name, _BOUNDS[name.split("[")[0]]) for name in form.names]).reshape(-1, 2)

    def objective(x: Floats) -> Evaluation:
        return log_likelihood(x, cells, form, situations)

    rough = [
        maximise(objective, start, box[:, 0], box[:, 1], gain=1e-2, max_iterations=60)
        for start in (_starts(cells, form) if starts is None else starts)
    ]
    best = max(rough, key=lambda found: found.value if np.isfinite(found.value) else -np.inf)
    best = maximise(objective, _in_order(best.x, form), box[:, 0], box[:, 1])
    return _judged(best, form, np.array([found.value for found in rough]))


def _starts(cells: CountCells, form: ChoiceForm) -> Iterator[Floats]:
    rate = cells.k.sum(axis=1) / np.maximum(cells.n.sum(axis=1), 1)
    high, low = (float(cells.weights @ part / cells.prompts) for part in (rate > 0.8, rate < 0.2))
    between = max(1 - high - low, 0.1) / max(1, len(form.types) - sum(k in CONSTANT for k in form.types))
    share = np.array(
        [max({"complier": high, "refuser": low}.get(kind, between), 0.05) for kind in form.types]
    )
    odds = np.log(share[1:] / share[0])
    strategic = sum(kind in STRATEGIC for kind in form.types)
    for middle in (0.5, 0.25, 0.75) if strategic else (0.5,):
        parts: list[float] = [*odds]
        placed = 0
        for j, kind in enumerate(form.types):
            if kind in CONSTANT:
                parts.append(2.5 if kind == "complier" else -2.5)
            elif kind == "free":
                pooled = (cells.weights @ cells.k + 0.5) / (cells.weights @ cells.n + 1.0)
                parts += [float(x) + 0.3 * j for x in logit(pooled)]
            else:
                placed += 1
                spread = 0.6 * (placed - (strategic + 1) / 2) / max(strategic, 1)
                parts += [float(np.log(5.0)), middle + spread, *[0.5] * form.split]
        yield np.array([*parts, *[0.0] * form.sharpness, *[float(np.log(10.0))] * form.overdispersed])


def _in_order(parameters: Floats, form: ChoiceForm) -> Floats:
    """The same mixture with types of one strategic kind by rising indifference belief."""
    order = list(range(len(form.types)))
    for kind in STRATEGIC:
        own = [j for j, k in enumerate(form.types) if k == kind]
        for place, j in zip(own, sorted(own, key=lambda j: parameters[form.blocks[j]][1])):
            order[place] = j
    odds = np.append(0.0, parameters[: len(order) - 1])[order]
    blocks = [parameters[form.blocks[j]] for j in order]
    return np.concatenate([odds[1:] - odds[0], *blocks, parameters[form.blocks[-1].stop :]])


def _judged(found: Maximum, form: ChoiceForm, starts: Floats) -> ChoiceFit:
    known = informed(found)
    gone = {label for label, share in zip(form.labels, form.shares(found.x)) if share < _GONE}
    known &= np.array([name.partition("[")[2].rstrip("]").split(",")[0] not in gone for name in form.names])
    held = tuple(name for name, is_known in zip(form.names, known) if not is_known)
    covariance, _ = observed_covariance(found.hessian, known)
    status, message = (
        "converged",
        "a maximum inside the bounds; standard errors from the observed information",
    )
    if not found.converged:
        status, message = (
            "not converged",
            "the climb stopped before its maximum; do not use it, try fewer types",
        )
    elif np.all(np.isnan(covariance)):
        status, message = (
            "singular",
            "these counts do not tell the types apart; no standard errors, try fewer types",
        )
    elif held:
        status = "at bound"
        message = f"no standard error for {', '.join(held)} (bound or no information); the others take these as given"
    return ChoiceFit(
        form=form,
        parameters=found.x,
        covariance=covariance,
        log_likelihood=found.value,
        gradient_norm=float(np.abs(found.gradient[found.free]).max(initial=0.0)),
        converged=found.converged,
        held=held,
        status=status,
        message=message,
        starts=starts,
    )
