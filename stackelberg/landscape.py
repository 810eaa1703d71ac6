"""The leader's value and the follower's replies over all commitments of a small game, for the eye and for tests.

A commitment to two leader actions is one number; the value is linear between the points at which some type changes
its reply, so those points are found exactly and both sides of each are kept.  Three leader actions make a triangle,
which is sampled on a grid.
"""

import itertools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stackelberg.game import BayesianStackelbergGame, GameError
from stackelberg.response import best_replies, replies_value

if TYPE_CHECKING:
    import pandas as pd


def switching_points(game: BayesianStackelbergGame) -> NDArray[np.float64]:
    """Probabilities of the first of two leader actions at which a type's best reply changes, shape (points,).

    Raises
    ------
    GameError
        If the game has other than two leader actions.

    Examples
    --------
    >>> game = BayesianStackelbergGame([[[2, 4], [1, 3]]], [[[1, 0], [0, 1]]], [1.0])
    >>> switching_points(game)
    array([0.5])
    """
    _require(game, (2,))
    crossings = [np.zeros(0)]
    for t in range(game.shape[0]):
        own = game.follower_payoffs[t][:, game.is_action[t]]
        slope, level = own[0] - own[1], own[1]
        with np.errstate(divide="ignore", invalid="ignore"):  # parallel lines never cross
            crossing = (level[:, None] - level) / (slope - slope[:, None])
        crossings.append(crossing[np.isfinite(crossing) & (crossing > 0) & (crossing < 1)])
    ends = np.unique(np.concatenate([[0.0], *crossings, [1.0]]))
    middles = (ends[1:] + ends[:-1]) / 2  # clear of every tie
    replies = np.array([best_replies(game, [q, 1 - q]) for q in middles])
    changes = (replies[1:] != replies[:-1]).any(axis=1)
    points: NDArray[np.float64] = ends[1:-1][changes]
    return points


def value_curve(game: BayesianStackelbergGame) -> "pd.DataFrame":
    """Leader's value against the probability of the first of two leader actions, piece by piece.

    Returns
    -------
    DataFrame
        piece (number of the interval between switching points), probability, value (leader utils, the limit from
        inside the piece), replies (label of each type's reply there, joined by " / "). Two rows a piece: its ends.

    Raises
    ------
    GameError
        If the game has other than two leader actions.
    """
    import pandas as pd

    ends = np.concatenate([[0.0], switching_points(game), [1.0]])
    rows = []
    for piece, (low, high) in enumerate(itertools.pairwise(ends)):
        middle = (low + high) / 2
        replies = best_replies(game, [middle, 1 - middle])
        names = " / ".join(game.follower_actions[t][j] for t, j in enumerate(replies))
        for q in (low, high):
            rows.append((piece, q, replies_value(game, [q, 1 - q], replies)[0], names))
    return pd.DataFrame(rows, columns=["piece", "probability", "value", "replies"])


def reply_strips(game: BayesianStackelbergGame) -> "pd.DataFrame":
    """Each type's best reply over the probability of the first of two leader actions.

    Returns
    -------
    DataFrame
        type, low, high (probabilities between which the reply holds), reply.

    Raises
    ------
    GameError
        If the game has other than two leader actions.

    Examples
    --------
    >>> game = BayesianStackelbergGame([[[2, 4], [1, 3]]], [[[1, 0], [0, 1]]], [1.0])
    >>> reply_strips(game).to_numpy().tolist()
    [['type 0', 0.0, 0.5, 'follower action 1'], ['type 0', 0.5, 1.0, 'follower action 0']]
    """
    import pandas as pd

    ends = np.concatenate([[0.0], switching_points(game), [1.0]])
    replies = np.array([best_replies(game, [q, 1 - q]) for q in (ends[1:] + ends[:-1]) / 2])
    rows = []
    for t, name in enumerate(game.types):
        changes = np.flatnonzero(np.diff(replies[:, t])) + 1
        for first, last in itertools.pairwise([0, *changes, len(replies)]):
            rows.append((name, ends[first], ends[last], game.follower_actions[t][replies[first, t]]))
    return pd.DataFrame(rows, columns=["type", "low", "high", "reply"])


def reply_map(game: BayesianStackelbergGame, steps: int = 80) -> "pd.DataFrame":
    """Replies and leader's value on a triangular grid of commitments to three leader actions.

    Parameters
    ----------
    game : BayesianStackelbergGame
        With three leader actions.
    steps : int
        Steps along each side.

    Returns
    -------
    DataFrame
        One column per leader action (its probability), replies (labels joined by " / "), value (leader utils).

    Raises
    ------
    GameError
        If the game has other than three leader actions.
    """
    import pandas as pd

    _require(game, (3,))
    rows = []
    for i in range(steps + 1):
        for j in range(steps + 1 - i):
            strategy = np.array([i, j, steps - i - j]) / steps
            replies = best_replies(game, strategy)
            names = " / ".join(game.follower_actions[t][r] for t, r in enumerate(replies))
            rows.append((*strategy, names, replies_value(game, strategy, replies)[0]))
    return pd.DataFrame(rows, columns=[*game.leader_actions, "replies", "value"])


def _require(game: BayesianStackelbergGame, actions: tuple[int, ...]) -> None:
    if game.shape[1] not in actions:
        raise GameError(
            f"the game has {game.shape[1]} leader actions: this picture is for {' or '.join(map(str, actions))}"
        )
