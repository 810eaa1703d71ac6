"""The rational re-check: an equilibrium confirmed, repaired or weakened in exact arithmetic.

Float payoffs are rational numbers; taking them as given, everything about an equilibrium can be checked
without rounding.  :func:`certify` takes only the reply profile and the float strategy as a *proposal* and

1. guesses from the float strategy which constraints are tight, and solves the profile's linear program
   exactly from there: :math:`\\max_x \\sum_l p_l R^l_{\\cdot a_l} x` over the commitments :math:`x \\in X` at
   which the profile :math:`a` is a best reply (a vertex simplex with Bland's rule in rationals);
2. recomputes every type's payoffs at that point, and checks that the replies are best replies, ties broken
   for the leader;
3. where the result carries a :class:`~stackelberg.equilibrium.Proof`, evaluates its bound in rationals and
   checks that its leaves cover every profile.

It imports the game and the result records, and no solver.
"""

from fractions import Fraction

import numpy as np

from stackelberg.certify.exact_game import ExactGame
from stackelberg.certify.proof import upper_bound
from stackelberg.certify.rational import fraction
from stackelberg.equilibrium import Certificate, Equilibrium, Proposal
from stackelberg.game import BayesianStackelbergGame

NEAR_TIE = 1e-9
"""Largest loss, in units of the largest absolute leader payoff, that a claim of optimality forgives."""


def certify(game: BayesianStackelbergGame, equilibrium: Equilibrium | Proposal) -> Certificate:
    """Re-check an equilibrium in exact rational arithmetic.

    Parameters
    ----------
    game : BayesianStackelbergGame
    equilibrium : Equilibrium or Proposal
        Its ``strategy``, ``replies`` and ``value`` are taken as a proposal, its ``proof`` as multipliers.

    Returns
    -------
    Certificate
        See there for what each claim means.

    Raises
    ------
    ValueError
        If the equilibrium is of a game with other actions, has no strategy, or no exact commitment meets
        the game's constraints.

    Examples
    --------
    >>> import stackelberg as sb
    >>> game = sb.BayesianStackelbergGame([[[2, 4], [1, 3]]], [[[1, 0], [0, 1]]], [1.0])
    >>> certificate = sb.certify(game, sb.solve(game))
    >>> certificate.claim, certificate.value, certificate.strategy
    ('optimal', Fraction(7, 2), (Fraction(1, 2), Fraction(1, 2)))
    """
    types, rows, _ = game.shape
    guess, replies = np.asarray(equilibrium.strategy, dtype=float), [int(j) for j in equilibrium.replies]
    if guess.shape != (rows,) or len(replies) != types or not np.isfinite(guess).all():
        raise ValueError(
            f"the equilibrium has a strategy of shape {guess.shape} and {len(replies)} replies; "
            f"this game needs {rows} finite probabilities and {types} replies"
        )
    exact = ExactGame.of(game)
    solution = exact.solve_profile(replies, guess)
    scale = Fraction(float(np.nanmax(np.abs(game.leader_payoffs)))) or Fraction(1)
    proposed = Fraction(equilibrium.value) if np.isfinite(equilibrium.value) else None
    lost = solution is None or (
        proposed is not None and proposed - solution.value > scale * Fraction(NEAR_TIE)
    )
    for candidate in exact.neighbouring_profiles(guess) if lost else ():
        other = exact.solve_profile(candidate, guess)
        if other is not None and (solution is None or other.value > solution.value):
            solution, replies = other, candidate
    if solution is None:
        raise ValueError(
            "no exact commitment near the proposed one meets the game's constraints: relax or repair them"
        )

    chosen = exact.best_replies(solution.x)
    value = exact.value(solution.x, chosen)
    gaps = exact.reply_gaps(solution.x, chosen)
    strategy = tuple(fraction(q) for q in solution.x)
    upper = None
    if equilibrium.proof is not None:
        upper = upper_bound(exact, equilibrium.proof, solution)
    tight = upper is not None and upper - value <= scale * Fraction(NEAR_TIE)
    if lost and (proposed is None or proposed - value > scale * Fraction(NEAR_TIE)) and not tight:
        claim = "near-tie"
        message = (
            f"no exact commitment supports the proposed value {equilibrium.value:.12g}; "
            f"the best exact one nearby is worth {float(value):.12g}"
        )
    elif upper is None:
        claim, message = (
            "feasible",
            "replies and value hold exactly; no bound on other commitments was proved",
        )
    elif tight:
        slack = "equals" if upper == value else f"exceeds by {float(upper - value):.1e}"
        claim, message = (
            "optimal",
            f"replies and value hold exactly; a rational upper bound {slack} the value",
        )
    else:
        claim = "feasible"
        message = f"replies and value hold exactly; the proved upper bound {float(upper):.12g} leaves a gap"
    return Certificate(claim, strategy, tuple(chosen), value, upper, gaps, message)
