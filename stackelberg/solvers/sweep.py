"""Kernels of the sweeps for two and three leader actions; :mod:`stackelberg.solvers.cells` says what they do.

Payoffs come scaled, per type l and reply j: ``C0, R0`` (follower, leader) at the start of a segment and
``C1, R1`` at its end, linear in between.
"""

import numpy as np
from numpy.typing import NDArray

from stackelberg.solvers.tiers import entry, inner

Floats = NDArray[np.float64]

TIE = 1e-11
"""Replies, slopes and points closer than this, in scaled payoffs, are the same."""


@inner
def replies_at(l: int, s: float, C0: Floats, C1: Floats, R0: Floats, R1: Floats) -> tuple[float, int]:
    """What type l's best replies at s give the leader at most, and one that is still best just after s.

    The former breaks ties for the leader; the latter is the steepest of the tied.
    """
    n = C0.shape[1]
    highest = -np.inf
    for j in range(n):
        highest = max(highest, C0[l, j] + s * (C1[l, j] - C0[l, j]))
    most = -np.inf
    steepest = -np.inf
    face = -1
    for j in range(n):
        slope = C1[l, j] - C0[l, j]
        if C0[l, j] + s * slope >= highest - TIE:
            most = max(most, R0[l, j] + s * (R1[l, j] - R0[l, j]))
            if slope > steepest:
                steepest = slope
                face = j
    return most, face


@inner
def face_end(l: int, s: float, face: int, C0: Floats, C1: Floats) -> tuple[float, bool]:
    """Where a steeper line overtakes the face, at most 1; and whether the face is one reply's alone."""
    slope = C1[l, face] - C0[l, face]
    end = 1.0
    others = 0
    for k in range(C0.shape[1]):
        steeper = C1[l, k] - C0[l, k] - slope
        below = C0[l, face] - C0[l, k]
        if steeper > TIE:
            end = min(end, below / steeper)
        elif k != face and steeper >= -TIE and below + s * -steeper <= TIE:
            others += 1
    return max(end, s), others == 0


@inner
def favourite_after(
    l: int, s: float, end: float, face: int, C0: Floats, C1: Floats, R0: Floats, R1: Floats
) -> tuple[int, float]:
    """Of the replies that share a face, the leader's favourite just after s, and until where it is."""
    n = C0.shape[1]
    largest = 0.0
    for j in range(n):
        largest = max(largest, max(abs(R0[l, j]), abs(R1[l, j])))
    leader_tie = TIE * largest  # payoffs carry the type's prior, which may be tiny
    middle = 0.5 * (s + end)
    level = C0[l, face] + middle * (C1[l, face] - C0[l, face])
    favourite = -1
    most = 0.0
    for j in range(n):
        if C0[l, j] + middle * (C1[l, j] - C0[l, j]) >= level - TIE:
            here = R0[l, j] + s * (R1[l, j] - R0[l, j])
            rises = favourite >= 0 and R1[l, j] - R0[l, j] > R1[l, favourite] - R0[l, favourite]
            if favourite < 0 or here > most + leader_tie or (here >= most - leader_tie and rises):
                favourite = j
                most = here
    until = end
    for j in range(n):
        if C0[l, j] + middle * (C1[l, j] - C0[l, j]) >= level - TIE:
            rise = (R1[l, j] - R0[l, j]) - (R1[l, favourite] - R0[l, favourite])
            if rise > leader_tie:
                until = min(until, (R0[l, favourite] - R0[l, j]) / rise)
    return favourite, until if until > s + TIE else end


@inner
def walk(l: int, C0: Floats, C1: Floats, R0: Floats, R1: Floats, events: Floats, count: int) -> int:
    """Append type l's breakpoints: place, jump, change of level and slope after it; returns the count."""
    s = 0.0
    level = 0.0
    slope = 0.0
    face = -1
    end = 0.0
    alone = True
    for _ in range(2 * C0.shape[1]):
        most, next_face = replies_at(l, s, C0, C1, R0, R1)
        events[0, count] = s
        events[1, count] = most - level - slope * s
        if s >= 1.0 - TIE:
            events[2, count] = 0.0
            events[3, count] = 0.0
            return count + 1
        if s >= end - TIE:
            face = next_face
            end, alone = face_end(l, s, face, C0, C1)
        favourite, until = face, end
        if not alone:
            favourite, until = favourite_after(l, s, end, face, C0, C1, R0, R1)
        rise = R1[l, favourite] - R0[l, favourite]
        events[2, count] = R0[l, favourite] - level
        events[3, count] = rise - slope
        level, slope, s = R0[l, favourite], rise, until
        count += 1
    return count


@inner
def sweep_segment(
    C0: Floats, C1: Floats, R0: Floats, R1: Floats, events: Floats, best: float
) -> tuple[float, float]:
    """Best value on a segment and its place, or ``(best, -1)`` where none beats ``best``.

    C0 and R0 are the payoffs (types, replies) at its start, C1 and R1 at its end.
    """
    count = 0
    for l in range(C0.shape[0]):
        count = walk(l, C0, C1, R0, R1, events, count)
    order = np.argsort(events[0, :count])
    level = 0.0
    slope = 0.0
    place = -1.0
    first = 0
    while first < count:
        s = events[0, order[first]]
        value = level + slope * s
        last = first
        while last < count and events[0, order[last]] <= s + TIE:
            value += events[1, order[last]]
            last += 1
        if value > best:
            best = value
            place = s
        for e in range(first, last):
            level += events[2, order[e]]
            slope += events[3, order[e]]
        first = last
    return best, place


@entry
def sweep_pair(C0: Floats, C1: Floats, R0: Floats, R1: Floats) -> tuple[float, float]:
    """Two leader actions: best value and place on the segment between two commitments."""
    return sweep_segment(C0, C1, R0, R1, np.empty((4, C0.size * 2)), -np.inf)


@inner
def unit_of_ties(C: Floats, g: int, l: int) -> float:
    """Largest stake of a type between two replies, with a floor: ``response.payoff_scale``."""
    widest = 0.0
    largest = 0.0
    for i in range(C.shape[2]):
        low = C[g, l, i, 0]
        high = low
        for j in range(C.shape[3]):
            low = min(low, C[g, l, i, j])
            high = max(high, C[g, l, i, j])
        widest = max(widest, high - low)
        largest = max(largest, max(high, -low))
    return max(widest, 1e-5 * largest)


@entry
def sweep_games(
    R: Floats, C: Floats, prior: Floats, first: int, last: int, strategy: Floats, units: Floats
) -> None:
    """Best commitments of games ``first`` to ``last - 1``, and the units of their types' ties, in place.

    Payoffs are (games, types, 2, replies), units (games, types).
    """
    _, K, _, n = R.shape
    C0, C1, R0, R1 = np.empty((K, n)), np.empty((K, n)), np.empty((K, n)), np.empty((K, n))
    events = np.empty((4, 2 * K * n))
    for g in range(first, last):
        largest = 0.0
        for l in range(K):
            for i in range(2):
                for j in range(n):
                    largest = max(largest, abs(R[g, l, i, j]))
        for l in range(K):
            weight = prior[g, l] / largest if largest > 0.0 else 0.0
            units[g, l] = unit_of_ties(C, g, l)
            unit = units[g, l] if units[g, l] > 0.0 else 1.0
            for j in range(n):
                C0[l, j] = (C[g, l, 0, j] - C[g, l, 0, 0]) / unit
                C1[l, j] = (C[g, l, 1, j] - C[g, l, 1, 0]) / unit
                R0[l, j] = weight * R[g, l, 0, j]
                R1[l, j] = weight * R[g, l, 1, j]
        _, place = sweep_segment(C0, C1, R0, R1, events, -np.inf)
        strategy[g, 0] = 1.0 - place
        strategy[g, 1] = place


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
def at_point(A: Floats, x: Floats, out: Floats) -> None:
    """Payoffs (types, replies) at a commitment."""
    for l in range(A.shape[0]):
        for j in range(A.shape[1]):
            out[l, j] = A[l, j, 0] * x[0] + A[l, j, 1] * x[1] + A[l, j, 2] * x[2]


@entry
def sweep_lines(
    D: Floats, V: Floats, corners: Floats, first: int, last: int, best: float, x: Floats
) -> tuple[float, int]:
    """Three leader actions: sweep the lines of types first to last - 1, and the polygon's sides as type -1.

    D and V are (types, replies, 3).  Returns the best value, its commitment in x, and the segments swept.
    """
    K, n, _ = D.shape
    C0, C1, R0, R1 = np.empty((K, n)), np.empty((K, n)), np.empty((K, n)), np.empty((K, n))
    events = np.empty((4, 2 * K * n))
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
                at_point(D, P, C0)
                at_point(D, Q, C1)
                at_point(V, P, R0)
                at_point(V, Q, R1)
                segments += 1
                best, place = sweep_segment(C0, C1, R0, R1, events, best)
                if place >= 0.0:
                    for i in range(3):
                        x[i] = P[i] + place * (Q[i] - P[i])
    return best, segments
