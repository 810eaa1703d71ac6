"""Rows of several commitment arms become count cells with one column per situation that a conversation states.

A situation is a stated belief, the arm's share of monitored conversations, what training puts at stake, and whether the
conversation is rated. Samples of a prompt in the same situation are one count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from estimators.choice_likelihood import Situations
from estimators.count_cells import CountCells, count_cells
from estimators.observations import ObservationError

if TYPE_CHECKING:
    from estimators.observations import Observations

_UNIT = ("model", "family", "method", "axis", "setting", "prompt_id")
_TOLD = ["belief", "monitoring", "goal", "rated"]


def choice_cells(
    obs: Observations,
    beliefs: Mapping[str, float],
    monitoring: float | Mapping[str, float] = 0.5,
    modification: Mapping[str, float] | None = None,
    situations: Situations | None = None,
) -> tuple[CountCells, Situations, int]:
    """Cells, situations (highest belief first) and the number of rows left out for want of a belief.

    Parameters
    ----------
    obs : Observations
    beliefs : mapping from context to belief
        Where a row has no `stated_belief`.
    monitoring : float or mapping from arm to float
    modification : mapping from method to float
        δ of a method where it trains; 1 for methods that are not in it.
    situations : Situations, optional
        The columns to use, as of a larger set of observations; those of `obs` if left out.

    Raises
    ------
    ObservationError
        No row with a belief, or an arm without its monitoring share.

    Examples
    --------
    >>> from estimators.observations import Observations
    >>> frame = pd.DataFrame({"prompt_id": ["a", "a", "b", "b"], "context": ["train", "deploy"] * 2, "n": 5,
    ...     "complied": [4, 1, 3, 2], "arm": ["s", "s", "w", "w"], "stated_belief": [0.9, 0.1, 0.5, 0.1]})
    >>> cells, told, unused = choice_cells(Observations.from_frame(frame, orientation="complied-is-agreement"), {})
    >>> told.belief.tolist(), cells.k.tolist(), unused
    ([0.9, 0.5, 0.1], [[0, 3, 2], [4, 0, 1]], 0)
    """
    frame = obs.frame.assign(agreed=obs.agreed().to_numpy())
    belief = frame["context"].map(dict(beliefs)).astype(float)
    if "stated_belief" in frame:
        belief = frame["stated_belief"].astype(float).fillna(belief)
    unused = int(belief.isna().sum())
    if unused == len(frame):
        raise ObservationError("no row has a belief: give stated_belief, or rows of context train and deploy")
    trained, rated = (_stated(frame, name, belief.notna()) for name in ("trained", "rated"))
    stake = frame["method"].map(dict(modification or {})).fillna(1.0) if "method" in frame else 1.0
    frame = frame.assign(
        belief=belief,
        monitoring=_monitoring(frame, monitoring),
        goal=trained * stake,
        rated=rated,
    )[belief.notna()]
    unit_key = [name for name in _UNIT if name in frame]
    rows = frame.groupby([*unit_key, *_TOLD], sort=False)[["n", "agreed"]].sum().reset_index()
    if situations is None:
        told = rows[_TOLD].drop_duplicates().sort_values(_TOLD, ascending=False, ignore_index=True)
    else:
        told = pd.DataFrame({name: getattr(situations, name) for name in _TOLD})
    unit = rows.groupby(unit_key, sort=False).ngroup().to_numpy()
    column = rows[_TOLD].merge(told.reset_index(names="column"), on=_TOLD, how="left")["column"].to_numpy()
    n = np.zeros((int(unit.max()) + 1, len(told)), np.int64)
    k = np.zeros_like(n)
    n[unit, column], k[unit, column] = rows["n"], rows["agreed"]
    if situations is None:
        situations = Situations(*(told[name].to_numpy(float) for name in _TOLD))
    return count_cells(n, k, situations.belief), situations, unused


def _stated(frame: pd.DataFrame, name: str, used: pd.Series) -> np.ndarray:
    """Return what a column of truths states as numbers, one where there is no such column; (rows,)."""
    if name not in frame:
        return np.ones(len(frame))
    stated = frame[name].to_numpy(float, na_value=np.nan)
    if np.isnan(stated[used.to_numpy()]).any():
        raise ObservationError(f"column {name!r} is blank in a row with a belief; say there whether it is so")
    return stated


def _monitoring(frame: pd.DataFrame, monitoring: float | Mapping[str, float]) -> pd.Series | float:
    if not isinstance(monitoring, Mapping):
        if not 0 < monitoring < 1:
            raise ObservationError(f"monitoring is {monitoring}; give a share inside (0, 1)")
        return float(monitoring)
    if "arm" not in frame:
        raise ObservationError(
            "monitoring is given by arm, and there is no column arm; add it or give one number"
        )
    share = frame["arm"].map(dict(monitoring))
    for arm in frame.loc[share.isna(), "arm"].unique():
        raise ObservationError(f"arm {arm!r} has no monitoring share among {sorted(monitoring)}; add it")
    for arm in frame.loc[~share.between(0, 1, inclusive="neither"), "arm"].unique():
        raise ObservationError(f"monitoring of arm {arm!r} is {monitoring[arm]}; give a share inside (0, 1)")
    return share
