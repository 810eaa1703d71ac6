"""The bound that a proof of optimality claims, evaluated in rationals."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from flint import fmpq

from stackelberg.certify.coverage import covers, replies_that_matter
from stackelberg.certify.exact_game import ExactGame, Solution
from stackelberg.certify.rational import Vector, exact, fraction
from stackelberg.equilibrium import Proof


@dataclass(frozen=True)
class Cut:
    """A bound on what a type gives the leader, and the replies that it holds for, as bits."""

    type_index: int
    vector: Vector
    covered: int


def upper_bound(game: ExactGame, proof: Proof, incumbent: Solution) -> Fraction | None:
    """The proof's bound in rationals; None where its leaves do not cover every profile."""
    cuts = _repaired_cuts(game, proof)
    weights = _cut_weights(proof, cuts)
    if weights is None or not _leaves_cover(game, proof, cuts, weights):
        return None
    bounds = [incumbent.value]
    for leaf, row in enumerate(proof.replies.tolist()):
        if row != incumbent.replies:  # the incumbent's own program was solved exactly
            bounds.append(_leaf_bound(game, row, weights[leaf], cuts, *_multipliers(proof, leaf)))
    return max(bounds)


def _repaired_cuts(game: ExactGame, proof: Proof) -> list[Cut]:
    """Each cut, shifted up so that it dominates the replies that it claims to cover."""
    cuts = []
    for l, vector, table in zip(
        proof.cut_types.tolist(), proof.cut_vectors, proof.cut_multipliers, strict=True
    ):
        R, C, alpha = game.leader[l], game.follower[l], exact(vector)
        count = len(R)
        covered = [j for j in range(count) if np.isfinite(table[j, :count]).all()]
        shift = fmpq(0)
        for j in covered:
            mu = [(k, q) for k, q in enumerate(exact(np.maximum(table[j, :count], 0))) if q and k != j]
            for i in range(game.rows):
                least = game.prior[l] * R[j][i] + sum((q * (C[j][i] - C[k][i]) for k, q in mu), fmpq(0))
                shift = max(shift, least - alpha[i])
        cuts.append(Cut(l, [a + shift for a in alpha], sum(1 << j for j in covered)))
    return cuts


def _cut_weights(proof: Proof, cuts: list[Cut]) -> list[list[tuple[int, Any]]] | None:
    """Per leaf the cuts in use and their weights, one in total for each free type; None: one has none."""
    weights = []
    table = np.maximum(np.nan_to_num(proof.cut_weights), 0) if len(cuts) else None
    for leaf, row in enumerate(proof.replies):
        used: list[tuple[int, Any]] = []
        totals = {l: fmpq(0) for l in np.flatnonzero(row < 0).tolist()}
        chosen = [] if table is None else np.flatnonzero(table[leaf]).tolist()
        for c in chosen:
            if cuts[c].type_index in totals:
                weight = exact([table[leaf, c]])[0]  # type: ignore[index]
                totals[cuts[c].type_index] += weight
                used.append((c, weight))
        if any(total == 0 for total in totals.values()):
            return None
        weights.append([(c, weight / totals[cuts[c].type_index]) for c, weight in used])
    return weights


def _leaves_cover(
    game: ExactGame, proof: Proof, cuts: list[Cut], weights: list[list[tuple[int, Any]]]
) -> bool:
    """Whether every profile that matters lies in some leaf.

    Types with the same payoffs reply alike, best for the leader, so one profile entry stands for all of
    them; and a reply that another one replaces at every commitment need not be covered.
    """
    counts = game.game.follower_action_counts.tolist()
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
        R, C = game.game.payoffs(l)
        groups.setdefault((R.tobytes(), C.tobytes()), []).append(l)
    merged = np.stack([np.bitwise_and.reduce(boxes[:, g], axis=1) for g in groups.values()], axis=1)
    region = np.array([replies_that_matter(*game.game.payoffs(g[0])) for g in groups.values()])
    return covers(region, merged, [20_000])


def _multipliers(proof: Proof, leaf: int) -> tuple[list[Vector], Vector, Vector]:
    y = [exact(np.maximum(row, 0)) for row in np.nan_to_num(proof.reply_multipliers[leaf])]
    return y, exact(np.maximum(proof.ub_multipliers[leaf], 0)), exact(proof.eq_multipliers[leaf])


def _leaf_bound(
    game: ExactGame,
    replies: Sequence[int],
    used: list[tuple[int, Any]],
    cuts: list[Cut],
    y: list[Vector],
    z: Vector,
    w: Vector,
) -> Fraction:
    row = [fmpq(0)] * game.rows
    for c, weight in used:
        row = [r + weight * a for r, a in zip(row, cuts[c].vector, strict=True)]
    for l, j in enumerate(replies):
        if j < 0:
            continue
        R, C = game.leader[l], game.follower[l]
        own = sum(y[l][: len(C)], fmpq(0)) - y[l][j]
        weights = [-y[l][k] for k in range(len(C))]
        weights[j] = own
        terms = [(k, u) for k, u in enumerate(weights) if u]
        row = [
            r + game.prior[l] * R[j][i] + sum((u * C[k][i] for k, u in terms), fmpq(0))
            for i, r in enumerate(row)
        ]
    constant = fmpq(0)
    if (more := game.game.constraints) is not None:
        for multipliers, A, b in ((z, more.A_ub, more.b_ub), (w, more.A_eq, more.b_eq)):
            for u, coefficients, bound in zip(multipliers, A, b, strict=True):
                row = [r - u * a for r, a in zip(row, exact(coefficients), strict=True)]
                constant += u * exact([bound])[0]
    return fraction(max(row) + constant)
