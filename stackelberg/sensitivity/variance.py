"""All numbers at once: which of them, alone or together, make an outcome vary, through SALib.

Every number is drawn by its quantile: a range uniformly, a frozen :mod:`scipy.stats` distribution through its inverse
distribution function.  Sobol's indices split the variance of the outcome (Sobol', Math. Comput. Simulation 2001;
total effects by Jansen, as in Saltelli et al., Comput. Phys. Commun. 2010); Morris's elementary effects screen many
numbers with few points (Morris, Technometrics 1991; mu* by Campolongo, Cariboni & Saltelli 2007).
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stackelberg.game import GameError
from stackelberg.sensitivity.local import Game, column, finished
from stackelberg.solve import solve
from stackelberg.sweep import sweep
from stackelberg.sweep.templates import require_names

if TYPE_CHECKING:
    import pandas as pd

TAIL = 0.005
"""Quantiles of a distribution that Morris's lowest and highest level stand for; those of Sobol reach 1e-12."""


def sobol(
    template: Game,
    laws: Mapping[str, Any],
    fn: Callable[..., Any] = solve,
    *,
    outcome: str = "value",
    samples: int = 1024,
    seed: int = 0,
    confidence: float = 0.95,
    **options: Any,
) -> "pd.DataFrame":
    """Sobol's first-order and total indices.

    Parameters
    ----------
    template : FakingGame or BayesianStackelbergGame
    laws : mapping of str to (low, high) or a frozen distribution
    fn, **options
        As for :func:`stackelberg.sweep`.
    outcome : str
        A numeric column of the sweep.
    samples : int
        A power of two; the game is solved ``samples * (len(laws) + 2)`` times.
    seed : int
    confidence : float
        Level of the intervals, which are bootstrapped.

    Returns
    -------
    DataFrame
        name, first, first_low, first_high (share of the outcome's variance that the number explains by itself), total,
        total_low, total_high (with all its interactions); the largest total first.  All 0 for a constant outcome.

    Raises
    ------
    GameError
        Where SALib is missing, the samples are no power of two, or a point fails.

    Examples
    --------
    >>> import stackelberg as sb
    >>> types = [sb.FollowerType(name="guarding", prior=0.3, preference=0.4, goal_guarding=1.0),
    ...          sb.FollowerType(name="willing", prior=0.7, preference=-0.5)]
    >>> game = sb.FakingGame(types=types, cues=sb.CuePolicy.free())
    >>> found = sobol(game, {"preference[guarding]": (0.2, 0.6), "monitoring_cost": (0.05, 0.15)}, samples=64)
    >>> found["name"].tolist(), bool((found["total"] > 0.3).all())
    (['preference[guarding]', 'monitoring_cost'], True)
    """
    import pandas as pd

    _require_salib()
    from SALib.analyze import sobol as analysis
    from SALib.sample import sobol as sampling

    if samples < 2 or samples & (samples - 1):
        raise GameError(f"samples is {samples}: Sobol's sequence needs a power of two, such as 1024")
    problem = _problem(template, laws)
    quantiles = sampling.sample(problem, samples, calc_second_order=False, seed=seed)
    values = _outcome(template, laws, np.clip(quantiles, 1e-12, 1 - 1e-12), fn, outcome, options)
    if np.ptp(values) == 0:
        found = {key: np.zeros(len(laws)) for key in ("S1", "S1_conf", "ST", "ST_conf")}
    else:
        found = analysis.analyze(problem, values, calc_second_order=False, conf_level=confidence, seed=seed)
    frame = pd.DataFrame({"name": list(laws)})
    for label, key in (("first", "S1"), ("total", "ST")):
        frame[label] = found[key]
        frame[f"{label}_low"] = found[key] - found[f"{key}_conf"]
        frame[f"{label}_high"] = found[key] + found[f"{key}_conf"]
    return frame.sort_values("total", ascending=False, kind="stable").reset_index(drop=True)


def morris(
    template: Game,
    laws: Mapping[str, Any],
    fn: Callable[..., Any] = solve,
    *,
    outcome: str = "value",
    trajectories: int = 32,
    seed: int = 0,
    confidence: float = 0.95,
    **options: Any,
) -> "pd.DataFrame":
    """Morris's elementary effects, for a first look at many numbers.

    Parameters
    ----------
    template, laws, fn, outcome, seed, confidence, **options
        As for :func:`sobol`.
    trajectories : int
        The game is solved ``trajectories * (len(laws) + 1)`` times.

    Returns
    -------
    DataFrame
        name, effect (mean size of the change of the outcome over the number's whole range, mu*), effect_low,
        effect_high, mean (with its sign), spread (standard deviation: large where effects interact or bend); the
        largest effect first.
    """
    import pandas as pd

    _require_salib()
    from SALib.analyze import morris as analysis
    from SALib.sample import morris as sampling

    if trajectories < 2:
        raise GameError(f"trajectories is {trajectories}: give at least 2")
    problem = _problem(template, laws)
    levels = sampling.sample(problem, trajectories, num_levels=4, seed=seed)
    values = _outcome(template, laws, levels, fn, outcome, options)
    found = analysis.analyze(problem, levels, values, conf_level=confidence, num_levels=4, seed=seed)
    effect, half = (np.asarray(found[key], dtype=float) for key in ("mu_star", "mu_star_conf"))
    frame = pd.DataFrame({"name": list(laws), "effect": effect, "effect_low": effect - half})
    frame["effect_high"] = effect + half
    frame["mean"], frame["spread"] = np.asarray(found["mu"], float), np.asarray(found["sigma"], float)
    return frame.sort_values("effect", ascending=False, kind="stable").reset_index(drop=True)


def _require_salib() -> None:
    try:
        import SALib  # noqa: F401
    except ImportError:
        raise GameError("sobol and morris need SALib: pip install 'stackelberg[sensitivity]'") from None


def _problem(template: Game, laws: Mapping[str, Any]) -> dict[str, Any]:
    if not laws:
        raise GameError("no number is named: give at least one with its range")
    require_names(template, list(laws))
    return {"num_vars": len(laws), "names": list(laws), "bounds": [[0.0, 1.0]] * len(laws)}


def _outcome(
    template: Game,
    laws: Mapping[str, Any],
    quantiles: NDArray[np.float64],
    fn: Callable[..., Any],
    outcome: str,
    options: Mapping[str, Any],
) -> NDArray[np.float64]:
    import pandas as pd

    points = {}
    for name, u in zip(laws, quantiles.T, strict=True):
        law = laws[name]
        if hasattr(law, "ppf"):
            points[name] = law.ppf(np.clip(u, TAIL, 1 - TAIL) if {0.0, 1.0} & set(u.tolist()) else u)
        else:
            low, high = law
            points[name] = low + (high - low) * u
    found = finished(sweep(template, pd.DataFrame(points), fn, **options))
    values: NDArray[np.float64] = np.asarray(column(found, outcome), dtype=np.float64)
    if not np.isfinite(values).all():
        raise GameError(
            f"{outcome!r} is missing at {(~np.isfinite(values)).sum():,} of {len(values):,} points"
        )
    return values
