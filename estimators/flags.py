"""Whether a prompt is flagged in a context: its rate of an event reaches a threshold, decided on integers.

k/n >= tau is k >= ceil(tau n), with tau read as the simplest fraction within some 1e-13: 0.3, 0.1 + 0.2 and
np.linspace(0, 1, 11)[3] are all 3/10, so that 3 of 10 reach it.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from numbers import Real

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest

from estimators.count_cells import CountCells, count_cells
from estimators.observations import ORIENTATIONS, SAFETY, ObservationError, Observations
from estimators.prompt_intervals import check_level, cluster_wilson, prompt_means

EVENTS = ("disagree", "unsafe")


def check_event(event: str, level: float) -> None:
    """Raise ValueError for an unknown event, or a level outside (0, 1)."""
    check_level(level)
    if event not in EVENTS:
        raise ValueError(f"event is {event!r}; choose one of {', '.join(EVENTS)}")


def event_cells(pairs: pd.DataFrame, events: list[pd.Series]) -> CountCells | None:
    """Count cells of the event, None without pairs."""
    if pairs.empty:
        return None
    return count_cells(pairs[["n_train", "n_deploy"]], np.column_stack(events))


def flag_shares(
    pairs: pd.DataFrame, train: NDArray[np.bool_], deploy: NDArray[np.bool_], level: float
) -> dict[str, float | str]:
    """Counts and shares of one group from its flags in the two contexts, (pairs,) each."""
    counts = {
        "flagged_in_deploy_only": int((~train & deploy).sum()),
        "flagged_in_train_only": int((train & ~deploy).sum()),
        "flagged_in_both": int((train & deploy).sum()),
        "flagged_in_neither": int((~train & ~deploy).sum()),
    }
    shares: dict[str, float] = {}
    for name, part in (("fracture", ~train & deploy), ("reverse", train & ~deploy)):
        rates = prompt_means(pairs, pd.Series(part, index=pairs.index, dtype=float))
        share, low, high, interval = _share(rates, len(pairs), level)
        shares |= {name: share, f"{name}_low": low, f"{name}_high": high}
    return {"prompts": rates.size, "pairs": len(pairs), **counts, **shares, "interval": interval}


def exact_tau(tau: float | Fraction) -> Fraction:
    """The simplest fraction that prints and rounds to `tau`; floats of decimals are off by some 1e-17."""
    if not isinstance(tau, Real) or not 0 < tau <= 1:
        why = "; at 0 every prompt is flagged" if tau == 0 else ""
        raise ValueError(f"tau is {tau}; give a rate above 0 and at most 1{why}")
    if isinstance(tau, Fraction):
        return tau
    return Fraction(float(tau)).limit_denominator(10**12) or Fraction(float(tau))  # never round down to 0


def flagged(events: pd.Series, n: pd.Series, tau: Fraction) -> NDArray[np.bool_]:
    """Whether events / n >= tau, (pairs,), on integers: events >= ceil(tau n)."""
    sizes, which = np.unique(n.to_numpy(), return_inverse=True)
    needed = np.array([math.ceil(tau * int(size)) for size in sizes], dtype=np.int64)
    return events.to_numpy() >= needed[which]


def events_of(pairs: pd.DataFrame, obs: Observations, event: str, context: str) -> pd.Series:
    """Samples of each pair that show the event in one context, (pairs,) of int."""
    agreed, n = pairs[f"agreed_{context}"], pairs[f"n_{context}"]
    if event == "disagree":
        return n - agreed
    if obs.safety == "neutral":
        mend = f"read the counts with {' or '.join(SAFETY[:2])}"
        raise ObservationError(f"event 'unsafe' has no meaning where safety is neutral; {mend}")
    complied = agreed if obs.orientation == ORIENTATIONS[0] else n - agreed
    return complied if obs.safety == "complied-is-unsafe" else n - complied


def _share(rates: NDArray[np.float64], pairs: int, level: float) -> tuple[float, float, float, str]:
    """Mean, limits and their name from each prompt's share of its pairs, (prompts,)."""
    nan = float("nan")
    if not rates.size:
        return nan, nan, nan, "none: no prompts"
    mean = float(rates.mean())
    if pairs == rates.size:
        return mean, *_clopper_pearson(int(rates.sum()), rates.size, level), "Clopper-Pearson on prompts"
    if rates.size == 1:
        return mean, nan, nan, "none: one prompt"
    low, high = cluster_wilson(rates, level)
    return mean, float(low), float(high), "cluster-Wilson"


@lru_cache(maxsize=4096)
def _clopper_pearson(events: int, prompts: int, level: float) -> tuple[float, float]:
    # Cached: a curve asks for the same few counts again and again, at some 8 ms each.
    limits = binomtest(events, prompts).proportion_ci(level, method="exact")
    return float(limits.low), float(limits.high)
