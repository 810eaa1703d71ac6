"""Games to learn from and to measure on: worked games of the literature, and seeded random families.

**Worked games** are :class:`WorkedGame` records: the game, its source, the figures that the source states,
and the exact optimum.  Where a source states no optimum, or its text could not be consulted, ``published``
says so by what it leaves out; the optimum is then ours (a test solves every one of them).

**Families** take ``(leader_actions, follower_actions, types)``, in this order, and a seed; the same seed
gives the same game on every machine.  Priors are :math:`(u_l + 0.2) / \\sum (u + 0.2)` with uniform
:math:`u`, so that no type is negligible.

>>> from stackelberg import examples
>>> examples.uniform(10, 10, 8, seed=0)
BayesianStackelbergGame('uniform', 8 types, 10 leader actions, 10 follower actions)
>>> examples.conitzer_sandholm_2006().value
Fraction(7, 2)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray

from stackelberg.game import BayesianStackelbergGame, GameError

Seed = int | Sequence[int] | np.random.Generator
"""What :func:`numpy.random.default_rng` takes; a generator is advanced, not copied."""


@dataclass(frozen=True, eq=False)
class WorkedGame:
    """A game of the literature with what is known of it.

    Attributes
    ----------
    game : BayesianStackelbergGame
    source : str
        Author, year, venue and place in the text.
    published : mapping of str to float
        What the source states about the leader's payoff, in utils; empty where we could not read it.
    value : Fraction
        Leader's value at the strong Stackelberg equilibrium, exactly.
    strategy : tuple of Fraction, shape (leader actions,)
        An optimal commitment.
    note : str
        What differs from the source, if anything.
    """

    game: BayesianStackelbergGame
    source: str
    published: Mapping[str, float]
    value: Fraction
    strategy: tuple[Fraction, ...]
    note: str = ""


def conitzer_sandholm_2006() -> WorkedGame:
    """The opening example of Conitzer & Sandholm (EC 2006): commitment to a dominated row, then to a mixture.

    Up dominates down, so the simultaneous game ends at (up, left) and pays the leader 2.  Committing to
    down pays 3, and to half of each 7/2, the follower being indifferent and replying right.
    """
    game = BayesianStackelbergGame(
        [[[2, 4], [1, 3]]],
        [[[1, 0], [0, 1]]],
        [1.0],
        leader_actions=["up", "down"],
        follower_actions=["left", "right"],
        name="Conitzer & Sandholm 2006",
    )
    return WorkedGame(
        game,
        "V. Conitzer & T. Sandholm, Computing the optimal strategy to commit to, EC 2006, section 1",
        {"simultaneous play": 2.0, "pure commitment": 3.0, "mixed commitment": 3.5},
        Fraction(7, 2),
        (Fraction(1, 2), Fraction(1, 2)),
    )


def paruchuri_2008() -> WorkedGame:
    """Table 1 of Paruchuri et al. (AAMAS 2008), the paper of DOBSS, adapted there from Conitzer & Sandholm.

    The text evaluates three commitments and stops at the uniform mixture, 7/2.  The follower tolerates more
    of row a than that: at (2/3, 1/3) it is just indifferent, and the leader gets 11/3.
    """
    game = BayesianStackelbergGame(
        [[[2, 4], [1, 3]]],
        [[[1, 0], [0, 2]]],
        [1.0],
        leader_actions=["a", "b"],
        follower_actions=["c", "d"],
        name="Paruchuri et al. 2008",
    )
    return WorkedGame(
        game,
        "P. Paruchuri, J. P. Pearce, J. Marecki, M. Tambe, F. Ordonez & S. Kraus, Playing games for "
        "security, AAMAS 2008, table 1",
        {"simultaneous play": 2.0, "commitment to b": 3.0, "uniform commitment": 3.5},
        Fraction(11, 3),
        (Fraction(2, 3), Fraction(1, 3)),
        "the optimum is ours: the text states the uniform commitment, not the best one",
    )


def inspection_game() -> WorkedGame:
    """An inspection game: the leader inspects just often enough that the follower complies.

    Inspection games are von Stengel & Zamir's motive for mixed commitment: the inspector who announces
    how often it inspects deters, where in simultaneous play both sides must mix and cheating goes on.
    Simultaneous play pays the leader -2; inspecting with probability 1/10 makes complying a best reply and
    costs 1/10.
    """
    game = BayesianStackelbergGame(
        [[[0, -10], [-1, -6]]],
        [[[0, 10], [0, -90]]],
        [1.0],
        leader_actions=["don't inspect", "inspect"],
        follower_actions=["comply", "cheat"],
        name="inspection game",
    )
    return WorkedGame(
        game,
        "after T. L. Turocy & B. von Stengel, Game theory (LSE-CDAM-2001-09), section on mixed strategies; "
        "the setting of B. von Stengel & S. Zamir, Leadership games with convex strategy sets, GEB 69 (2010)",
        {},
        Fraction(-1, 10),
        (Fraction(9, 10), Fraction(1, 10)),
        "payoffs from memory of the 2001 survey, whose text we could not consult; every value here is ours",
    )


def two_types() -> WorkedGame:
    """A Bayesian game small enough for pencil and paper; ours, made of the two games above.

    With probability 1/2 each, the follower is Conitzer & Sandholm's or Paruchuri et al.'s.  Both reply with
    the second column as long as the first row has probability at most 1/2; beyond, the first type is lost.
    """
    games = [conitzer_sandholm_2006().game, paruchuri_2008().game]
    game = BayesianStackelbergGame(
        [g.leader_payoffs[0] for g in games],
        [g.follower_payoffs[0] for g in games],
        [0.5, 0.5],
        leader_actions=["first", "second"],
        follower_actions=["left", "right"],
        types=["EC 2006", "AAMAS 2008"],
        name="two types",
    )
    return WorkedGame(game, "this library", {}, Fraction(7, 2), (Fraction(1, 2), Fraction(1, 2)))


def worked_games() -> tuple[WorkedGame, ...]:
    """All worked games."""
    return conitzer_sandholm_2006(), paruchuri_2008(), inspection_game(), two_types()


def uniform(
    leader_actions: int,
    follower_actions: int,
    types: int,
    seed: Seed,
    *,
    integer: bool = True,
    high: int = 100,
) -> BayesianStackelbergGame:
    """Independent uniform payoffs, integers in 0 to ``high`` or reals in [0, ``high``).

    A small ``high`` with integers gives games full of ties.
    """
    rng = np.random.default_rng(seed)
    prior, shape = _prior(rng, types), (types, leader_actions, follower_actions)
    if integer:
        leader, follower = rng.integers(0, high + 1, shape), rng.integers(0, high + 1, shape)
        return BayesianStackelbergGame(leader.astype(float), follower.astype(float), prior, name="uniform")
    return BayesianStackelbergGame(high * rng.random(shape), high * rng.random(shape), prior, name="uniform")


def covariant(
    leader_actions: int, follower_actions: int, types: int, seed: Seed, *, correlation: float = -0.5
) -> BayesianStackelbergGame:
    """Normal payoffs, mean 50 and deviation 20, with a correlation between the two players' payoffs.

    After GAMUT's covariant games (Nudelman, Wortman, Shoham & Leyton-Brown, AAMAS 2004).  Opposed interests
    (negative correlation) are the hard end: the leader must give up its own bound for every reply it buys.
    """
    if not -1 <= correlation <= 1:
        raise GameError(f"correlation is {correlation}: it must be between -1 and 1")
    rng = np.random.default_rng(seed)
    prior, shape = _prior(rng, types), (types, leader_actions, follower_actions)
    ours, theirs = rng.standard_normal(shape), rng.standard_normal(shape)
    mixed = correlation * ours + np.sqrt(1 - correlation**2) * theirs
    return BayesianStackelbergGame(50 + 20 * ours, 50 + 20 * mixed, prior, name=f"covariant {correlation:g}")


def patrol(houses: int, types: int, seed: Seed, *, length: int = 2) -> BayesianStackelbergGame:
    """Paruchuri et al.'s houses: the leader patrols ``length`` of them in order, a robber picks one.

    A robber at the k-th house of the patrol is caught with probability :math:`p_k = 0.9 (d - k + 1) / d`
    (none elsewhere).  Caught, the leader gains :math:`c_x` and the robber loses :math:`c_q`; else the leader
    loses :math:`v_{x,j}` and the robber gains :math:`v_{q,j}` (AAMAS 2007 and 2008, the experimental domain;
    the figures are ours: values uniform in 1 to 10, :math:`c` in 0 to 5).
    """
    if not 1 <= length <= houses:
        raise GameError(f"a patrol of {length} houses out of {houses}: give 1 to {houses}")
    rng = np.random.default_rng(seed)
    prior, routes = _prior(rng, types), list(permutations(range(houses), length))
    caught = np.zeros((len(routes), houses))
    for i, route in enumerate(routes):
        caught[i, list(route)] = 0.9 * (length - np.arange(length)) / length
    leader, follower = np.empty((2, types, len(routes), houses))
    for l in range(types):
        leader_values, robber_values = rng.uniform(1, 10, houses), rng.uniform(1, 10, houses)
        leader_gain, robber_loss = rng.uniform(0, 5), rng.uniform(0, 5)
        leader[l] = caught * leader_gain + (1 - caught) * -leader_values
        follower[l] = -caught * robber_loss + (1 - caught) * robber_values
    return BayesianStackelbergGame(
        leader,
        follower,
        prior,
        leader_actions=["→".join(map(str, route)) for route in routes],
        follower_actions=[f"house {j}" for j in range(houses)],
        name="patrol",
    )


def security(targets: int, types: int, seed: Seed, *, resources: int = 2) -> BayesianStackelbergGame:
    """A security game in normal form: the leader covers ``resources`` targets, an attacker picks one.

    Payoffs depend on whether the attacked target is covered only (Kiekintveld et al., AAMAS 2009), so they
    have far fewer dimensions than the leader has actions.
    """
    if not 1 <= resources <= targets:
        raise GameError(f"{resources} resources for {targets} targets: give 1 to {targets}")
    rng = np.random.default_rng(seed)
    prior, sets = _prior(rng, types), list(combinations(range(targets), resources))
    covered = np.zeros((len(sets), targets), dtype=bool)
    for i, chosen in enumerate(sets):
        covered[i, list(chosen)] = True
    leader, follower = np.empty((2, types, len(sets), targets))
    for l in range(types):
        defender_covered, defender_not = rng.uniform(0, 10, targets), -rng.uniform(0, 10, targets)
        attacker_covered, attacker_not = -rng.uniform(0, 10, targets), rng.uniform(0, 10, targets)
        leader[l] = np.where(covered, defender_covered, defender_not)
        follower[l] = np.where(covered, attacker_covered, attacker_not)
    return BayesianStackelbergGame(
        leader,
        follower,
        prior,
        leader_actions=["+".join(map(str, chosen)) for chosen in sets],
        follower_actions=[f"target {j}" for j in range(targets)],
        name="security",
    )


def _prior(rng: np.random.Generator, types: int) -> NDArray[np.float64]:
    weights = rng.random(types) + 0.2
    return weights / weights.sum()
