"""Tables of fitted latent classes: classes with intervals, numbers of classes, starts, and a status in words.

Intervals of shares and rates are Wald intervals on the logit scale, that of φ on the log scale. Shares are
π = softmax(0, log odds), so their covariance is D Σ D' with D = dπ/d(log odds), (J, J − 1).
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from scipy.stats import norm

from estimators.latent_class_errors import StandardErrors
from estimators.latent_class_fit import AT_BEST, ClassFit

Floats = NDArray[np.float64]
CONTEXTS = ("train", "deploy")


def share_covariance(shares: Floats, covariance: Floats) -> Floats:
    """Covariance (J, J) of the shares from that of the working parameters (P, P); NaN for a single class."""
    count = len(shares)
    if count == 1:
        return np.full((1, 1), np.nan)
    slopes = (np.diag(shares) - np.outer(shares, shares))[:, 1:]
    return np.asarray(slopes @ covariance[: count - 1, : count - 1] @ slopes.T)


def logit_interval(value: ArrayLike, se: ArrayLike, level: float) -> tuple[Floats, Floats]:
    """Interval of a share or rate by the delta method on the logit scale; NaN where there is no standard error."""
    centre, spread = np.asarray(value, dtype=np.float64), np.asarray(se, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        half = norm.ppf(0.5 + level / 2) * spread / (centre * (1 - centre))
        return np.asarray(expit(logit(centre) - half)), np.asarray(expit(logit(centre) + half))


def class_labels(rates: Floats) -> list[str]:
    """Names by what classes (J, 2) do in train and deploy, numbered where a name comes twice."""
    acts = {
        (True, True): "complier",
        (False, False): "refuser",
        (True, False): "faker",
        (False, True): "reverse",
    }
    labels = [acts[bool(train >= 0.5), bool(deploy >= 0.5)] for train, deploy in rates]
    counted = {label: itertools.count(1) for label in labels}
    return [f"{label} {next(counted[label])}" if labels.count(label) > 1 else label for label in labels]


def class_table(fit: ClassFit, covariance: Floats, level: float, supported: bool) -> pd.DataFrame:
    """class, and share, p_train, p_deploy each with _se, _low, _high; most agreeing class first.

    A faker class that selection does not support is named so.
    """
    order = np.argsort(-fit.rates.mean(axis=1), kind="stable")
    count = fit.classes
    with np.errstate(invalid="ignore"):
        share_se = np.sqrt(np.diag(share_covariance(fit.shares, covariance)))
        logit_se = np.sqrt(np.diag(covariance)[count - 1 : 3 * count - 1]).reshape(count, 2)
    rate_se = logit_se * fit.rates * (1 - fit.rates)
    labels = class_labels(fit.rates[order])
    if not supported:
        labels = [f"{label} (unsupported)" if label.startswith("faker") else label for label in labels]
    columns: dict[str, Any] = {"class": labels}
    told = [("share", fit.shares, share_se)]
    told += [(f"p_{context}", fit.rates[:, s], rate_se[:, s]) for s, context in enumerate(CONTEXTS)]
    for name, value, se in told:
        low, high = logit_interval(value[order], se[order], level)
        columns |= {name: value[order], f"{name}_se": se[order], f"{name}_low": low, f"{name}_high": high}
    return pd.DataFrame(columns)


def parameter_table(
    table: pd.DataFrame, log_phi: float | None, log_phi_se: float, level: float
) -> pd.DataFrame:
    """parameter, estimate, se, low, high, class by class and φ last; from a `class_table`."""
    rows: list[tuple[object, ...]] = []
    for _, row in table.iterrows():
        for name in ("share", *(f"p_{context}" for context in CONTEXTS)):
            told = (row[name], row[f"{name}_se"], row[f"{name}_low"], row[f"{name}_high"])
            rows.append((f"{name}[{row['class']}]", *told))
    if log_phi is not None:
        phi, half = float(np.exp(log_phi)), float(norm.ppf(0.5 + level / 2)) * log_phi_se
        rows.append(("phi", phi, phi * log_phi_se, phi * np.exp(-half), phi * np.exp(half)))
    return pd.DataFrame(rows, columns=["parameter", "estimate", "se", "low", "high"])


def number_table(fits: dict[int, ClassFit]) -> pd.DataFrame:
    """One row per number of classes: what selection and the numbers of the fit say."""
    return pd.DataFrame(
        [
            {
                "classes": fit.classes,
                "parameters": len(fit.parameters),
                "log_likelihood": fit.log_likelihood,
                "bic": fit.bic,
                "icl": fit.icl,
                "identified": fit.identified,
                "converged": fit.converged,
                "condition_number": fit.condition_number,
                "gradient_norm": fit.gradient_norm,
                "starts": len(fit.reached),
                "starts_at_best": int(np.sum(fit.reached > fit.log_likelihood - AT_BEST)),
                "spread": fit.log_likelihood - float(np.nanmin(fit.reached)),
            }
            for fit in fits.values()
        ]
    )


def start_table(fits: dict[int, ClassFit]) -> pd.DataFrame:
    """One row per number of classes and start: where EM stopped, where the climb ended, how short of the best."""
    rows = []
    for fit in fits.values():
        for r, value in enumerate(fit.reached):
            rows.append(
                {
                    "classes": fit.classes,
                    "start": f"em {r + 1}" if r < len(fit.em) else "one class more",
                    "em_log_likelihood": fit.em[r] if r < len(fit.em) else float("nan"),
                    "log_likelihood": value,
                    "short": fit.log_likelihood - value,
                    "at_best": bool(value > fit.log_likelihood - AT_BEST),
                }
            )
    return pd.DataFrame(rows)


def status(fit: ClassFit, kind: StandardErrors) -> tuple[str, str]:
    """One word and one sentence on how far the fit can be trusted."""
    if not fit.converged:
        return "not converged", "the climb stopped before its maximum; try more starts or fewer classes"
    if not fit.identified:
        return "singular", "these counts do not tell so many classes apart; no standard errors, try fewer"
    if fit.held:
        names = ", ".join(fit.held)
        return (
            "at bound",
            f"no standard error for {names} (bound or no information); the others take these as given",
        )
    source = "the sandwich" if kind == "sandwich" else f"the {kind} information"
    return "converged", f"a maximum inside the bounds; standard errors from {source}"
