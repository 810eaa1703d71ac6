"""Multiple LPs: the best commitment for every reply profile, all profiles in one linear program.

Conitzer & Sandholm (EC 2006, section 3) solve, for every profile :math:`a` of follower replies,

.. math:: \\max_{x \\in X} \\sum_l p_l R^l_{\\cdot a_l} x \\quad \\text{s.t. }
          C^l_{\\cdot a_l} x \\ge C^l_{\\cdot k} x \\;\\; \\forall l, k

and take the best.  We solve all of them at once: each profile gets its own copy :math:`x^a \\ge 0` of the
commitment, scaled by the weight :math:`t_a = \\sum_i x^a_i` that the profile is given, and
:math:`\\sum_a t_a = 1`.  An extreme point puts all weight on one profile, so the optimum is that of the
multiple LPs (the stacking of Conitzer & Korzhyk, AAAI 2011, section 3).  Weight zero is always feasible, so
profiles that are no best reply anywhere need no special case, and the dual of this one program bounds
*every* profile: it is the proof of optimality that :func:`stackelberg.certify` rounds to rationals.

The number of profiles is the product of the types' numbers of actions, so this is a reference for small
games.
"""

import itertools
import math
import warnings
from typing import Any

import numpy as np
from scipy import sparse

from stackelberg.equilibrium import Proof, Proposal, SolveError, Status
from stackelberg.game import BayesianStackelbergGame
from stackelberg.response import payoff_scale
from stackelberg.solvers.highs import silence_greeting

MOST_PROFILES = 20_000
"""Beyond this many reply profiles the stacked program is refused."""


def profile_count(game: BayesianStackelbergGame) -> int:
    """Number of reply profiles: the product of the types' numbers of follower actions."""
    return math.prod(game.follower_action_counts.tolist())


def multiple_lps(game: BayesianStackelbergGame, *, time_limit: float | None = None) -> Proposal:
    """Solve a small game by the multiple LPs, stacked, with a proof of optimality.

    Parameters
    ----------
    game : BayesianStackelbergGame
    time_limit : float, optional
        Seconds for the linear program.

    Returns
    -------
    Proposal

    Raises
    ------
    SolveError
        If the game has more than 20,000 reply profiles.
    """
    import cvxpy as cp

    silence_greeting()
    count = profile_count(game)
    if count > MOST_PROFILES:
        raise SolveError(
            f"multiple-lps would need {count:,} linear programs (at most {MOST_PROFILES:,}): "
            'use method="dobss", or fewer types or follower actions'
        )
    types, rows, most = game.shape
    counts = game.follower_action_counts.tolist()
    profiles = np.array(list(itertools.product(*map(range, counts))))

    # Objective (profiles, leader actions) and, per profile, the rows "the profile's reply beats reply k".
    own = np.stack([game.leader_payoffs[l][:, profiles[:, l]].T for l in range(types)])
    objective = np.einsum("l,lpi->pi", game.prior, own)
    scale = payoff_scale(game)
    scale = np.where(scale > 0, scale, 1.0)
    row_keys = [(l, k) for l in range(types) for k in range(counts[l])]
    blocks = np.empty((count, len(row_keys), rows))
    for r, (l, k) in enumerate(row_keys):
        C = game.follower_payoffs[l] / scale[l]
        blocks[:, r, :] = (C[:, profiles[:, l]] - C[:, [k]]).T
    replies_beat = sparse.csr_array(
        (
            blocks.ravel(),
            np.tile(np.arange(rows), count * len(row_keys))
            + np.repeat(np.arange(count) * rows, len(row_keys) * rows),
            np.arange(count * len(row_keys) + 1) * rows,
        )
    )

    x = cp.Variable(count * rows, nonneg=True)
    total = cp.sum(x) == 1
    beats = replies_beat @ x >= 0
    constraints = [total, beats]
    upper: Any = None
    equal: Any = None
    if (more := game.constraints) is not None:
        # A x <= b scaled by the profile's weight, the sum of its x: (A - b 1') x <= 0.
        eye = sparse.eye_array(count, format="csr")
        upper = sparse.kron(eye, sparse.csr_array(more.A_ub - more.b_ub[:, None]), format="csr") @ x <= 0
        equal = sparse.kron(eye, sparse.csr_array(more.A_eq - more.b_eq[:, None]), format="csr") @ x == 0
        constraints += [c for c, b in ((upper, more.b_ub), (equal, more.b_eq)) if len(b)]
    problem = cp.Problem(cp.Maximize(objective.ravel() @ x), constraints)
    options = {} if time_limit is None else {"time_limit": float(time_limit)}
    with warnings.catch_warnings():
        # cvxpy warns of an inaccurate solution where it ran out of time; the status says so
        warnings.filterwarnings("ignore", message="Solution may be inaccurate")
        try:
            problem.solve(solver=cp.HIGHS, **options)
        except cp.SolverError as error:
            return _nothing(game, Status.FAILED, f"HiGHS through cvxpy: {error}", count)
    if problem.status in (cp.INFEASIBLE, "infeasible_or_unbounded"):
        return _nothing(game, Status.INFEASIBLE, "no mixed strategy meets the game's constraints", count)
    if problem.status != cp.OPTIMAL or x.value is None:
        status = Status.FAILED if time_limit is None else Status.TIME_LIMIT
        return _nothing(game, status, f"HiGHS through cvxpy ended with {problem.status}", count)

    shares = np.clip(x.value, 0, None).reshape(count, rows)
    best = int(np.argmax(shares.sum(axis=1)))
    multipliers = np.zeros((count, types, most))
    flat = np.clip(beats.dual_value, 0, None).reshape(count, len(row_keys))
    for r, (l, k) in enumerate(row_keys):
        multipliers[:, l, k] = flat[:, r] / scale[l]
    inequalities = 0 if more is None else len(more.b_ub)
    equalities = 0 if more is None else len(more.b_eq)
    proof = Proof(
        replies=profiles,
        reply_multipliers=multipliers,
        ub_multipliers=(
            np.clip(upper.dual_value, 0, None).reshape(count, inequalities)
            if inequalities
            else np.zeros((count, 0))
        ),
        eq_multipliers=equal.dual_value.reshape(count, equalities) if equalities else np.zeros((count, 0)),
    )
    return Proposal(
        strategy=shares[best] / shares[best].sum(),
        replies=profiles[best],
        value=float(objective[best] @ shares[best] / shares[best].sum()),
        bound=float(problem.value),
        status=Status.OPTIMAL,
        message=f"{count} linear programs, stacked in one (HiGHS through cvxpy)",
        nodes=count,
        proof=proof,
    )


def _nothing(game: BayesianStackelbergGame, status: Status, message: str, count: int) -> Proposal:
    types, rows, _ = game.shape
    return Proposal(np.full(rows, np.nan), np.zeros(types, dtype=int), np.nan, np.inf, status, message, count)
