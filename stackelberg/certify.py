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

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from flint import fmpq, fmpq_mat
from numpy.typing import NDArray

from stackelberg.equilibrium import Certificate, Equilibrium, Proof, Proposal
from stackelberg.game import BayesianStackelbergGame

NEAR_TIE = 1e-9
"""Largest loss, in units of the largest absolute leader payoff, that a claim of optimality forgives."""

Vector = list[Any]  # of fmpq, which ships no types


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
    exact = _Exact.of(game)
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
    strategy = tuple(_fraction(q) for q in solution.x)
    upper = None
    if equilibrium.proof is not None:
        upper = exact.upper_bound(equilibrium.proof, solution)
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


@dataclass(frozen=True)
class _Solution:
    """Exact optimum of one profile's linear program, with the multipliers that prove it."""

    replies: list[int]
    x: Vector
    value: Fraction
    multipliers: dict[Any, Any]


@dataclass(frozen=True)
class _Exact:
    """A game in rationals: lists of fmpq, (type, follower action) -> vector over leader actions."""

    game: BayesianStackelbergGame
    prior: Vector
    leader: list[list[Vector]]
    follower: list[list[Vector]]
    rows: int

    @classmethod
    def of(cls, game: BayesianStackelbergGame) -> "_Exact":
        tables = [game.payoffs(l) for l in range(game.shape[0])]
        return cls(
            game,
            _exact(game.prior),
            [[_exact(column) for column in R.T] for R, _ in tables],
            [[_exact(column) for column in C.T] for _, C in tables],
            game.shape[1],
        )

    def value(self, x: Vector, replies: Sequence[int]) -> Fraction:
        """The leader's expected payoff."""
        terms = (p * _dot(R[j], x) for p, R, j in zip(self.prior, self.leader, replies, strict=True))
        return _fraction(sum(terms, fmpq(0)))

    def best_replies(self, x: Vector) -> list[int]:
        """Best replies at x; exact ties go to the leader, then to the first, as SSE is defined."""
        chosen = []
        for R, C in zip(self.leader, self.follower, strict=True):
            own = [_dot(column, x) for column in C]
            tied = [j for j, value in enumerate(own) if value == max(own)]
            chosen.append(max(tied, key=lambda j: (_dot(R[j], x), -j)))
        return chosen

    def reply_gaps(self, x: Vector, replies: Sequence[int]) -> tuple[tuple[Fraction, ...], ...]:
        """What each type loses by each other reply."""
        own = [[_dot(column, x) for column in C] for C in self.follower]
        return tuple(tuple(_fraction(v[j] - other) for other in v) for v, j in zip(own, replies, strict=True))

    def neighbouring_profiles(self, guess: NDArray[np.float64]) -> list[list[int]]:
        """Profiles to try where the proposed one fails: exact best replies at points of X near the guess."""
        points = [_exact(np.clip(guess, 0, None))]
        total = sum(points[0], fmpq(0))
        points[0] = [q / total for q in points[0]]
        equalities, inequalities = self._commitment_rows()
        vertex = _vertex_optimum(equalities, inequalities, [fmpq(0)] * self.rows, guess)
        if vertex is not None:
            points.append(vertex[0])
        if not self._feasible(points[0], equalities, inequalities):
            points = points[1:]
        return [self.best_replies(x) for x in points]

    @staticmethod
    def _feasible(x: Vector, equalities: list[Any], inequalities: list[Any]) -> bool:
        return all(_dot(g, x) == h for _, g, h in equalities) and all(
            _dot(g, x) >= h for _, g, h in inequalities
        )

    def _commitment_rows(self) -> tuple[list[Any], list[Any]]:
        """Rows (key, coefficients, right-hand side) of X: equalities g x = h and inequalities g x >= h."""
        unit = [[fmpq(int(i == k)) for k in range(self.rows)] for i in range(self.rows)]
        equalities: list[Any] = [(("sum", 0), [fmpq(1)] * self.rows, fmpq(1))]
        inequalities: list[Any] = [(("x", i), unit[i], fmpq(0)) for i in range(self.rows)]
        if (more := self.game.constraints) is not None:
            equalities += [
                (("eq", r), _exact(A), _exact([b])[0]) for r, (A, b) in enumerate(zip(more.A_eq, more.b_eq))
            ]
            inequalities += [
                (("ub", r), _exact(-A), _exact([-b])[0]) for r, (A, b) in enumerate(zip(more.A_ub, more.b_ub))
            ]
        return equalities, inequalities

    def solve_profile(self, replies: Sequence[int], guess: NDArray[np.float64]) -> _Solution | None:
        """Best exact commitment at which the profile is a best reply; None where there is none."""
        equalities, inequalities = self._commitment_rows()
        for l, (C, j) in enumerate(zip(self.follower, replies, strict=True)):
            inequalities += [
                (("reply", l, k), [a - b for a, b in zip(C[j], C[k], strict=True)], fmpq(0))
                for k in range(len(C))
                if k != j
            ]
        objective = [fmpq(0)] * self.rows
        for p, R, j in zip(self.prior, self.leader, replies, strict=True):
            objective = [c + p * r for c, r in zip(objective, R[j], strict=True)]
        found = _vertex_optimum(equalities, inequalities, objective, guess)
        if found is None:
            return None
        x, multipliers = found
        return _Solution(list(replies), x, _fraction(_dot(objective, x)), multipliers)

    def upper_bound(self, proof: Proof, incumbent: _Solution) -> Fraction | None:
        """The proof's bound in rationals; None where its leaves do not cover every profile."""
        cuts = self._repaired_cuts(proof)
        weights = self._cut_weights(proof, cuts)
        if weights is None or not self._leaves_cover(proof, cuts, weights):
            return None
        bounds = [incumbent.value]
        for leaf, row in enumerate(proof.replies.tolist()):
            if row != incumbent.replies:  # the incumbent's own program was solved exactly
                bounds.append(self._leaf_bound(row, weights[leaf], cuts, *self._multipliers(proof, leaf)))
        return max(bounds)

    def _repaired_cuts(self, proof: Proof) -> "list[_Cut]":
        """Each cut, shifted up so that it dominates the replies that it claims to cover."""
        cuts = []
        for l, vector, table in zip(
            proof.cut_types.tolist(), proof.cut_vectors, proof.cut_multipliers, strict=True
        ):
            R, C, alpha = self.leader[l], self.follower[l], _exact(vector)
            count = len(R)
            covered = [j for j in range(count) if np.isfinite(table[j, :count]).all()]
            shift = fmpq(0)
            for j in covered:
                mu = [(k, q) for k, q in enumerate(_exact(np.maximum(table[j, :count], 0))) if q and k != j]
                for i in range(self.rows):
                    least = self.prior[l] * R[j][i] + sum((q * (C[j][i] - C[k][i]) for k, q in mu), fmpq(0))
                    shift = max(shift, least - alpha[i])
            cuts.append(_Cut(l, [a + shift for a in alpha], sum(1 << j for j in covered)))
        return cuts

    @staticmethod
    def _cut_weights(proof: Proof, cuts: "list[_Cut]") -> list[list[tuple[int, Any]]] | None:
        """Per leaf the cuts in use and their weights, one in total for each free type; None: one has none."""
        weights = []
        table = np.maximum(np.nan_to_num(proof.cut_weights), 0) if len(cuts) else None
        for leaf, row in enumerate(proof.replies):
            used: list[tuple[int, Any]] = []
            totals = {l: fmpq(0) for l in np.flatnonzero(row < 0).tolist()}
            chosen = [] if table is None else np.flatnonzero(table[leaf]).tolist()
            for c in chosen:
                if cuts[c].type_index in totals:
                    weight = _exact([table[leaf, c]])[0]  # type: ignore[index]
                    totals[cuts[c].type_index] += weight
                    used.append((c, weight))
            if any(total == 0 for total in totals.values()):
                return None
            weights.append([(c, weight / totals[cuts[c].type_index]) for c, weight in used])
        return weights

    def _leaves_cover(self, proof: Proof, cuts: "list[_Cut]", weights: list[list[tuple[int, Any]]]) -> bool:
        """Whether every profile that matters lies in some leaf.

        Types with the same payoffs reply alike, best for the leader, so one profile entry stands for all of
        them; and a reply that another one replaces at every commitment need not be covered.
        """
        counts = self.game.follower_action_counts.tolist()
        if any(count > 62 for count in counts):
            return False
        anything = (1 << 62) - 1
        boxes = np.array(
            [[1 << j if j >= 0 else anything for j in row] for row in proof.replies.tolist()], dtype=np.int64
        )
        boxes = boxes.reshape(len(proof.replies), len(counts))
        for leaf, used in enumerate(weights):
            for c, _ in used:
                boxes[leaf, cuts[c].type_index] &= cuts[c].covered
        groups: dict[tuple[bytes, bytes], list[int]] = {}
        for l in range(len(counts)):
            R, C = self.game.payoffs(l)
            groups.setdefault((R.tobytes(), C.tobytes()), []).append(l)
        merged = np.stack([np.bitwise_and.reduce(boxes[:, g], axis=1) for g in groups.values()], axis=1)
        region = np.array([_replies_that_matter(*self.game.payoffs(g[0])) for g in groups.values()])
        return _covered(region, merged, [20_000])

    def _multipliers(self, proof: Proof, leaf: int) -> tuple[list[Vector], Vector, Vector]:
        y = [_exact(np.maximum(row, 0)) for row in np.nan_to_num(proof.reply_multipliers[leaf])]
        return y, _exact(np.maximum(proof.ub_multipliers[leaf], 0)), _exact(proof.eq_multipliers[leaf])

    def _leaf_bound(
        self,
        replies: Sequence[int],
        used: list[tuple[int, Any]],
        cuts: "list[_Cut]",
        y: list[Vector],
        z: Vector,
        w: Vector,
    ) -> Fraction:
        row = [fmpq(0)] * self.rows
        for c, weight in used:
            row = [r + weight * a for r, a in zip(row, cuts[c].vector, strict=True)]
        for l, j in enumerate(replies):
            if j < 0:
                continue
            R, C = self.leader[l], self.follower[l]
            own = sum(y[l][: len(C)], fmpq(0)) - y[l][j]
            weights = [-y[l][k] for k in range(len(C))]
            weights[j] = own
            terms = [(k, u) for k, u in enumerate(weights) if u]
            row = [
                r + self.prior[l] * R[j][i] + sum((u * C[k][i] for k, u in terms), fmpq(0))
                for i, r in enumerate(row)
            ]
        constant = fmpq(0)
        if (more := self.game.constraints) is not None:
            for multipliers, A, b in ((z, more.A_ub, more.b_ub), (w, more.A_eq, more.b_eq)):
                for u, coefficients, bound in zip(multipliers, A, b, strict=True):
                    row = [r - u * a for r, a in zip(row, _exact(coefficients), strict=True)]
                    constant += u * _exact([bound])[0]
        return _fraction(max(row) + constant)


@dataclass(frozen=True)
class _Cut:
    """A bound on what a type gives the leader, and the replies that it holds for, as bits."""

    type_index: int
    vector: Vector
    covered: int


def _replies_that_matter(R: NDArray[np.float64], C: NDArray[np.float64]) -> int:
    """Replies, as bits, that no other one replaces: as good for the follower everywhere, and for the leader
    too or strictly better for the follower.  Comparing floats is exact."""
    no_less = (C[:, :, None] <= C[:, None, :]).all(axis=0)
    more = (C[:, :, None] < C[:, None, :]).all(axis=0)
    replaces = more | (no_less & (R[:, :, None] <= R[:, None, :]).all(axis=0))
    earlier = np.tri(len(replaces), k=-1, dtype=bool)
    needless = (replaces & (~replaces.T | earlier)).any(axis=1)
    return sum(1 << j for j in np.flatnonzero(~needless).tolist())


def _covered(region: NDArray[np.int64], boxes: NDArray[np.int64], steps: list[int]) -> bool:
    """Whether boxes (sets of replies as bits, one per type) cover a region; gives up, False, out of steps.

    A box that spans the region in all types but one takes its replies of that type away from the region;
    where no box does, split the region by the replies of the type in which most boxes are partial.
    """
    steps[0] -= 1
    if steps[0] < 0:
        return False
    region = region.copy()
    while True:
        boxes = boxes & region
        boxes = boxes[(boxes != 0).all(axis=1)]
        partial = boxes != region
        count = partial.sum(axis=1)
        if not len(boxes) or (count == 0).any():
            return len(boxes) > 0
        spanning = count == 1
        if not spanning.any():
            break
        for box, where in zip(boxes[spanning], partial[spanning].argmax(axis=1), strict=True):
            region[where] &= ~box[where]
        if (region == 0).any():
            return True
    split = int(partial.sum(axis=0).argmax())
    for j in range(62):
        if region[split] >> j & 1:
            part = region.copy()
            part[split] = 1 << j
            if not _covered(part, boxes, steps):
                return False
    return True


def _vertex_optimum(
    equalities: list[Any], inequalities: list[Any], objective: Vector, guess: NDArray[np.float64]
) -> tuple[Vector, dict[Any, Any]] | None:
    """Maximise over {g x = h, g x >= h}, bounded, from the vertex nearest to a float guess; None where empty.

    Phase 1 is a dual simplex for a zero objective, which every basis is dual feasible for; phase 2 a primal
    simplex.  Both follow Bland's rule, so both end; from a good guess they end after no pivot at all.
    """
    keys = [key for key, _, _ in equalities + inequalities]
    G = [g for _, g, _ in equalities + inequalities]
    h = [b for _, _, b in equalities + inequalities]
    fixed, rows = len(equalities), len(guess)
    basis = _nearest_basis(G, h, fixed, guess)
    if basis is None:
        return None
    others = fmpq_mat(G)
    while True:
        inverse = fmpq_mat([G[b] for b in basis]).inv()
        x = inverse * fmpq_mat([[h[b]] for b in basis])
        levels = others * x
        slack = [levels[r, 0] - h[r] for r in range(len(G))]
        if any(slack[r] != 0 for r in range(fixed)):
            return None
        violated = next((r for r in range(fixed, len(G)) if slack[r] < 0), None)
        if violated is not None:
            share = fmpq_mat([G[violated]]) * inverse
            leaving = [b for b in sorted(basis) if b >= fixed and share[0, basis.index(b)] > 0]
            if not leaving:
                return None
            basis[basis.index(leaving[0])] = violated
            continue
        prices = fmpq_mat([objective]) * inverse
        improving = [b for b in sorted(basis) if b >= fixed and prices[0, basis.index(b)] > 0]
        if not improving:
            multipliers = {keys[b]: -prices[0, k] for k, b in enumerate(basis)}
            return [x[i, 0] for i in range(rows)], multipliers
        position = basis.index(improving[0])
        speed = others * fmpq_mat([[inverse[i, position]] for i in range(rows)])
        blocking = [
            (slack[r] / -speed[r, 0], r) for r in range(fixed, len(G)) if r not in basis and speed[r, 0] < 0
        ]
        basis[position] = min(blocking)[1]


def _nearest_basis(G: list[Vector], h: Vector, fixed: int, guess: NDArray[np.float64]) -> list[int] | None:
    """Rows with independent coefficients: all equalities, then the tightest inequalities at the guess."""
    floats = np.array([[float(q) for q in row] for row in G])
    norms = np.maximum(np.linalg.norm(floats, axis=1), 1e-300)
    slack = (floats @ guess - [float(b) for b in h]) / norms
    order = [*range(fixed), *(fixed + np.argsort(slack[fixed:], kind="stable"))]
    directions: list[NDArray[np.float64]] = []
    basis: list[int] = []
    for r in order:
        rest = floats[r] / norms[r]
        for direction in directions * 2:  # twice: re-orthogonalisation keeps the rank decision sound
            rest = rest - (rest @ direction) * direction
        if (length := np.linalg.norm(rest)) > 1e-7:
            directions.append(rest / length)
            basis.append(int(r))
        if len(basis) == len(guess):
            return basis
    return None


def _exact(values: Any) -> Vector:
    return [fmpq(*float(v).as_integer_ratio()) for v in values]


def _dot(a: Vector, b: Vector) -> Any:
    return sum((p * q for p, q in zip(a, b, strict=True) if p and q), fmpq(0))


def _fraction(q: Any) -> Fraction:
    return Fraction(int(q.p), int(q.q))
