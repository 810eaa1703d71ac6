"""Branch and bound over the types' best replies: the solver for games with many reply profiles.

Fixing what every type replies leaves a linear program; a node fixes it for some types and bounds the rest by
envelope cuts (:mod:`~stackelberg.solvers.envelope_cuts`).  The pieces:

:mod:`~stackelberg.solvers.presolve`
    a smaller game with the same value;
:mod:`~stackelberg.solvers.reduction`
    fewer coordinates, where payoffs depend on the commitment through fewer than it has;
:mod:`~stackelberg.solvers.master`
    the bounding programs, solved on the dual from the parent's basis;
:mod:`~stackelberg.solvers.resumable`
    the search as a state that can be advanced, on one thread or more, with the settings of
    :mod:`~stackelberg.solvers.tuning`;
:mod:`~stackelberg.solvers.search`
    the tree: :mod:`~stackelberg.solvers.node` bounds, :mod:`~stackelberg.solvers.branching` branches,
    :mod:`~stackelberg.solvers.ascent` finds incumbents;
:mod:`~stackelberg.solvers.leaves`
    the proof;
:mod:`~stackelberg.solvers.tiers`
    interpreted at once, compiled where the game needs more.

The idea of bounding best-reply profiles by convex relaxations is HBGS's and HUNTER's (Jain, Kiekintveld &
Tambe, AAMAS 2011; Yin & Tambe, AAMAS 2012).
"""

import time
from typing import Any

import numpy as np

from stackelberg.equilibrium import Proposal, Status
from stackelberg.game import BayesianStackelbergGame
from stackelberg.response import replies_value
from stackelberg.solvers.presolve import Presolved, presolve
from stackelberg.solvers.resumable import ABSOLUTE_GAP, Search


def branch_and_bound(
    game: BayesianStackelbergGame,
    *,
    time_limit: float | None = None,
    node_limit: int | None = None,
    gap: float = 0.0,
    progress: bool = False,
    threads: int = 1,
    most_leaves: int = 0,
    local_cuts: bool = True,
) -> Proposal:
    """Find a strong Stackelberg equilibrium by branch and bound.

    Parameters
    ----------
    game : BayesianStackelbergGame
    time_limit : float, optional
        Seconds.
    node_limit : int, optional
        Nodes of the tree.
    gap : float
        Relative gap at which to stop early; 0 goes on to 1e-8 of the range of leader payoffs.
    progress : bool
        Whether to show incumbent and bound on stderr while a search runs long.
    threads : int
        Threads that share the open nodes once there are many; the answer is the same.
    most_leaves : int
        Up to this many leaves the proposal carries a proof of optimality; 0 asks for none.
    local_cuts : bool
        Whether 36 or more types that face at most 6 coordinates get cuts that hold below one node only: far
        fewer nodes, but no proof.

    Returns
    -------
    Proposal

    Notes
    -----
    An interrupt from the keyboard is taken when the running kernel returns, within about 0.1 s.  To keep what
    was found, hold a :class:`~stackelberg.solvers.resumable.Search`: its state stays consistent, and it can be
    advanced again.
    """
    started = time.perf_counter()
    small = presolve(game)
    search = Search(small, gap=gap, most_leaves=most_leaves, local_cuts=local_cuts)
    deadline = np.inf if time_limit is None else started + time_limit
    limits: dict[str, Any] = {
        "deadline": deadline,
        "node_limit": node_limit,
        "progress": progress,
        "threads": threads,
    }
    proposal = _proposal(game, small, search, search.advance(**limits), gap, node_limit)
    if proposal.status is Status.FAILED and search.columns is not None:
        # The hull of the reduced coordinates was not closed: search where no hull is needed.
        search = Search(small, gap=gap, most_leaves=most_leaves, local_cuts=local_cuts, reduce=False)
        proposal = _proposal(game, small, search, search.advance(**limits), gap, node_limit)
    return proposal


def _proposal(
    game: BayesianStackelbergGame,
    small: Presolved,
    search: Search,
    finished: bool,
    gap: float,
    node_limit: int | None,
) -> Proposal:
    types, rows, _ = game.shape
    nodes, bound = search.nodes, search.bound
    if not search.has_strategy:
        status, message = Status.TIME_LIMIT, "out of time before a first commitment was found"
        if finished:
            status, message = Status.INFEASIBLE, "no mixed strategy meets the game's constraints"
        elif node_limit is not None and nodes >= node_limit:
            status, message = Status.NODE_LIMIT, "out of nodes before a first commitment was found"
        return Proposal(
            np.full(rows, np.nan), np.zeros(types, dtype=int), np.nan, np.inf, status, message, nodes
        )
    strategy = small.original_strategy(search.strategy)
    replies = small.original_replies(search.profile, strategy)
    value, _ = replies_value(game, strategy, replies)
    bound = max(value, bound)
    tier = "compiled" if search.is_compiled else "interpreted"
    message = f"branch and bound, {nodes} nodes, {tier}"
    exact, asked = 2 * ABSOLUTE_GAP * search.unit, gap * abs(value) * (1 + 1e-9)
    if finished and bound - value <= exact:
        status = Status.OPTIMAL
    elif finished and bound - value <= exact + asked:
        status, message = Status.GAP, f"{message}, stopped within the gap"
    elif finished:
        status, message = Status.FAILED, f"{message}, programs that were not solved keep the bound open"
    elif node_limit is not None and nodes >= node_limit:
        status, message = Status.NODE_LIMIT, f"{message}, out of nodes"
    else:
        status, message = Status.TIME_LIMIT, f"{message}, out of time"
    return Proposal(strategy, replies, value, bound, status, message, nodes, search.proof())
