"""What every type does, as flat columns: at the status quo of one game or of many, or at their commitments.

The columns are ``faking_share`` (prior probability of the types that fake), ``belief[CUE]``, ``compliance[CUE]`` (prior
probability of the types that comply after a cue; both NaN for a cue that is never sent), and ``plan[TYPE]`` and
``behaviour[TYPE]``.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackelberg.faking.game import FakingGame
from stackelberg.faking.normal_form import all_plans, plan_labels
from stackelberg.faking.stacked import StackedGames

Floats = NDArray[np.float64]

BEHAVIOURS = ("complier", "refuser", "faker", "reverse", "mixed")
NEVER_SENT = 1e-12
"""A cue of no larger share of conversations is rounding, not a cue."""


def status_quo(game: FakingGame) -> dict[str, Any]:
    """Predicted replies at the status quo, as one row of a sweep.

    Parameters
    ----------
    game : FakingGame
        With fixed cues.

    Returns
    -------
    dict
        faking_share, belief[cue] and compliance[cue] per cue, plan[type] and behaviour[type] per type.  The belief
        is Bayes'; a type with another cue sharpness has its own.

    Raises
    ------
    GameError
        Where cues are free, so that there is no status quo.

    Examples
    --------
    >>> import stackelberg as sb
    >>> game = sb.FakingGame(types=[sb.FollowerType(name="guarding", prior=0.3, preference=0.4, goal_guarding=1.0),
    ...                             sb.FollowerType(name="willing", prior=0.7, preference=-0.5)], monitoring=0.2)
    >>> found = status_quo(game)
    >>> found["faking_share"], found["compliance[deploy]"], found["plan[guarding]"], found["behaviour[guarding]"]
    (0.3, 0.7, 'comply/refuse', 'faker')
    """
    columns = status_quo_columns(StackedGames.of(game, {}))
    return {name: x[0].item() if isinstance(x, np.ndarray) else x[0] for name, x in columns.items()}


def status_quo_columns(games: StackedGames) -> dict[str, Any]:
    """The same of many games, each column with an entry per game."""
    return reply_columns(games, games.status_quo_strategy(), games.status_quo_plans(), games.beliefs())


def commitment_columns(games: StackedGames, strategy: Floats, plans: NDArray[np.int64]) -> dict[str, Any]:
    """What commitments to mixtures of vertices, shape (games, vertices), and the replies to them come to.

    Beside the columns of the replies: ``monitoring_chosen``, and where there are several methods ``method[NAME]``, the
    share of the monitored conversations that each gets.
    """
    joint = np.einsum(
        "br,brj->bj", strategy, np.broadcast_to(V := games.vertices(), (len(strategy), *V.shape[1:]))
    )
    by_method = joint.reshape(len(joint), len(games.template.methods), 2, -1)
    columns: dict[str, Any] = {"monitoring_chosen": by_method[:, :, 0].sum(axis=(1, 2))}
    if len(games.template.methods) > 1:
        used, all_used = by_method[:, :, 0].sum(axis=2), columns["monitoring_chosen"][:, None]
        mix = np.divide(used, all_used, out=np.full(used.shape, np.nan), where=all_used > NEVER_SENT)
        columns |= {f"method[{m.name}]": mix[:, i] for i, m in enumerate(games.template.methods)}
    return columns | reply_columns(games, joint, plans, None)


def reply_columns(
    games: StackedGames, joint: Floats, plans: NDArray[np.int64], beliefs: Floats | None
) -> dict[str, Any]:
    """Columns of replies to shares of (method, state, cue), shape (games or 1, actions).

    Parameters
    ----------
    plans : ndarray of int, shape (games or 1, types)
    beliefs : ndarray, shape (games or 1, types, cues), optional
        Those of the types, where they are not Bayes'.
    """
    import pandas as pd

    old = games.template
    cues, types = old.cues.cues, [t.name for t in old.types]
    plans = np.broadcast_to(plans, (games.count, len(types)))
    prior = np.broadcast_to(games.numbers["prior"], plans.shape)
    shares = joint.reshape(len(joint), len(old.methods), 2, -1).sum(axis=1)
    total = shares.sum(axis=1)
    bayes = np.full((games.count, len(cues)), np.nan)
    np.divide(shares[:, 0], total, out=bayes, where=np.broadcast_to(total > NEVER_SENT, bayes.shape))
    own = bayes[:, None] if beliefs is None else beliefs
    own = np.where(np.isnan(bayes)[:, None], np.nan, own)
    complies = all_plans(len(cues))[plans]
    doing = _behaviours(complies, np.broadcast_to(own, complies.shape))
    compliance = np.where(np.isnan(bayes), np.nan, np.einsum("bt,btc->bc", prior, complies))
    columns: dict[str, Any] = {"faking_share": (prior * (doing == BEHAVIOURS.index("faker"))).sum(axis=1)}
    columns |= {f"belief[{cue}]": bayes[:, s] for s, cue in enumerate(cues)}
    columns |= {f"compliance[{cue}]": compliance[:, s] for s, cue in enumerate(cues)}
    for label, codes, names in (("plan", plans, plan_labels(len(cues))), ("behaviour", doing, BEHAVIOURS)):
        for i, name in enumerate(types):
            columns[f"{label}[{name}]"] = pd.Categorical.from_codes(codes[:, i], pd.Index(names))
    return columns


def _behaviours(plans: NDArray[np.bool_], beliefs: Floats) -> NDArray[np.int64]:
    """Index in ``BEHAVIOURS`` of what a type does; the twin of :func:`stackelberg.faking.thresholds.behaviour`.

    Parameters
    ----------
    plans : ndarray of bool, shape (..., cues)
    beliefs : ndarray, shape (..., cues)
        NaN for a cue that is never sent.
    """
    sent = ~np.isnan(beliefs)
    complied, refused = sent & plans, sent & ~plans

    def ends(of: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Lowest and highest belief; cue by cue, since numpy is slow along a short axis."""
        low, high = np.full(of.shape[:-1], np.inf), np.full(of.shape[:-1], -np.inf)
        for s in range(of.shape[-1]):
            low = np.where(of[..., s], np.minimum(low, beliefs[..., s]), low)
            high = np.where(of[..., s], np.maximum(high, beliefs[..., s]), high)
        return low, high

    (complied_low, complied_high), (refused_low, refused_high) = ends(complied), ends(refused)
    nothing_refused, nothing_complied = np.isinf(refused_low), np.isinf(complied_low)
    return np.select(
        [nothing_refused, nothing_complied, complied_low > refused_high, complied_high < refused_low],
        [0, 1, 2, 3],
        4,
    )
