"""Solve a game: choose a method, run it, and certify what it proposes.

The concept is the strong Stackelberg equilibrium: the leader commits, every follower type plays a best
reply, ties go to the leader.
"""

import time
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from stackelberg.certify import certify
from stackelberg.equilibrium import Equilibrium, Proposal, SolveError, Status
from stackelberg.game import BayesianStackelbergGame
from stackelberg.response import expected_payoffs

Method = Literal["auto", "branch-and-bound", "cells", "dobss", "multiple-lps", "strong-milp"]

METHODS = ("auto", "branch-and-bound", "cells", "dobss", "multiple-lps", "strong-milp")

FEW_PROFILES = 256
"""Up to this many reply profiles "auto" searches and proves, whatever the number of leader actions."""

SWEPT_TYPES = 1000
"""Up to this many types "auto" sweeps over three leader actions; the sweep is quadratic in the types."""

FEW_LEAVES, MANY_LEAVES = 200, 20_000
"""Leaves up to which a branch and bound is proved by default, and on request."""


def solve(
    game: BayesianStackelbergGame,
    *,
    method: Method = "auto",
    solver: str = "highs",
    formulation: Literal["mip-p-g", "d2"] = "mip-p-g",
    warm_start: ArrayLike | None = None,
    time_limit: float | None = None,
    gap: float = 0.0,
    node_limit: int | None = None,
    threads: int = 1,
    progress: bool = False,
    prove: bool | None = None,
    throw: bool = True,
) -> Equilibrium:
    """Find a strong Stackelberg equilibrium and certify it in exact arithmetic.

    Parameters
    ----------
    game : BayesianStackelbergGame
    method : {"auto", "branch-and-bound", "cells", "dobss", "multiple-lps", "strong-milp"}
        "branch-and-bound" is our own search, for games of any size; "cells" sweeps over the commitments of
        two or three leader actions, any number of types; "multiple-lps" enumerates reply profiles, "dobss"
        and "strong-milp" are mixed-integer programs: independent second opinions.  "auto" takes the first
        up to 256 reply profiles, where it proves its answer at once, else the second where it is fast, else
        the first; the result's message says which and why.
    solver : str
        For "dobss" and "strong-milp": "highs", "cbc", "scip", "gurobi" or "cplex", where PuLP finds it.
    formulation : {"mip-p-g", "d2"}
        For "strong-milp".
    warm_start : array_like, shape (leader actions,), optional
        For "dobss" and "strong-milp": a commitment to start from.
    time_limit : float, optional
        Seconds for the search.
    gap : float
        For "branch-and-bound", "dobss" and "strong-milp": relative gap at which to stop early.
    node_limit, threads, progress
        For "branch-and-bound": most nodes; threads that share a long search, with the same value; whether
        to show value and bound on stderr.
    prove : bool, optional
        For "branch-and-bound": whether to prove the answer optimal in rationals.  By default up to 200
        leaves of the search tree, where it costs some hundredths of a second; with True up to 20,000, at
        about half a millisecond each.  Beyond that the certificate says "feasible" and the bound is one of
        floats.  Games of 36 or more types that face at most 6 leader actions are proved with True only,
        which makes their search slower.
    throw : bool
        Whether to raise where no strategy was found; with False the result carries NaN and the status.

    Returns
    -------
    Equilibrium
        Its ``strategy`` and ``value`` are those of the certificate, as floats.

    Raises
    ------
    SolveError
        If no strategy was found and ``throw``, or the method or solver is unknown or unfit.

    Examples
    --------
    >>> import stackelberg as sb
    >>> game = sb.BayesianStackelbergGame([[[2, 4], [1, 3]]], [[[1, 0], [0, 1]]], [1.0],
    ...                                   leader_actions=["up", "down"], follower_actions=["left", "right"])
    >>> sb.solve(game)
    Equilibrium(value 3.5, optimal by branch-and-bound, certificate: optimal
      leader   up 0.5, down 0.5
      replies  type 0: right)
    """
    started = time.perf_counter()
    if method not in METHODS:
        raise SolveError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}")
    chosen, why = (method, "") if method != "auto" else _choose(game)
    if chosen == "multiple-lps":
        from stackelberg.solvers.multiple_lps import multiple_lps

        proposal = multiple_lps(game, time_limit=time_limit)
    elif chosen == "branch-and-bound":
        from stackelberg.solvers.branch_and_bound import branch_and_bound

        proposal = branch_and_bound(
            game,
            time_limit=time_limit,
            node_limit=node_limit,
            gap=gap,
            progress=progress,
            threads=threads,
            most_leaves={None: FEW_LEAVES, True: MANY_LEAVES, False: 0}[prove],
            local_cuts=prove is not True,
        )
    elif chosen == "cells":
        from stackelberg.solvers.cells import cells

        proposal = cells(game, time_limit=time_limit)
    else:
        options = {"solver": solver, "time_limit": time_limit, "gap": gap, "warm_start": warm_start}
        if chosen == "strong-milp":
            from stackelberg.solvers.strong_milp import strong_milp

            proposal = strong_milp(game, formulation=formulation, **options)
        else:
            from stackelberg.solvers.dobss import dobss

            proposal = dobss(game, **options)
    if not np.isfinite(proposal.strategy).all():
        if throw:
            raise SolveError(
                f"{chosen} found no strategy ({proposal.status}): {proposal.message}; {proposal.status.advice}",
                proposal.status,
            )
        return _without_strategy(game, proposal, chosen, time.perf_counter() - started)
    return _certified(game, proposal, chosen, why, started)


def _choose(game: BayesianStackelbergGame) -> tuple[str, str]:
    from stackelberg.solvers.multiple_lps import profile_count

    count = profile_count(game)
    if count <= FEW_PROFILES:
        return (
            "branch-and-bound",
            f"auto chose branch-and-bound: with {count} reply profiles it answers at once and proves it; ",
        )
    types, rows, _ = game.shape
    if rows == 2 or (rows == 3 and types <= SWEPT_TYPES):
        return (
            "cells",
            f"auto chose cells: {count:,} reply profiles are too many to enumerate, {rows} leader actions few "
            "enough to sweep over; ",
        )
    return (
        "branch-and-bound",
        f"auto chose branch-and-bound: {count:,} reply profiles are too many to enumerate; ",
    )


def _certified(
    game: BayesianStackelbergGame, proposal: Proposal, method: str, why: str, started: float
) -> Equilibrium:
    certificate = certify(game, proposal)
    strategy = np.array([float(p) for p in certificate.strategy])
    replies = np.array(certificate.replies)
    _, follower_values = expected_payoffs(game, strategy)
    probabilities = np.zeros(follower_values.shape)
    np.put_along_axis(probabilities, replies[:, None], 1.0, axis=1)
    value = float(certificate.value)
    return Equilibrium(
        game=game,
        strategy=strategy,
        replies=replies,
        reply_probabilities=probabilities,
        value=value,
        follower_values=np.take_along_axis(follower_values, replies[:, None], axis=1)[:, 0],
        bound=max(value, proposal.bound),
        status=proposal.status,
        message=f"{why}{proposal.message}; {certificate.message}",
        method=method,
        nodes=proposal.nodes,
        seconds=time.perf_counter() - started,
        certificate=certificate,
        proof=proposal.proof,
    )


def _without_strategy(
    game: BayesianStackelbergGame, proposal: Proposal, method: str, seconds: float
) -> Equilibrium:
    types, _, most = game.shape
    return Equilibrium(
        game=game,
        strategy=proposal.strategy,
        replies=np.full(types, -1),
        reply_probabilities=np.full((types, most), np.nan),
        value=np.nan,
        follower_values=np.full(types, np.nan),
        bound=proposal.bound if proposal.status is not Status.INFEASIBLE else -np.inf,
        status=proposal.status,
        message=proposal.message,
        method=method,
        nodes=proposal.nodes,
        seconds=seconds,
    )
