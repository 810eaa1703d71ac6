"""Which training method's shift over initial logits fits two checkpoints best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import gammaln, log_expit, logit

from estimators.observations import Observations
from estimators.pair_law import context_law, matched

Floats = NDArray[np.float64]


def shape_evidence(
    before: Observations,
    after: Observations,
    objectives: Mapping[str, Any] | None = None,
    *,
    context: str = "train",
) -> pd.DataFrame:
    """Which method's shift over initial logits fits best: maximum likelihood under each, all with three parameters.

    Initial logits are normal over prompts; the final one is what the method makes of it at an unknown dose, towards
    compliance or towards refusal as the rates went.

    Parameters
    ----------
    objectives : mapping of name to Objective, optional
        A constant shift (DPO, BCO, balanced KTO at a small beta), SFT, GRPO in large groups, policy gradient.

    Returns
    -------
    DataFrame
        method, parameters, log_likelihood, behind (nats behind the best of the methods), weight (likelihood over the
        sum of theirs), dose, mean, spread; last the pair law, "any linear shift" with noise, which no method should
        trail by far: if all do, none of them made this shift prompt by prompt.  Shifts that gradients share between
        prompts look constant: a constant shift is no proof of DPO.
    """
    from stackelberg.faking.training.flow import train
    from stackelberg.faking.training.objectives import GRPO, SFT, PolicyGradient

    if objectives is None:
        objectives = {"constant": None, "SFT": SFT(), "GRPO": GRPO(group_size=np.inf), "PG": PolicyGradient()}
    tables = matched(before, after)
    free = context_law((tables[0], context), (tables[1], context))
    k, n = (
        np.stack([t[f"{what}_{context}"].to_numpy(dtype=float) for t in tables]) for what in ("agreed", "n")
    )
    if (k.sum(axis=1) / n.sum(axis=1))[1] < (k.sum(axis=1) / n.sum(axis=1))[0]:
        k = n - k  # trained towards refusal: the mirror image
    at, mass = np.polynomial.hermite_e.hermegauss(61)
    choose = (gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)).sum()

    def likelihood(theta: Floats, objective: Any) -> float:
        initial = theta[0] + np.exp(theta[1]) * at
        dose = np.exp(theta[2])
        final = initial + dose if objective is None else train(objective, initial, initial, float(dose))
        total = np.log(mass / np.sqrt(2 * np.pi))[:, None] + sum(
            k[s] * log_expit(e)[:, None] + (n[s] - k[s]) * log_expit(-e)[:, None]
            for s, e in enumerate((initial, final))
        )
        most = total.max(axis=0)
        return float((np.log(np.exp(total - most).sum(axis=0)) + most).sum())

    raw = logit((k[0] + 0.5) / (n[0] + 1))
    rows = []
    box = [(-12.0, 12.0), (-4.0, 2.5), (-8.0, 8.0)]
    for name, objective in objectives.items():

        def loss(theta: Floats, objective: Any = objective) -> float:
            return -likelihood(theta, objective)

        starts = [np.array([raw.mean(), np.log(max(raw.std(), 0.3)), log_dose]) for log_dose in (-1.0, 1.0)]
        fits = [minimize(loss, start, method="L-BFGS-B", bounds=box) for start in starts]
        best = min(fits, key=lambda found: float(found.fun))
        rows.append(
            (name, -best.fun + choose, float(np.exp(best.x[2])), float(best.x[0]), float(np.exp(best.x[1])))
        )
    frame = pd.DataFrame(rows, columns=["method", "log_likelihood", "dose", "mean", "spread"])
    behind = frame["log_likelihood"].max() - frame["log_likelihood"]
    weight = np.exp(-behind) / np.exp(-behind).sum()
    frame.insert(1, "parameters", 3)
    frame.insert(3, "behind", behind)
    frame.insert(4, "weight", weight)
    last = {
        "method": "any linear shift",
        "parameters": 5,
        "log_likelihood": free.log_likelihood,
        "behind": frame["log_likelihood"].max() - free.log_likelihood,
        "weight": np.nan,
        "dose": np.nan,
        "mean": free.means[0],
        "spread": free.spreads[0],
    }
    ordered = frame.sort_values("behind", kind="stable")
    return pd.concat([ordered, pd.DataFrame([last])], ignore_index=True)
