"""Monitoring shares and two-cue policies that nobody has tried, as the beliefs that a Bayesian model then has."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from stackelberg.faking import belief


def scenarios(
    monitoring: ArrayLike,
    informativeness: ArrayLike | None = None,
    *,
    false_alarm: ArrayLike | None = None,
    miss: ArrayLike | None = None,
) -> pd.DataFrame:
    """All combinations of monitoring shares with two-cue policies, and the beliefs that they give.

    Parameters
    ----------
    monitoring : array_like in [0, 1]
        Share q of conversations that are monitored.
    informativeness : array_like in [0, 1], optional
        ι of symmetric cues: each is right with probability (1 + ι)/2. Default 1, cues that reveal.
    false_alarm, miss : array_like in [0, 1], optional
        In its place: how often an unmonitored conversation carries the train cue, and a monitored one does not.

    Returns
    -------
    DataFrame
        monitoring; informativeness, or false_alarm and miss; belief_train, belief_deploy (NaN for a cue that is never
        sent). The train cue is the one after which monitoring is more likely.

    Raises
    ------
    ValueError
        A number outside [0, 1], informativeness beside error rates, or one error rate alone.

    Examples
    --------
    >>> scenarios([0.0, 0.5], 0.6)
       monitoring  informativeness  belief_train  belief_deploy
    0         0.0              0.6           0.0            0.0
    1         0.5              0.6           0.8            0.2
    """
    if (false_alarm is None) != (miss is None) or (false_alarm is not None and informativeness is not None):
        raise ValueError("give informativeness, or false_alarm and miss together, and not both")
    axes = {"monitoring": monitoring}
    if false_alarm is None or miss is None:
        axes["informativeness"] = 1.0 if informativeness is None else informativeness
    else:
        axes |= {"false_alarm": false_alarm, "miss": miss}
    values = {name: np.atleast_1d(np.asarray(given, dtype=np.float64)) for name, given in axes.items()}
    for name, given in values.items():
        if not ((given >= 0) & (given <= 1)).all():
            raise ValueError(f"{name} must lie in [0, 1], got {given.tolist()}")
    grid = np.meshgrid(*values.values(), indexing="ij")
    table = pd.DataFrame({name: column.ravel() for name, column in zip(values, grid, strict=True)})
    if "informativeness" in table:
        cues = belief.symmetric_cues(table["informativeness"])
    else:
        hit, alarm = 1 - table["miss"].to_numpy(), table["false_alarm"].to_numpy()
        cues = np.stack([np.stack([hit, 1 - hit], axis=-1), np.stack([alarm, 1 - alarm], axis=-1)], axis=-2)
        backwards = hit < alarm  # then the other cue is the one that speaks for monitoring
        cues[backwards] = cues[backwards][..., ::-1]
    beliefs = belief.posterior(table["monitoring"], cues)
    return table.assign(belief_train=beliefs[:, 0], belief_deploy=beliefs[:, 1])
