"""Adversarial games: small integers full of ties, duplicated actions, zero rows, ragged types, odd scales."""

import numpy as np
from hypothesis import strategies as st

import stackelberg as sb


@st.composite
def games(draw, leader_actions=(1, 4), follower_actions=(1, 4), types=(1, 4), ragged=True, most_profiles=120):
    m = draw(st.integers(*leader_actions))
    K = draw(st.integers(*types))
    counts = [draw(st.integers(*follower_actions)) for _ in range(K)]
    if not ragged:
        counts = [counts[0]] * K
    while np.prod(counts) > most_profiles:
        K, counts = K - 1, counts[:-1]
    high = draw(st.sampled_from([1, 2, 3, 100]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    leader = [rng.integers(-high, high + 1, (m, n)).astype(float) for n in counts]
    follower = [rng.integers(-high, high + 1, (m, n)).astype(float) for n in counts]
    l = draw(st.integers(0, K - 1))
    twist = draw(st.sampled_from(["none", "duplicate", "indifferent", "zero row", "copy type", "scale"]))
    if twist == "duplicate":
        leader[l][:, -1], follower[l][:, -1] = leader[l][:, 0], follower[l][:, 0]
    elif twist == "indifferent":
        follower[l][:] = draw(st.integers(-2, 2))
    elif twist == "zero row":
        leader[l][0], follower[l][0] = 0, 0
    elif twist == "copy type" and counts[0] == counts[l]:
        leader[l], follower[l] = leader[0].copy(), follower[0].copy()
    elif twist == "scale":
        follower[l] = follower[l] * draw(st.sampled_from([1e-6, 1e6])) + draw(st.sampled_from([0, 7]))
    weights = rng.integers(0, 4, K) + (np.arange(K) == 0)
    return sb.BayesianStackelbergGame(leader, follower, weights / weights.sum())
