"""Shadow prices: what one more unit of a constraint is worth to the leader, from the duals at the optimal replies.

With the replies :math:`a` of the equilibrium held fixed, the best commitment is a linear program,

.. math:: \\max_x \\sum_l p_l R^l_{\\cdot a_l} x \\quad \\text{s.t. } (C^l_{\\cdot k} - C^l_{\\cdot a_l}) x \\le 0,
          \\; A x \\le b, \\; x \\in \\Delta,

and the dual of a row is the slope of the leader's value in its right-hand side (Conitzer & Sandholm, EC 2006, for the
program; Dantzig, 1963, for its prices).  Where duals are not unique the value has a kink: the smallest is its slope
to the right, the largest that to the left.
"""

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stackelberg.faking import FakingGame
from stackelberg.game import BayesianStackelbergGame
from stackelberg.solve import solve

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


def shadow_prices(game: FakingGame | BayesianStackelbergGame) -> "pd.DataFrame":
    """Price of every constraint at the best commitment, while the replies stay as they are.

    Parameters
    ----------
    game : FakingGame or BayesianStackelbergGame
        Of a faking game: its budget (also where it is 1) and the caps on its cues.

    Returns
    -------
    DataFrame
        kind ("constraint" or "reply"), name, slack, price (leader utils per unit of the right-hand side), if_raised
        and if_lowered (the price for a small step up or down; equal where there is no kink).  A constraint's unit is
        that of its right-hand side: the budget's is the share of conversations monitored.  A reply's unit is one util
        that the type gets on top for its reply, when compared with the one named; no kinks are looked for there.

    Raises
    ------
    SolveError
        Where the game has no equilibrium to price.

    Examples
    --------
    Below the indifference belief .4, a monitored conversation deters in 2.5, at .3 harm each, and costs .1:

    >>> import stackelberg as sb
    >>> types = [sb.FollowerType(name="guarding", prior=0.3, preference=0.4, goal_guarding=1.0),
    ...          sb.FollowerType(name="willing", prior=0.7, preference=-0.5)]
    >>> found = shadow_prices(sb.FakingGame(types=types, cues=sb.CuePolicy.free(), budget=0.25))
    >>> found[found["kind"] == "constraint"].round(6).values.tolist()
    [['constraint', 'budget', 0.0, 0.65, 0.65, 0.65]]
    """
    import pandas as pd
    from scipy.optimize import linprog

    form, rows = _rows(game)
    equilibrium = solve(form)
    replies, R, C = equilibrium.replies.tolist(), form.leader_payoffs, form.follower_payoffs
    actions = form.shape[1]
    objective = sum(p * R[l][:, j] for l, (p, j) in enumerate(zip(form.prior, replies, strict=True)))
    others: list[tuple[str, Floats]] = []
    for l, j in enumerate(replies):
        labels = form.follower_actions[l]
        others += [
            (f"{form.types[l]}: {labels[j]} over {labels[k]}", C[l][:, k] - C[l][:, j])
            for k in range(len(labels))
            if k != j
        ]
    A_ub = np.array([row for _, row, _ in rows] + [row for _, row in others]).reshape(-1, actions)
    b_ub = np.array([b for _, _, b in rows] + [0.0] * len(others))
    A_eq, b_eq = np.ones((1, actions)), np.ones(1)
    if form.constraints is not None:
        A_eq, b_eq = np.vstack([A_eq, form.constraints.A_eq]), np.append(b_eq, form.constraints.b_eq)
    found: Any = linprog(-objective, A_ub, b_ub, A_eq, b_eq, bounds=(0, None), method="highs")
    if found.status != 0:  # the certificate holds exactly what the program holds to a tolerance
        raise AssertionError(f"HiGHS: {found.message}")
    prices = np.maximum(-found.ineqlin.marginals, 0.0)
    table = []
    for i, (name, _, _) in enumerate(rows):
        ends = _price_ends(i, objective, A_ub, b_ub, A_eq, b_eq, -found.fun)
        table.append(("constraint", name, found.slack[i], prices[i], *ends))
    for i, (name, _) in enumerate(others, start=len(rows)):
        table.append(("reply", name, found.slack[i], prices[i], np.nan, np.nan))
    return pd.DataFrame(table, columns=["kind", "name", "slack", "price", "if_raised", "if_lowered"])


def _price_ends(
    i: int, objective: Any, A_ub: Floats, b_ub: Floats, A_eq: Floats, b_eq: Floats, value: float
) -> tuple[float, float]:
    """Least and largest dual of row i among all optimal duals."""
    from scipy.optimize import linprog

    rows, scale = len(b_ub), 1.0 + abs(value)
    # dual: min b_ub y + b_eq w, A_ub' y + A_eq' w >= objective, y >= 0; optimal ones have the program's value
    A = np.vstack([-np.hstack([A_ub.T, A_eq.T]), np.append(b_ub, b_eq)])
    b = np.append(-objective, value + 1e-9 * scale)
    bounds = [(0, None)] * rows + [(None, None)] * len(b_eq)
    ends = []
    for sign in (1.0, -1.0):
        cost = np.zeros(rows + len(b_eq))
        cost[i] = sign
        found: Any = linprog(cost, A, b, bounds=bounds, method="highs")
        ends.append(float(found.x[i]) if found.status == 0 else np.inf)
    return ends[0], ends[1]


def _rows(
    game: FakingGame | BayesianStackelbergGame,
) -> tuple[BayesianStackelbergGame, list[tuple[str, Floats, float]]]:
    """The game with its constraints, and the inequalities by name: (name, row, right-hand side)."""
    if isinstance(game, BayesianStackelbergGame):
        limits = game.constraints
        if limits is None:
            return game, []
        return game, [
            (f"A_ub[{i}]", row, float(b))
            for i, (row, b) in enumerate(zip(limits.A_ub, limits.b_ub, strict=True))
        ]
    form, cues = game.to_game(reduce=False), game.cues.cues
    monitored = np.tile(np.repeat([1.0, 0.0], len(cues)), len(game.methods))
    rows: list[tuple[str, Floats, float]] = [("budget", monitored, game.budget)]
    caps = game.cues.caps
    if caps is not None and form.constraints is not None:
        first = 1 if game.budget < 1 else 0  # a budget of 1 is no row of the game
        several = len(game.methods) > 1
        names = [
            f"cap[{state}, {cue}]" + (f" under {method.name}" if several else "")
            for method, (w, state), (s, cue) in itertools.product(
                game.methods, enumerate(("monitored", "unmonitored")), enumerate(cues)
            )
            if caps[w, s] < 1
        ]
        rows += [(name, row, 0.0) for name, row in zip(names, form.constraints.A_ub[first:], strict=True)]
    return form, rows
