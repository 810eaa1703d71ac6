"""The main job: from observed counts to what they say, what they predict, and what the trainer should commit to.

Every table is tidy and starts with the label columns of its groups.  Groups are those of ``by``, and, where the data
have axes, each axis pooled over everything else; a label that was pooled over is "all".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from tqdm import tqdm

from estimators.analysis_record import Analysis
from estimators.compare import COLUMNS, compare, q_values
from estimators.group_tables import group_tables
from estimators.observations import ObservationError, Observations
from estimators.policy import Assumptions
from estimators.refusals import NO_TYPES
from estimators.relatives import crossed_tables, no_posterior, pooling_table, posterior_tables
from estimators.stated_arms import motives, payoff_bounds
from estimators.tornado import tornado

DEFAULT_BY = ("model", "method", "setting", "arm")
POOLED = "all"


def analyze(
    obs: Observations,
    by: Sequence[str] | None = None,
    assumptions: Assumptions | None = None,
    *,
    bootstrap: int = 199,
    draws: int = 100,
    interval: float = 0.1,
    posterior: bool = False,
    seed: int = 0,
    progress: bool = False,
) -> Analysis:
    """Analyse observed train-versus-deploy counts.

    Parameters
    ----------
    obs : Observations
    by : sequence of str, optional
        Label columns whose groups are analysed apart; those of model, method, setting and arm that the data have, where
        not given.
    assumptions : Assumptions, optional
    bootstrap : int
        Simulated data sets per test of no incentive, for more than one incentive, and for a faker class.
    draws : int
        Draws behind the intervals of the advice.
    interval : float in (0, 1)
        Width of an interval, of a gap or share, that a further evaluation is planned for.
    posterior : bool
        Whether to sample the posterior, pooled over models and families; takes the extra `bayes` and minutes.
    seed : int
        Same seed, same result.
    progress : bool
        Whether to show a bar on standard error.

    Returns
    -------
    Analysis

    Raises
    ------
    ObservationError
        If ``by`` names a column that the data lack, or there is no pair of train and deploy rows.
    ValueError
        If ``interval`` is outside (0, 1).
    """
    given = assumptions or Assumptions()
    if not 0 < interval < 1:
        raise ValueError(
            f"interval is {interval}; give the width of an interval between 0 and 1, such as 0.1"
        )
    columns = tuple(name for name in DEFAULT_BY if name in obs.frame) if by is None else tuple(by)
    pairs = obs.pairs()
    if pairs.empty:
        raise ObservationError(
            "there is no prompt with both a train and a deploy row: nothing can be compared"
        )
    labels = tuple(dict.fromkeys([*columns, *(["axis"] if "axis" in obs.frame else [])]))
    groups = list(_groups(obs, columns, labels))
    parts: dict[str, list[pd.DataFrame]] = {}
    for label, group in tqdm(groups, desc="groups", disable=not progress, leave=False):
        if group.pairs().empty:
            tables = {"notes": _without_pairs(group)}
        else:
            tables = group_tables(
                group, given, bootstrap=bootstrap, draws=draws, seed=seed, interval=interval
            )
        for name, table in tables.items():
            parts.setdefault(name, []).append(_labelled(table, label))
    frames = {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()}
    frames["discordant"]["q_value"] = q_values(frames["discordant"]["p_value"])
    frames |= _over_arms(obs, columns, labels, given)
    frames["comparisons"] = _comparisons(obs)
    frames["crossed"], frames["sharing"] = crossed_tables(obs, columns, given, seed=seed)
    frames["pooling"] = _pooling(obs, columns, frames["structural"])
    sampled = (*no_posterior(), "not asked for")
    if posterior:
        typed = _with_types(obs, columns, frames["diagnostics"])
        sampled = posterior_tables(typed, given.beliefs, seed=seed, progress=progress)
    frames["posterior"], frames["posterior_checks"], note = sampled
    return Analysis(
        assumptions=given,
        by=columns,
        orientation=obs.orientation,
        safety=obs.safety,
        prompts=len(pairs),
        rows=len(obs.frame),
        interval=interval,
        posterior_note=note,
        tornado=tornado(obs, given, seed=seed),
        dropped=obs.dropped,
        **frames,
    )


def _groups(
    obs: Observations, columns: tuple[str, ...], labels: tuple[str, ...]
) -> Iterator[tuple[dict[str, str], Observations]]:
    """The groups of `columns`, then each axis pooled over the rest, with "all" for what was pooled over."""
    for own, group in obs.groups(columns):
        yield {name: own.get(name, POOLED) for name in labels}, group
    if "axis" in obs.frame and set(columns) != {"axis"}:
        for own, group in obs.groups(["axis"]):
            yield {name: own.get(name, POOLED) for name in labels}, group


def _without_pairs(obs: Observations) -> pd.DataFrame:
    """The note of a group that has no train and deploy rows to compare: an arm without a cue."""
    agreed, n = obs.agreed().sum(), obs.frame["n"].sum()
    return pd.DataFrame({"note": [f"no pair to compare; agreed in {agreed} of {n} samples"]}, dtype=object)


def _labelled(table: pd.DataFrame, label: dict[str, str]) -> pd.DataFrame:
    front = pd.DataFrame(
        {name: [value] * len(table) for name, value in label.items()}, index=table.index, dtype=object
    )
    return pd.concat([front, table], axis=1)


def _comparisons(obs: Observations) -> pd.DataFrame:
    try:
        return compare(obs)
    except ObservationError:  # one model, family, method and axis
        return pd.DataFrame(columns=list(COLUMNS))


def _over_arms(
    obs: Observations, columns: tuple[str, ...], labels: tuple[str, ...], given: Assumptions
) -> dict[str, pd.DataFrame]:
    """What the arms of a group say together; the groups of `columns` without the arm."""
    parts: dict[str, list[pd.DataFrame]] = {"payoff_bounds": [], "motives": []}
    for own, group in obs.groups([name for name in columns if name != "arm"]):
        if group.pairs().empty:
            continue
        label = {name: own.get(name, POOLED) for name in labels}
        parts["payoff_bounds"].append(_labelled(payoff_bounds(group, given), label))
        parts["motives"].append(_labelled(motives(group, given), label))
    return {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()}


def _pooling(obs: Observations, columns: tuple[str, ...], structural: pd.DataFrame) -> pd.DataFrame:
    """Incentives of the groups of `columns`, pooled over families and methods where each group is a model."""
    delta = structural[structural["parameter"] == "delta_one_type"]
    rows, models = [], []
    for own, group in obs.groups(columns):
        chosen = np.ones(len(delta), dtype=bool)
        for name in [name for name in delta if name in obs.frame]:
            chosen &= (delta[name] == own.get(str(name), POOLED)).to_numpy()
        of = {
            name: group.frame[name].astype(str).unique()
            for name in ("family", "method")
            if name in group.frame
        }
        if chosen.any():
            label = {name: values[0] if len(values) == 1 else POOLED for name, values in of.items()}
            rows.append(
                label
                | {"name": ", ".join(own.values())}
                | delta[chosen].iloc[0][["estimate", "se"]].to_dict()
            )
            models.append(own.get("model"))
    table = pd.DataFrame(rows)
    apart = len(set(models)) == len(models)
    over = [
        name for name in ("family", "method") if apart and name in table and not (table[name] == POOLED).any()
    ]
    return pooling_table(table, over, table["name"].tolist())


def _with_types(obs: Observations, columns: tuple[str, ...], diagnostics: pd.DataFrame) -> Observations:
    """The observations without the groups that speak against types of prompts."""
    refused = diagnostics[diagnostics["level"].isin(NO_TYPES)]
    kept = [
        group.frame
        for own, group in obs.groups(columns)
        if not any(all(row[name] == value for name, value in own.items()) for _, row in refused.iterrows())
    ]
    if not kept:
        raise ObservationError(
            "no posterior: every group speaks against types of prompts; leave out --posterior"
        )
    return Observations(pd.concat(kept, ignore_index=True), obs.orientation, obs.safety)
