"""A posterior's density becomes draws by nutpie, and draws become ArviZ data, a summary and measures of mixing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from estimators.posterior_target import Target

Floats = NDArray[np.float64]


def sample(target: Target, chains: int, draws: int, tune: int, seed: int, progress: bool = False) -> Any:
    """The draws of a target as nutpie gives them: posterior (vector: chain, draw, D) and sample_stats.

    Raises
    ------
    ModuleNotFoundError
        nutpie or arviz is not installed.
    """
    try:
        import nutpie
        from nutpie.compiled_pyfunc import from_pyfunc
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the posterior needs {error.name}; install the extra: pip install 'stackelberg[bayes]'",
            name=error.name,
        ) from error
    compiled = from_pyfunc(
        target.size,
        lambda: target.log_density,
        lambda *_: lambda x: {"vector": x},
        [np.dtype(np.float64)],
        [(target.size,)],
        ["vector"],
        make_initial_point_fn=lambda chain_seed: target.start(
            np.random.default_rng([seed, chain_seed % 2**32])
        ),
    )
    return nutpie.sample(
        compiled,
        draws=draws,
        tune=tune,
        chains=chains,
        cores=1,  # the density holds the interpreter's lock
        seed=seed,
        progress_bar=progress,
        save_warmup=False,
        # Small steps where spreads over models may come near zero, a funnel.
        target_accept=0.95 if target.pooled else 0.8,
    )


def mixing(vectors: Floats) -> tuple[float, float]:
    """Largest R̂ and smallest bulk effective sample size of (chains, draws, D)."""
    from arviz_stats.base import array_stats

    r_hat = max(float(array_stats.rhat(vectors[..., d])) for d in range(vectors.shape[2]))
    ess = min(float(array_stats.ess(vectors[..., d])) for d in range(vectors.shape[2]))
    return r_hat, ess


def summarise_draws(reported: Mapping[str, Floats], labels: tuple[str, ...], level: float) -> pd.DataFrame:
    """model, parameter, mean, sd, low, high, r_hat, ess_bulk, ess_tail of reported draws (chains, draws, G)."""
    from arviz_stats.base import array_stats

    def rows() -> Iterator[tuple[object, ...]]:
        for g, label in enumerate(labels):
            for name, values in reported.items():
                x = values[..., g]
                low, high = np.quantile(x, [(1 - level) / 2, (1 + level) / 2])
                still = np.ptp(x) == 0  # a share of zero throughout has no chain to mix
                mixing = (
                    (np.nan,) * 3
                    if still
                    else (
                        float(array_stats.rhat(x)),
                        float(array_stats.ess(x)),
                        float(array_stats.ess(x, method="tail", prob=0.9)),
                    )
                )
                yield label, name, float(x.mean()), float(x.std(ddof=1)), float(low), float(high), *mixing

    columns = ["model", "parameter", "mean", "sd", "low", "high", "r_hat", "ess_bulk", "ess_tail"]
    return pd.DataFrame(list(rows()), columns=columns)


def inference_data(
    target: Target,
    labels: tuple[str, ...],
    trace: Any,
    theta: Floats,
    middle: Floats,
    spread: Floats,
    reported: Mapping[str, Floats],
    replicates: Floats,
    statistics: tuple[str, ...],
) -> Any:
    """One ArviZ container with named dimensions."""
    from arviz_base import from_dict

    posterior: dict[str, Floats] = dict(reported) | {"working": theta}
    dims = {name: ["model"] for name in reported} | {"working": ["model", "parameter"]}
    coords: dict[str, Any] = {"model": list(labels), "parameter": list(target.model.names)}
    if target.pooled:
        posterior |= {"family_mean": middle, "family_spread": spread}
        dims |= {"family_mean": ["family", "parameter"], "family_spread": ["parameter"]}
        coords["family"] = list(range(target.families))
    counts: dict[str, NDArray[Any]] = {}
    for cells, label in zip(target.cells, labels):
        counts[f"n[{label}]"], counts[f"k[{label}]"] = cells.n, cells.k
        counts[f"prompts[{label}]"] = cells.weights
    data = {
        "posterior": posterior,
        "posterior_predictive": {"statistics": replicates[None]},
        "observed_data": counts,
    }
    dims["statistics"] = ["model", "statistic"]
    coords["statistic"] = list(statistics)
    tree = from_dict(data, coords=coords, dims=dims)
    tree["sample_stats"] = trace["sample_stats"]
    return tree
