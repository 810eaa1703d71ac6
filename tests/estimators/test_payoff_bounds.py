"""Bounds of an indifference belief: exact replies, least slack against a linear program, coverage, misspecification."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from estimators.choice_likelihood import ChoiceForm, Situations, simulate
from estimators.count_cells import count_cells
from estimators.payoff_bounds import PayoffBounds, least_slack, reply_bounds, sign_bounds, sign_p_value

BELIEFS = [0.9, 0.7, 0.5, 0.3, 0.1]


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-0.5, 1.5),
    st.sampled_from([1.0, -1.0]),
    st.lists(st.floats(0, 1), min_size=1, max_size=8, unique=True),
)
def test_replies_of_any_payoffs_bound_their_threshold_with_its_nearest_beliefs(threshold, sign, beliefs):
    gain = sign * (np.array(beliefs) - threshold)
    bounds = reply_bounds(beliefs, gain, incentive=sign)
    assert bounds.consistent
    assert bounds.holds(threshold)
    assert not any(bounds.low < b < bounds.high and b != threshold for b in beliefs)


def test_replies_that_no_payoffs_explain_are_inconsistent():
    assert not reply_bounds([0.9, 0.1], [-1, 1]).consistent
    assert reply_bounds([0.9, 0.1], [-1, 1], incentive=-1.0).consistent


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=6))
def test_least_slack_is_the_optimum_of_the_linear_programs(rows):
    """Variables K, v and a slack per belief and reply; one program per sign of K and v."""
    beliefs = np.array([b / 20 for b, _, _ in rows])
    n = np.array([m for _, m, _ in rows])
    agreed = np.minimum([k for _, _, k in rows], n)
    found = least_slack(beliefs, n, agreed).set_index("incentive")["slack"]
    size = len(rows)
    for name, sign in (("positive", 1.0), ("negative", -1.0)):
        values = []
        for preference in (1.0, -1.0):
            cost = np.concatenate([[0, 0], agreed, n - agreed])
            complies = np.hstack(
                [-beliefs[:, None], np.ones((size, 1)), -np.eye(size), np.zeros((size, size))]
            )
            refuses = np.hstack(
                [beliefs[:, None], -np.ones((size, 1)), np.zeros((size, size)), -np.eye(size)]
            )
            bounds = [(0, 1) if s > 0 else (-1, 0) for s in (sign, preference)] + [(0, None)] * (2 * size)
            unit = [[sign, preference, *[0] * (2 * size)]]
            done = linprog(cost, np.vstack([complies, refuses]), np.zeros(2 * size), unit, [1.0], bounds)
            values.append(done.fun)
        assert found[name] == pytest.approx(min(values), abs=1e-9)


def test_least_slack_without_noise_is_the_interval_of_the_replies():
    row = least_slack(BELIEFS, [4] * 5, [4, 4, 4, 0, 0]).iloc[0]
    assert (row["slack"], row["low"], row["high"]) == (0.0, pytest.approx(0.3), pytest.approx(0.5))


def test_p_value_of_the_signs_is_small_only_where_one_contradicts():
    logit, se = np.array([2.0, 1.0, 0.1, -1.0, -2.0]), np.full(5, 0.2)
    assert sign_p_value(BELIEFS, logit, se, 0.45, 0.05) == 1.0
    assert sign_p_value(BELIEFS, logit, se, 0.8, 0.01) < 0.01
    assert sign_bounds(BELIEFS, logit, se).holds(0.45)


def mixture(seed, logits, prompts=200, n=10):
    """Compliers, refusers and a type with these logits at `BELIEFS`, all beliefs to every prompt."""
    form = ChoiceForm(("complier", "refuser", "free"), 5)
    x = np.array([0.8, -0.2, 2.6, -2.9, *logits, np.log(20.0)])
    told = Situations.at(BELIEFS)
    samples = np.full((prompts, 5), n)
    return count_cells(
        samples, simulate(np.random.default_rng(seed), x, samples, form, told), told.belief
    ), told


def test_the_interval_covers_and_the_tests_keep_their_size():
    """β* = .45 under logit payoffs: 40 data sets, the interval at 95 %, both tests at 5 %."""
    runs, holds, sign_rejects, rejects = 40, 0, 0, 0
    for seed in range(runs):
        bounds = PayoffBounds().fit_cells(*mixture(seed, 6 * (np.array(BELIEFS) - 0.45)))
        row = bounds.table.iloc[0]
        holds += row["low"] <= 0.45 <= row["high"]
        sign_rejects += row["sign_p"] < 0.05
        rejects += bounds.p_value < 0.05
    assert holds >= 36  # at least .95 of 40, less one and a half standard deviations
    assert sign_rejects <= 3
    assert 0 < rejects <= 6
    assert row["high"] - row["low"] <= 0.4


def test_replies_that_do_not_rise_with_the_belief_are_found_out():
    bounds = PayoffBounds().fit_cells(*mixture(1, [-1.0, 2.0, 1.0, -1.0, -2.0]))
    assert bounds.p_value < 1e-6
    assert bounds.table["sign_p"].iloc[0] < 0.01
    assert bounds.degrees == 3


def test_without_a_strategic_type_there_is_nothing_to_bound():
    with pytest.raises(ValueError, match="no strategic or reverse type"):
        PayoffBounds(["refuser"]).fit_cells(*mixture(0, [0.0] * 5))
