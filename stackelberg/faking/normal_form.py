"""The faking game as a Bayesian Stackelberg game: tensors, constraints, and the reduction to vertices.

A leader action is j = (method m, monitored or not :math:`\\omega`, cue s); a follower action is a plan
:math:`a \\in \\{C, R\\}^S`.  With :math:`\\mathbb 1` for "the plan complies at s",

.. math::
    U_\\theta[j, a] &= \\mathbb 1\\{a_s = C\\}(\\omega K_\\theta(m) - v_\\theta)
        - f_\\theta \\mathbb 1\\{a \\text{ contingent}\\} \\\\
    L_\\theta[j, a] &= -c\\,\\omega - k_s - \\mathbb 1\\{a_s = R\\}(\\omega(A - g) + (1 - \\omega)a)

and, where the leader counts what training changes in a type with :math:`v_\\theta > 0`, :math:`\\omega T` times
:math:`M_R(m)` if the plan refuses at s or :math:`M_F(m)` if it complies there, less the method's own cost.

Maximising :math:`\\sum_j x_j U[j, a]` over :math:`a_s` is maximising the posterior expectation after cue s, so
Bayes' rule is implied and one game carries monitoring, cue design and the choice of method.
"""

import itertools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stackelberg.game import BayesianStackelbergGame, GameError, LeaderConstraints

if TYPE_CHECKING:
    from stackelberg.faking.game import FakingGame


def all_plans(cues: int) -> NDArray[np.bool_]:
    """Every plan, complies at each cue, shape (2**cues, cues): the two constant plans first.

    Examples
    --------
    >>> all_plans(2).astype(int).tolist()
    [[1, 1], [0, 0], [1, 0], [0, 1]]
    """
    plans = sorted(itertools.product((True, False), repeat=cues), key=lambda plan: any(plan) != all(plan))
    return np.array(plans)


def tensors(game: "FakingGame") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Leader and follower payoffs, each (types, methods * 2 * cues, plans), in the order (method, state, cue)."""
    plans = all_plans(len(game.cues.cues))
    state = np.array([1.0, 0.0])[:, None]  # monitored first
    K, v = game.incentives(), game.parameters("preference")
    gain = state * K[:, :, None, None] - v[:, None, None, None]
    comply = np.broadcast_to(gain, (*K.shape, 2, len(game.cues.cues))).reshape(len(v), -1)
    contingent = plans.any(axis=1) & ~plans.all(axis=1)
    cue = np.tile(np.arange(len(game.cues.cues)), 2 * len(game.methods))
    complies = plans[:, cue].T  # (leader actions, plans)
    follower = comply[:, :, None] * complies - game.parameters("plan_cost")[:, None, None] * contingent
    leader = np.broadcast_to(_leader_table(game, complies, cue), follower.shape)
    if any(m.cost for m in game.methods) or game.costs.training_value:
        leader = leader + _training_worth(game, complies)
    return leader, follower


def _leader_table(
    game: "FakingGame", complies: NDArray[np.bool_], cue: NDArray[np.int64]
) -> NDArray[np.float64]:
    costs = game.costs
    monitored = _is_monitored(game)[:, None]
    refused = np.where(monitored, costs.train_disagreement - costs.refusal_value, costs.deploy_harm)
    return (
        -costs.monitoring_cost * monitored - game.cues.costs[cue][:, None] - np.where(complies, 0.0, refused)
    )


def _training_worth(game: "FakingGame", complies: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Worth of what monitored conversations train, less what their method costs, (types, leader actions, plans).

    Only a type that prefers to refuse has anything to be changed, whatever it does for the time being.
    """
    per_action = [
        np.repeat([getattr(m, name) for m in game.methods], 2 * len(game.cues.cues))[:, None]
        for name in ("refused_change", "complied_change", "cost")
    ]
    refused, complied, cost = per_action
    unwilling = (game.parameters("preference") > 0)[:, None, None]
    worth = game.costs.training_value * unwilling * np.where(complies, complied, refused)
    return np.asarray(_is_monitored(game)[:, None] * (worth - cost))


def _is_monitored(game: "FakingGame") -> NDArray[np.bool_]:
    return np.tile(np.repeat([True, False], len(game.cues.cues)), len(game.methods))


def status_quo_strategy(game: "FakingGame") -> NDArray[np.float64]:
    """The status quo as a mixed strategy of the unreduced game, shape (methods * 2 * cues,)."""
    states = np.array([game.monitoring, 1 - game.monitoring])
    shares = game.status_quo_mix()[:, None, None] * (states[:, None] * game.cue_probabilities())
    return shares.ravel()


def leader_plan_values(game: "FakingGame") -> NDArray[np.float64]:
    """Leader's status-quo payoff if every conversation met each plan, in utils, shape (types, plans)."""
    leader, _ = tensors(game)
    values: NDArray[np.float64] = status_quo_strategy(game) @ leader
    return values


def _require_bayes(game: "FakingGame") -> None:
    for member in game.types:
        if member.cue_sharpness != 1:
            raise GameError(
                f"type {member.name!r} has cue_sharpness {member.cue_sharpness:g}: its belief is not linear in the "
                "commitment, so there is no normal form; set it to 1, or use fixed cues and optimal_commitment()"
            )


def normal_form(game: "FakingGame") -> BayesianStackelbergGame:
    """The unreduced game: actions (method, state, cue), with the budget and the cue policy as constraints."""
    _require_bayes(game)
    leader, follower = tensors(game)
    return BayesianStackelbergGame(
        leader,
        follower,
        game.parameters("prior"),
        leader_actions=_action_labels(game),
        follower_actions=plan_labels(len(game.cues.cues)),
        types=[t.name for t in game.types],
        constraints=_constraints(game),
        name="faking game",
    )


def plan_labels(cues: int) -> list[str]:
    """Names of the plans, what is done at each cue in order, length 2**cues."""
    return ["/".join("comply" if c else "refuse" for c in plan) for plan in all_plans(cues)]


def _action_labels(game: "FakingGame") -> list[str]:
    method = [f"{m.name}, " if len(game.methods) > 1 else "" for m in game.methods]
    states = ("monitored", "unmonitored")
    return [f"{m}{state}, {cue} cue" for m, state, cue in itertools.product(method, states, game.cues.cues)]


def _constraints(game: "FakingGame") -> LeaderConstraints | None:
    cues, actions = len(game.cues.cues), len(game.methods) * 2 * len(game.cues.cues)
    upper: list[NDArray[np.float64]] = []
    equal: list[NDArray[np.float64]] = []
    limits: list[float] = []
    if game.budget < 1:
        upper.append(_is_monitored(game).astype(float))
        limits.append(game.budget)
    for block, (_, state) in enumerate(itertools.product(game.methods, range(2))):
        within = np.zeros(actions)
        within[block * cues : (block + 1) * cues] = 1.0
        for s in range(cues):
            own = np.zeros(actions)
            own[block * cues + s] = 1.0
            # The last cue's equality follows from the others; stated in floats it would contradict them.
            if game.cues.probabilities is not None and s < cues - 1:
                equal.append(own - game.cues.probabilities[state, s] * within)
            if game.cues.caps is not None and game.cues.caps[state, s] < 1:
                upper.append(own - game.cues.caps[state, s] * within)
                limits.append(0.0)
    if not upper and not equal:
        return None
    return LeaderConstraints(
        A_ub=np.array(upper) if upper else None,
        b_ub=limits if upper else None,
        A_eq=np.array(equal) if equal else None,
        b_eq=np.zeros(len(equal)) if equal else None,
    )


def vertices(game: "FakingGame", *, distinct: bool = False) -> NDArray[np.float64]:
    """Vertices of the leader's polytope over (method, state, cue), shape (vertices, methods * 2 * cues).

    A commitment mixes monitored generators up to the budget B with unmonitored ones, where a generator is one
    method with one vertex of its set of cue distributions; the vertices are the unmonitored generators and
    B times a monitored one plus 1 - B times an unmonitored one. With `distinct`, vertices
    that pay the same are left out: a method changes nothing in an unmonitored conversation, so there the first
    stands for all.
    """
    cues, blocks = len(game.cues.cues), len(game.methods) * 2
    generators: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]] = ([], [])
    for block in [*range(0, blocks, 2), 1] if distinct else range(blocks):
        for distribution in cue_vertices(game, block % 2):
            row = np.zeros(blocks * cues)
            row[block * cues : (block + 1) * cues] = distribution
            generators[block % 2].append(row)
    monitored, unmonitored = generators
    if game.budget == 0:
        return np.array(unmonitored)
    if game.budget == 1:
        return np.array(unmonitored + monitored)
    mixed = [game.budget * on + (1 - game.budget) * off for on in monitored for off in unmonitored]
    return np.array(unmonitored + mixed)


def cue_vertices(game: "FakingGame", state: int) -> NDArray[np.float64]:
    """Vertices of the cue distributions that the policy allows in one state, shape (vertices, cues)."""
    cues = len(game.cues.cues)
    if game.cues.probabilities is not None:
        return game.cues.probabilities[[state]]
    if game.cues.caps is None:
        return np.eye(cues)
    caps = game.cues.caps[state]
    found: dict[tuple[float, ...], None] = {}
    for order in itertools.permutations(range(cues)):  # greedy filling in every order reaches every vertex
        rest, row = 1.0, np.zeros(cues)
        for s in order:
            row[s] = min(caps[s], rest)
            rest -= row[s]
        found[tuple(row.round(15))] = None
    return np.array(list(found))


def reduced_form(game: "FakingGame") -> BayesianStackelbergGame:
    """The game whose leader actions are the vertices of the leader's polytope, free on the simplex."""
    _require_bayes(game)
    leader, follower = tensors(game)
    V = vertices(game, distinct=True)
    labels = _action_labels(game)
    names = [" + ".join(f"{share:.4g} {labels[j]}" for j, share in enumerate(row) if share > 0) for row in V]
    return BayesianStackelbergGame(
        np.einsum("rj,tja->tra", V, leader),
        np.einsum("rj,tja->tra", V, follower),
        game.parameters("prior"),
        leader_actions=names if len(set(names)) == len(names) else None,
        follower_actions=plan_labels(len(game.cues.cues)),
        types=[t.name for t in game.types],
        name="faking game, reduced",
    )
