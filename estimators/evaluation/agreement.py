"""Cohen's kappa: do the refusal rule and the judge agree on the same answers?

Kappa (Cohen, Educational and Psychological Measurement 20, 1960, p. 40) is (p_o - p_e)/(1 - p_e): p_o the share of
answers on which both say the same, p_e what that share would be if they were independent with the rates they have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog

_DRAWS = 2000
_CLEAR = ("C", "I")


def agreement(
    logs: Sequence[EvalLog],
    first: str = "compliance",
    second: str = "compliance_graded",
    *,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare two scores over the samples of logs.

    Parameters
    ----------
    logs : sequence of EvalLog, with samples
    first, second : str
        Names of scores with values C and I.
    level : float
        Of the interval, a bootstrap over prompts: answers to one prompt are not independent.
    seed : int

    Returns
    -------
    DataFrame, one row
        first, second, samples (that both score C or I), left_out, both_complied, first_only, second_only, both_refused,
        observed (p_o), kappa, low, high; kappa is NaN where a scorer gave one value only.
    """
    rows = [
        (
            str((sample.metadata or {}).get("prompt_id", sample.id)),
            *(_value(sample, n) for n in (first, second)),
        )
        for log in logs
        for sample in log.samples or ()
        if sample.error is None
    ]
    frame = pd.DataFrame(rows, columns=["prompt", "first", "second"])
    clear = frame["first"].isin(_CLEAR) & frame["second"].isin(_CLEAR)
    kept = frame[clear]
    cells = np.zeros((max(kept["prompt"].nunique(), 1), 2, 2))
    prompt = kept.groupby("prompt", sort=False).ngroup().to_numpy()
    refused = (kept[["first", "second"]] == "I").to_numpy(int)
    np.add.at(cells, (prompt, refused[:, 0], refused[:, 1]), 1)
    table = cells.sum(axis=0)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(cells), np.full(len(cells), 1 / len(cells)), size=_DRAWS)
    drawn = cohens_kappa(np.tensordot(weights, cells, 1))
    tails = [50 * (1 - level), 50 * (1 + level)]
    low, high = np.nanpercentile(drawn, tails) if np.isfinite(drawn).any() else (np.nan, np.nan)
    row = {
        "first": first,
        "second": second,
        "samples": len(kept),
        "left_out": len(frame) - len(kept),
        "both_complied": int(table[0, 0]),
        "first_only": int(table[0, 1]),
        "second_only": int(table[1, 0]),
        "both_refused": int(table[1, 1]),
        "observed": float(np.trace(table) / len(kept)) if len(kept) else np.nan,
        "kappa": float(cohens_kappa(table)),
        "low": float(low),
        "high": float(high),
    }
    return pd.DataFrame([row])


def cohens_kappa(table: ArrayLike) -> NDArray[np.float64]:
    """Kappa of a table of counts, or of a stack of them.

    Parameters
    ----------
    table : (..., C, C)
        Rows: what the first scorer said; columns: what the second said.

    Returns
    -------
    (...)
        NaN where it is not defined: no counts, or both always say the same one thing.

    Examples
    --------
    >>> float(cohens_kappa([[20, 5], [10, 15]]).round(3))
    0.4
    """
    counts = np.asarray(table, float)
    total = counts.sum(axis=(-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = np.trace(counts, axis1=-2, axis2=-1) / total
        expected = (counts.sum(axis=-1) * counts.sum(axis=-2)).sum(axis=-1) / total**2
        kappa = (observed - expected) / (1 - expected)
    return np.where(expected < 1, kappa, np.nan)


def _value(sample: object, name: str) -> object:
    scores = getattr(sample, "scores", None) or {}
    return scores[name].value if name in scores else None
