"""Published rates of agreement: the gap as a point, and the least shift of log-odds that it implies."""

from __future__ import annotations

import numpy as np
import pandas as pd

from estimators.observations import ObservationError


def published_gaps(frame: pd.DataFrame) -> pd.DataFrame:
    """Point gaps of published rates and what they imply; never an interval, which takes counts per prompt.

    For a logit follower a gap of G implies lambda K (beta_F - beta_P) >= 4 artanh(G): the incentive times the
    shift of belief, in log-odds. The bound is sharp, being reached where the preference lies halfway (THEORY
    1.2), and holds as well for a mean over prompts of any preferences with one incentive. For a negative gap
    it bounds from above. It is the bound at the point: sampling error is not in it.

    Parameters
    ----------
    frame : DataFrame with the columns gap, train_rate, deploy_rate
        As from `estimators.datasets.load_published`.

    Returns
    -------
    DataFrame
        The columns of `frame`, where gap is the quoted one or else train minus deploy; log_odds_shift_bound
        (infinite at a gap of 1 or -1); interval, always "none: no per-prompt counts"; note, how the gap was
        found if it was not quoted.

    Raises
    ------
    ObservationError
        A missing column, or a rate or gap that is no share.

    Examples
    --------
    >>> quoted = pd.DataFrame({"gap": [0.14, None], "train_rate": None, "deploy_rate": None})
    >>> published_gaps(quoted)[["gap", "log_odds_shift_bound", "note"]]
        gap  log_odds_shift_bound                                   note
    0  0.14              0.563702
    1   NaN                   NaN  the source gives no gap and no rates
    """
    limits = {"gap": -1.0, "train_rate": 0.0, "deploy_rate": 0.0}
    for column in limits:
        if column not in frame:
            raise ObservationError(f"column {column!r} is missing among {[*frame]}; add or rename it")
    numbers = frame[[*limits]].astype(float)
    for column, least in limits.items():
        bad = numbers[column].notna() & ~numbers[column].between(least, 1)
        if bad.any():
            what = f"row with index {bad.idxmax()}: {column} is {numbers.loc[bad, column].iloc[0]}"
            raise ObservationError(f"{what}, outside {least:g} to 1; give shares, not per cent")
    difference = numbers["train_rate"] - numbers["deploy_rate"]
    gap = numbers["gap"].fillna(difference)
    with np.errstate(divide="ignore"):  # a gap of 1 implies an infinite shift
        bound = 4 * np.arctanh(gap)
    note = np.select(
        [numbers["gap"].notna(), gap.notna()],
        ["", "gap computed as train minus deploy"],
        "the source gives no gap and no rates",
    )
    return frame.assign(gap=gap, log_odds_shift_bound=bound, interval="none: no per-prompt counts", note=note)
