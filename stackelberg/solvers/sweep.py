"""Kernels of the sweeps for two and three leader actions; :mod:`stackelberg.solvers.cells` says what they do.

A segment of commitments is :math:`x(s) = P + s (Q - P)`.  A type has one line per reply j for each player:
``c0[j] + s dc[j]`` is the follower's payoff, scaled, and ``r0[j] + s dr[j]`` the leader's, prior included.

**Without sorting everything.**  The value is the sum over types of linear pieces, plus, at a breakpoint, what
tied replies give beyond them (its *jump*, never negative).  :func:`best_of_events` throws breakpoints into
equal buckets; running sums give the value at the buckets' borders, and on a bucket it can exceed those at its
ends by at most its jumps and its rises in slope.  Only buckets whose bound beats the best value are sorted.
Breakpoints closer than the tolerance count as one; those as close to a border have both its buckets sorted.
"""

import numpy as np
from numpy.typing import NDArray

from stackelberg.solvers.kernels import entry, inner
from stackelberg.solvers.settle import unit_of_ties

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TIE = 1e-11
"""Replies, slopes and points closer than this, in scaled payoffs, are the same."""
IN_BUCKET = 16
"""Breakpoints per bucket, about."""
PLACE, JUMP, LEVEL, SLOPE = 0, 1, 2, 3  # rows of ``events``: where, jump there, change of the piece after it
START, END = 0, 1  # of ``total``, besides LEVEL and SLOPE: the value at both ends
FORESEEN, SORTED = (
    0,
    1,
)  # of ``buckets``, besides LEVEL and SLOPE: most that events add, whether to look inside


@inner
def replies_at(s: float, c0: Floats, dc: Floats, r0: Floats, dr: Floats, at: Floats) -> tuple[float, int]:
    """What a type's best replies at s give the leader at most, and one that is still best just after s.

    The former breaks ties for the leader; the latter is the steepest of the tied.
    """
    n = c0.size
    highest = -np.inf
    for j in range(n):
        at[j] = c0[j] + s * dc[j]
        highest = max(highest, at[j])
    most = -np.inf
    steepest = -np.inf
    face = -1
    for j in range(n):
        if at[j] >= highest - TIE:
            most = max(most, r0[j] + s * dr[j])
            if dc[j] > steepest:
                steepest = dc[j]
                face = j
    return most, face


@inner
def face_end(s: float, face: int, c0: Floats, dc: Floats) -> tuple[float, bool]:
    """Where a steeper line overtakes the face, at most 1; and whether the face is one reply's alone."""
    end = 1.0
    others = 0
    for k in range(c0.size):
        steeper = dc[k] - dc[face]
        below = c0[face] - c0[k]
        if steeper > TIE:
            end = min(end, below / steeper)
        elif k != face and steeper >= -TIE and below - s * steeper <= TIE:
            others += 1
    return max(end, s), others == 0


@inner
def favourite_after(
    s: float, end: float, face: int, c0: Floats, dc: Floats, r0: Floats, dr: Floats
) -> tuple[int, float]:
    """Of the replies that share a face, the leader's favourite just after s, and until where it is."""
    n = c0.size
    largest = 0.0
    for j in range(n):
        largest = max(largest, max(abs(r0[j]), abs(r0[j] + dr[j])))
    leader_tie = TIE * largest  # payoffs carry the type's prior, which may be tiny
    middle = 0.5 * (s + end)
    level = c0[face] + middle * dc[face]
    favourite = -1
    most = 0.0
    for j in range(n):
        if c0[j] + middle * dc[j] >= level - TIE:
            here = r0[j] + s * dr[j]
            rises = favourite >= 0 and dr[j] > dr[favourite]
            if favourite < 0 or here > most + leader_tie or (here >= most - leader_tie and rises):
                favourite = j
                most = here
    until = end
    for j in range(n):
        if c0[j] + middle * dc[j] >= level - TIE:
            rise = dr[j] - dr[favourite]
            if rise > leader_tie:
                until = min(until, (r0[favourite] - r0[j]) / rise)
    return favourite, until if until > s + TIE else end


@inner
def walk(
    c0: Floats, dc: Floats, r0: Floats, dr: Floats, at: Floats, events: Floats, count: int, total: Floats
) -> int:
    """Follow one type along the segment: its ends go to ``total``, its breakpoints to ``events``."""
    most, face = replies_at(0.0, c0, dc, r0, dr, at)
    end, alone = face_end(0.0, face, c0, dc)
    favourite, s = face, end
    if not alone:
        favourite, s = favourite_after(0.0, end, face, c0, dc, r0, dr)
    level, slope = r0[favourite], dr[favourite]
    total[START] += most
    total[LEVEL] += level
    total[SLOPE] += slope
    for _ in range(2 * c0.size):
        if s >= 1.0 - TIE:
            break
        most, next_face = replies_at(s, c0, dc, r0, dr, at)
        if s >= end - TIE:
            face = next_face
            end, alone = face_end(s, face, c0, dc)
        favourite, until = face, end
        if not alone:
            favourite, until = favourite_after(s, end, face, c0, dc, r0, dr)
        events[PLACE, count] = s
        events[JUMP, count] = max(most - level - slope * s, 0.0)
        events[LEVEL, count] = r0[favourite] - level
        events[SLOPE, count] = dr[favourite] - slope
        level, slope, s = r0[favourite], dr[favourite], until
        count += 1
    most, _ = replies_at(1.0, c0, dc, r0, dr, at)
    total[END] += most
    return count


@inner
def fill_buckets(events: Floats, count: int, buckets: Floats, size: int) -> None:
    """Sum the events of each of ``size`` buckets, and mark those with an event at a border."""
    for b in range(size):
        for row in range(4):
            buckets[row, b] = 0.0
    width = 1.0 / size
    for e in range(count):
        b = min(int(events[PLACE, e] * size), size - 1)
        buckets[LEVEL, b] += events[LEVEL, e]
        buckets[SLOPE, b] += events[SLOPE, e]
        buckets[FORESEEN, b] += events[JUMP, e] + max(events[SLOPE, e], 0.0) * width
        if events[PLACE, e] - b * width <= TIE and b > 0:
            buckets[SORTED, b - 1] = 1.0
            buckets[SORTED, b] = 1.0
        elif (b + 1) * width - events[PLACE, e] <= TIE and b + 1 < size:
            buckets[SORTED, b] = 1.0
            buckets[SORTED, b + 1] = 1.0


@inner
def best_border(total: Floats, best: float, buckets: Floats, size: int) -> tuple[float, float]:
    """Best value at the borders, and its place; buckets then hold level and slope at their starts."""
    place = -1.0
    if total[START] > best:
        best, place = total[START], 0.0
    if total[END] > best:
        best, place = total[END], 1.0
    level, slope = total[LEVEL], total[SLOPE]
    for b in range(size):
        value = level + slope * b / size
        if value > best:
            best, place = value, b / size
        change, rise = buckets[LEVEL, b], buckets[SLOPE, b]
        buckets[LEVEL, b], buckets[SLOPE, b] = level, slope
        level += change
        slope += rise
    return best, place


@inner
def best_of_events(
    events: Floats, count: int, total: Floats, best: float, buckets: Floats, picked: Ints
) -> tuple[float, float]:
    """Best value on the segment and its place, or ``(best, -1)`` where none beats ``best``."""
    size = 1
    while size * IN_BUCKET < count and 2 * size <= buckets.shape[1]:
        size *= 2
    fill_buckets(events, count, buckets, size)
    best, place = best_border(total, best, buckets, size)
    for b in range(size):
        level, slope = buckets[LEVEL, b], buckets[SLOPE, b]
        bound = max(level + slope * b / size, level + slope * (b + 1) / size) + buckets[FORESEEN, b]
        if bound > best:
            buckets[SORTED, b] = 1.0
    found = 0
    for e in range(count):
        if buckets[SORTED, min(int(events[PLACE, e] * size), size - 1)] > 0.0:
            picked[found] = e
            found += 1
    places = np.empty(found)
    for k in range(found):
        places[k] = events[PLACE, picked[k]]
    order = np.argsort(places)
    level, slope = 0.0, 0.0
    bucket = -1
    first = 0
    while first < found:
        s = places[order[first]]
        b = min(int(s * size), size - 1)
        if b != bucket:
            level, slope = buckets[LEVEL, b], buckets[SLOPE, b]
        value = level + slope * s
        last = first
        while last < found and places[order[last]] <= s + TIE:
            e = picked[order[last]]
            value += events[JUMP, e]
            level += events[LEVEL, e]
            slope += events[SLOPE, e]
            last += 1
        bucket = min(int(places[order[last - 1]] * size), size - 1)
        if value > best:
            best, place = value, s
        first = last
    return best, place


@inner
def bucket_count(K: int, n: int) -> int:
    """Columns of ``buckets`` for K types of n replies."""
    return 1 + K * n // IN_BUCKET


@entry
def sweep_games(
    R: Floats,
    C: Floats,
    prior: Floats,
    low: float,
    high: float,
    first: int,
    last: int,
    strategy: Floats,
    units: Floats,
) -> None:
    """Two leader actions: best (1 - s, s), s from low to high, for games ``first`` to ``last - 1``.

    Payoffs are (games, types, 2, replies); the units of the types' ties (games, types) are filled too.
    """
    _, K, _, n = R.shape
    c0, dc, r0, dr, at = np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    events, buckets, total = np.empty((4, 2 * K * n)), np.empty((4, bucket_count(K, n))), np.empty(4)
    picked = np.empty(2 * K * n, np.int64)
    for g in range(first, last):
        count = 0
        for row in range(4):
            total[row] = 0.0
        for l in range(K):
            units[g, l] = unit_of_ties(C, g, l)
            factor = 1.0 / units[g, l] if units[g, l] > 0.0 else 1.0
            weight = prior[g, l]
            for j in range(n):
                at_0 = factor * (C[g, l, 0, j] - C[g, l, 0, 0])
                at_1 = factor * (C[g, l, 1, j] - C[g, l, 1, 0])
                c0[j] = at_0 + low * (at_1 - at_0)
                dc[j] = (high - low) * (at_1 - at_0)
                r0[j] = weight * (R[g, l, 0, j] + low * (R[g, l, 1, j] - R[g, l, 0, j]))
                dr[j] = weight * (high - low) * (R[g, l, 1, j] - R[g, l, 0, j])
            count = walk(c0, dc, r0, dr, at, events, count, total)
        _, place = best_of_events(events, count, total, -np.inf, buckets, picked)
        strategy[g, 1] = low + place * (high - low)
        strategy[g, 0] = 1.0 - strategy[g, 1]


@inner
def ends_of_line(d: Floats, corners: Floats, P: Floats, Q: Floats) -> bool:
    """Where the line d x = 0 crosses the polygon, into P and Q; False where it misses or only touches it."""
    found = 0
    count = corners.shape[0]
    for a in range(count):
        b = (a + 1) % count
        at_a = d[0] * corners[a, 0] + d[1] * corners[a, 1] + d[2] * corners[a, 2]
        at_b = d[0] * corners[b, 0] + d[1] * corners[b, 1] + d[2] * corners[b, 2]
        if abs(at_a) <= 1e-13:
            share = 0.0
        elif abs(at_b) > 1e-13 and at_a * at_b < 0.0:
            share = at_a / (at_a - at_b)
        else:
            continue
        for i in range(3):
            point = corners[a, i] + share * (corners[b, i] - corners[a, i])
            if found == 0:
                P[i] = point
            else:
                Q[i] = point
        found += 1
        if found == 2:
            return True
    return False


@inner
def clip_to_best(l: int, j: int, D: Floats, P: Floats, Q: Floats) -> bool:
    """Cut the segment P Q to where reply j is best for type l; False where it nowhere is."""
    low = 0.0
    high = 1.0
    for k in range(D.shape[1]):
        at_P = 0.0
        at_Q = 0.0
        for i in range(3):
            at_P += (D[l, j, i] - D[l, k, i]) * P[i]
            at_Q += (D[l, j, i] - D[l, k, i]) * Q[i]
        if at_P < -TIE and at_Q < -TIE:
            return False
        if at_P < -TIE:
            low = max(low, at_P / (at_P - max(at_Q, 0.0)))
        elif at_Q < -TIE:
            high = min(high, max(at_P, 0.0) / (max(at_P, 0.0) - at_Q))
    if low > high + TIE:
        return False
    for i in range(3):
        p = P[i]
        P[i] = p + low * (Q[i] - p)
        Q[i] = p + high * (Q[i] - p)
    return True


@inner
def lines_between(A: Floats, l: int, P: Floats, Q: Floats, a0: Floats, da: Floats) -> None:
    """A type's payoffs (types, replies, 3) on the segment from P to Q."""
    for j in range(a0.size):
        at_P = A[l, j, 0] * P[0] + A[l, j, 1] * P[1] + A[l, j, 2] * P[2]
        at_Q = A[l, j, 0] * Q[0] + A[l, j, 1] * Q[1] + A[l, j, 2] * Q[2]
        a0[j] = at_P
        da[j] = at_Q - at_P


@entry
def sweep_lines(
    D: Floats, V: Floats, corners: Floats, first: int, last: int, best: float, x: Floats
) -> tuple[float, int]:
    """Three leader actions: sweep the lines of types first to last - 1, and the polygon's sides as type -1.

    D and V are (types, replies, 3).  Returns the best value, its commitment in x, and the segments swept.
    """
    K, n, _ = D.shape
    c0, dc, r0, dr, at = np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    events, buckets, total = np.empty((4, 2 * K * n)), np.empty((4, bucket_count(K, n))), np.empty(4)
    picked = np.empty(2 * K * n, np.int64)
    P, Q, d = np.empty(3), np.empty(3), np.empty(3)
    sides = corners.shape[0]
    segments = 0
    for l in range(first, last):
        for j in range(sides if l < 0 else n):
            for k in range(1 if l < 0 else j):
                if l < 0:
                    for i in range(3):
                        P[i] = corners[j, i]
                        Q[i] = corners[(j + 1) % sides, i]
                else:
                    for i in range(3):
                        d[i] = D[l, j, i] - D[l, k, i]
                    if max(abs(d[0]), max(abs(d[1]), abs(d[2]))) <= 1e-13:
                        continue
                    if not ends_of_line(d, corners, P, Q) or not clip_to_best(l, j, D, P, Q):
                        continue
                segments += 1
                count = 0
                for row in range(4):
                    total[row] = 0.0
                for q in range(K):
                    lines_between(D, q, P, Q, c0, dc)
                    lines_between(V, q, P, Q, r0, dr)
                    count = walk(c0, dc, r0, dr, at, events, count, total)
                best, place = best_of_events(events, count, total, best, buckets, picked)
                if place >= 0.0:
                    for i in range(3):
                        x[i] = P[i] + place * (Q[i] - P[i])
    return best, segments
