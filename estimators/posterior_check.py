"""Whether counts drawn from the posterior look like the counts that were seen, statistic by statistic.

Each kept draw of the parameters gives one replicated data set of the same design (Gelman, Meng & Stern 1996, Statistica
Sinica 6:733). Compared per model: the gap; the fracture curve, the share of prompts flagged in deploy only at τ; the
overdispersion of either context (variance over prompts of k/n beyond that of binomial draws, in units of the latter);
the covariance over prompts of the two rates; and the prompts in the four extreme cells (none or all agree in either
context).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from estimators.count_cells import CountCells
from estimators.posterior_target import Target

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TAUS = (0.1, 0.25, 0.5, 0.75, 0.9)


def statistics(n: Ints, k: Ints) -> dict[str, float]:
    """Statistics of the first against the last context that each prompt has.

    Parameters
    ----------
    n, k : (N, S)
        Samples and agreements, the context with the highest belief first.

    Examples
    --------
    >>> found = statistics(np.full((2, 2), 10), np.array([[10, 0], [5, 5]]))
    >>> found["gap"], found["fracture(0.5)"], found["train all, deploy none"]
    (0.5, 0.5, 1.0)
    """
    rows = np.arange(len(n))
    first, last = (n > 0).argmax(axis=1), n.shape[1] - 1 - (n[:, ::-1] > 0).argmax(axis=1)
    size = np.column_stack([n[rows, first], n[rows, last]]).astype(np.float64)
    agreed = np.column_stack([k[rows, first], k[rows, last]])
    rate = agreed / size
    out = {"gap": float(np.mean(rate[:, 0] - rate[:, 1]))}
    for tau in TAUS:
        # p = P(disagree) ≥ τ is flagged, on whole counts so that a rate of exactly τ is.
        flagged = (size - agreed) >= np.ceil(tau * size - 1e-9)
        out[f"fracture({tau:g})"] = float(np.mean(~flagged[:, 0] & flagged[:, 1]))
    for s, context in enumerate(("train", "deploy")):
        mean = rate[:, s].mean()
        binomial = np.mean(mean * (1 - mean) / size[:, s])
        out[f"overdispersion {context}"] = float(rate[:, s].var() / binomial - 1) if binomial > 0 else 0.0
    out["covariance"] = float(np.cov(rate.T, bias=True)[0, 1])
    none, every = agreed == 0, agreed == size
    for word, train in (("none", none[:, 0]), ("all", every[:, 0])):
        for word2, deploy in (("none", none[:, 1]), ("all", every[:, 1])):
            out[f"train {word}, deploy {word2}"] = float(np.sum(train & deploy))
    return out


def predictive_checks(
    target: Target, draws: Floats, labels: tuple[str, ...], rng: np.random.Generator, level: float = 0.95
) -> tuple[pd.DataFrame, Floats, tuple[str, ...]]:
    """Observed statistics against replicated ones.

    Parameters
    ----------
    draws : (M, G, P)
        Working parameters of each model.
    labels : (G,)

    Returns
    -------
    table : DataFrame
        model, statistic, observed, mean, low, high (of the replicates at `level`), p_value (two-sided: twice the
        smaller tail, ties counted by half).
    replicates : (M, G, T)
    names : (T,)
    """
    rows, replicates = [], []
    names: tuple[str, ...] = ()
    for g, (cells, label) in enumerate(zip(target.cells, labels, strict=True)):
        n, k, beliefs = expanded(cells)
        seen = statistics(n, k)
        names = tuple(seen)
        drawn = np.array(
            [[*statistics(n, target.model.simulate(rng, x, n, beliefs)).values()] for x in draws[:, g]]
        )
        replicates.append(drawn)
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
        for t, (name, value) in enumerate(seen.items()):
            above = np.mean(drawn[:, t] > value) + 0.5 * np.mean(drawn[:, t] == value)
            p = 2 * min(above, 1 - above)
            rows.append((label, name, value, drawn[:, t].mean(), low[t], high[t], float(min(1.0, p))))
    columns = ["model", "statistic", "observed", "mean", "low", "high", "p_value"]
    return pd.DataFrame(rows, columns=columns), np.stack(replicates, axis=1), names


def expanded(cells: CountCells) -> tuple[Ints, Ints, Floats]:
    """One row per prompt again: n, k and beliefs, (N, S)."""
    repeats = np.rint(cells.weights).astype(np.int64)
    return tuple(np.repeat(part, repeats, axis=0) for part in (cells.n, cells.k, cells.beliefs))  # type: ignore[return-value]
