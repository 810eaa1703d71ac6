"""What a follower does at a commitment: expected payoffs, best replies under the one tie rule, logit replies.

**The tie rule.**  Among a type's best replies the follower plays the one that is best for the leader
(strong Stackelberg; Leitmann 1978, Breton, Alj & Haurie 1988); among those, the first.  An optimal
commitment sits where the follower is indifferent, so this rule decides most equilibria.  It is
:func:`break_ties`, and no other code chooses a reply.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stackelberg.game import BayesianStackelbergGame, GameError

TIE_TOLERANCE = 1e-9
"""Replies within this share of a type's payoff scale count as tied; floats only, certificates are exact."""


def break_ties(
    follower_values: NDArray[np.float64], leader_values: NDArray[np.float64], tolerance: ArrayLike
) -> NDArray[np.int64]:
    """Choose among tied best replies the one best for the leader, then the first: the one tie rule.

    Parameters
    ----------
    follower_values, leader_values : ndarray, shape (..., follower actions)
        Expected payoffs in utils; follower values are ``-inf`` where there is no such action.
    tolerance : array_like, broadcastable to shape (...)
        Replies within this many utils of the best one count as tied.

    Returns
    -------
    ndarray of int, shape (...)

    Examples
    --------
    >>> break_ties(np.array([1.0, 1.0, 0.0]), np.array([2.0, 3.0, 9.0]), 1e-9)
    np.int64(1)
    """
    slack = np.asarray(tolerance, dtype=float)[..., None]
    tied = follower_values >= follower_values.max(axis=-1, keepdims=True) - slack
    return np.argmax(np.where(tied, leader_values, -np.inf), axis=-1)


def expected_payoffs(
    game: BayesianStackelbergGame, strategy: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected leader and follower payoffs of every reply at a commitment.

    Parameters
    ----------
    game : BayesianStackelbergGame
    strategy : array_like, shape (leader actions,)

    Returns
    -------
    leader_values, follower_values : ndarray, shape (types, follower actions)
        Utils, not weighted by the prior; NaN and ``-inf`` where a type has no such action.

    Raises
    ------
    GameError
        If the strategy has another length than the game has leader actions.
    """
    x = np.asarray(strategy, dtype=float)
    if x.shape != (game.shape[1],):
        raise GameError(
            f"the strategy has shape {x.shape} but the game has {game.shape[1]} leader actions: "
            "give one probability each"
        )
    leader_values = np.einsum("i,lij->lj", x, game.leader_payoffs)
    follower_values = np.einsum("i,lij->lj", x, game.follower_payoffs)
    return leader_values, np.where(game.is_action, follower_values, -np.inf)


def payoff_scale(game: BayesianStackelbergGame) -> NDArray[np.float64]:
    """Unit in which each type's ties are judged, shape (types,): its largest stake between two replies.

    Where stakes are tiny beside the payoffs themselves, rounding sets the floor.
    """
    follower = game.follower_payoffs
    stakes = np.nanmax(np.nanmax(follower, axis=2) - np.nanmin(follower, axis=2), axis=1)
    return np.maximum(stakes, 1e-5 * np.nanmax(np.abs(follower), axis=(1, 2)))


def best_replies(
    game: BayesianStackelbergGame, strategy: ArrayLike, *, tolerance: float = TIE_TOLERANCE
) -> NDArray[np.int64]:
    """Best reply of every type at a commitment, ties broken by the one tie rule.

    Parameters
    ----------
    game : BayesianStackelbergGame
    strategy : array_like, shape (leader actions,)
    tolerance : float
        Share of a type's :func:`payoff_scale` within which replies count as tied.

    Returns
    -------
    ndarray of int, shape (types,)

    Notes
    -----
    At the float nearest to a rational equilibrium strategy, a tie that is exact there may be off by
    rounding; the tolerance absorbs that.  The exact statement is the certificate's.

    Examples
    --------
    >>> game = BayesianStackelbergGame([[[2, 4], [1, 3]]], [[[1, 0], [0, 1]]], [1.0])
    >>> best_replies(game, [0.5, 0.5])
    array([1])
    """
    leader_values, follower_values = expected_payoffs(game, strategy)
    return break_ties(follower_values, leader_values, tolerance * payoff_scale(game))


def logit_replies(
    game: BayesianStackelbergGame, strategy: ArrayLike, rationality: ArrayLike
) -> NDArray[np.float64]:
    """Reply probabilities of a quantal (logit) follower at a commitment (McKelvey & Palfrey 1995, eq. 3).

    Parameters
    ----------
    game : BayesianStackelbergGame
    strategy : array_like, shape (leader actions,)
    rationality : float or array_like, shape (types,)
        The logit precision in 1/utils; 0 replies uniformly, large values approach the best reply.

    Returns
    -------
    ndarray, shape (types, follower actions)

    Raises
    ------
    GameError
        If a rationality is negative or not finite.

    Examples
    --------
    >>> game = BayesianStackelbergGame([[[2, 4], [1, 3]]], [[[1, 0], [0, 1]]], [1.0])
    >>> logit_replies(game, [0.75, 0.25], 2.0).round(3)
    array([[0.731, 0.269]])
    """
    precision = np.broadcast_to(np.asarray(rationality, dtype=float), (game.shape[0],))
    if not (np.isfinite(precision).all() and (precision >= 0).all()):
        raise GameError("rationality must be finite and not negative, in 1/utils")
    from scipy.special import softmax

    _, follower_values = expected_payoffs(game, strategy)
    scaled = np.where(
        game.is_action, precision[:, None] * np.where(game.is_action, follower_values, 0), -np.inf
    )
    probabilities: NDArray[Any] = softmax(scaled, axis=1)
    return probabilities


def replies_value(
    game: BayesianStackelbergGame, strategy: ArrayLike, replies: ArrayLike
) -> tuple[float, NDArray[np.float64]]:
    """Leader's value and every type's own payoff at a commitment and a reply profile.

    Returns
    -------
    value : float
        Utils, weighted by the prior.
    follower_values : ndarray, shape (types,)
    """
    leader_values, follower_values = expected_payoffs(game, strategy)
    index = np.asarray(replies)[:, None]
    chosen = np.take_along_axis(leader_values, index, axis=1)[:, 0]
    return float(game.prior @ chosen), np.take_along_axis(follower_values, index, axis=1)[:, 0]
