"""The law of a new member integrates the spreads out, contains what is known, and covers what it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import halfnorm

from estimators.datasets import load_vlaf
from estimators.observations import Observations
from estimators.population import Spread, fit_population

members = st.lists(
    st.tuples(st.floats(-5, 5), st.floats(0.05, 2), st.sampled_from("abc")), min_size=3, max_size=9
)


def spread(rows, prior=(0.0, 3.0)):
    y, se, groups = (list(column) for column in zip(*rows))
    return Spread(np.array(y), np.diag(np.square(se)), groups, prior)


@settings(max_examples=15, deadline=None)
@given(members)
def test_a_new_member_is_less_certain_than_the_mean_of_its_group_and_centred_on_it(rows):
    law = spread(rows)
    for group in "abc":
        assert law.new(group).mean == pytest.approx(law.middle(group).mean, abs=1e-9)
        assert np.all(law.new(group).sds >= law.middle(group).sds - 1e-12)
        assert law.new(group).sd >= law.middle(group).sd - 1e-12


@settings(max_examples=15, deadline=None)
@given(members, st.randoms())
def test_the_order_and_the_names_of_members_and_groups_change_nothing(rows, random):
    shuffled = [(y, se, group.upper()) for y, se, group in rows]
    random.shuffle(shuffled)
    for group in "abc":
        one, two = spread(rows).new(group), spread(shuffled).new(group.upper())
        assert (one.mean, one.sd) == pytest.approx((two.mean, two.sd), abs=1e-8)


def test_the_interval_of_a_new_member_contains_that_of_the_mean():
    law = spread([(1.0, 0.3, "a"), (1.9, 0.2, "a"), (0.2, 0.4, "b"), (2.4, 0.3, "b")])
    for new, middle in ((law.new("a"), law.middle("a")), (law.new(), law.mean)):
        (low, high), (inner_low, inner_high) = new.interval(), middle.interval()
        assert low < inner_low < inner_high < high
        assert new.below(low) == pytest.approx(0.025, abs=1e-6)


def test_a_group_without_members_is_predicted_by_the_pooled_law():
    law = spread([(1.0, 0.3, "a"), (1.9, 0.2, "a"), (0.2, 0.4, "b"), (2.4, 0.3, "c")])
    unseen, pooled = law.new("d"), law.new()
    np.testing.assert_array_equal(unseen.means, pooled.means)
    np.testing.assert_array_equal(unseen.sds, pooled.sds)


def test_one_group_says_nothing_of_how_much_groups_differ():
    law = spread([(1.0, 0.2, "a"), (1.2, 0.2, "a"), (0.9, 0.2, "a"), (1.1, 0.2, "a")])
    assert law.spreads[0] == pytest.approx(law._grid[:, 0].mean(), rel=0.25)  # about its prior
    assert law.new().sd > 2 * law.new("a").sd


def test_a_member_without_a_variance_takes_no_part():
    rows = [(1.0, 0.3, "a"), (1.9, 0.2, "a"), (0.2, 0.4, "b")]
    with_one_more = spread([*rows, (9.0, np.inf, "b")])
    assert with_one_more.new("b").mean == pytest.approx(spread(rows).new("b").mean)


def test_single_members_against_the_two_integrals_of_the_textbook():
    y, s = np.array([0.3, 1.4, 2.2, -0.5, 1.0]), np.array([0.3, 0.5, 0.2, 0.4, 0.3])

    def given_tau(tau):
        """Density of y, and mean and variance of m, given τ (Gelman et al. 2013, equations 5.17 to 5.20)."""
        precision = 1 / (s**2 + tau**2)
        variance = 1 / (precision.sum() + 1 / 3.0**2)
        mean = variance * (precision @ y)
        log = 0.5 * (np.log(precision).sum() + np.log(variance) - precision @ y**2 + mean**2 / variance)
        return halfnorm.pdf(tau, scale=1.5) * np.exp(log), mean, variance + tau**2

    total, first, second = (
        quad(lambda tau, f=f: f(*given_tau(tau)), 0, 12, limit=200)[0]
        for f in (lambda p, m, v: p, lambda p, m, v: p * m, lambda p, m, v: p * (v + m**2))
    )
    new = spread(list(zip(y, s, "abcde"))).new()
    assert new.mean == pytest.approx(first / total, abs=0.005)
    assert new.sd == pytest.approx(np.sqrt(second / total - (first / total) ** 2), rel=0.01)


def test_the_interval_of_a_new_member_covers():
    rng = np.random.default_rng(3)
    inside = {0.5: 0, 0.95: 0}
    runs = 250
    groups = ["a"] * 4 + ["b"] * 4 + ["c"] * 3
    for _ in range(runs):
        middles = dict(zip("abc", rng.normal(1.0, 0.6, 3)))
        truth = np.array([middles[group] for group in groups]) + rng.normal(0, 0.7, len(groups))
        se = rng.uniform(0.1, 0.4, len(groups))
        law = Spread(rng.normal(truth, se), np.diag(se**2), groups, (0.0, 3.0)).new("b")
        new = rng.normal(middles["b"], 0.7)
        for level in inside:
            inside[level] += (1 - level) / 2 <= law.below(new) <= (1 + level) / 2
    for level, count in inside.items():
        assert abs(count / runs - level) < 3.3 * np.sqrt(level * (1 - level) / runs) + 0.01


def test_members_whose_errors_go_together_say_less_of_the_mean():
    y, se = np.array([0.2, 0.3, 0.25]), np.full(3, 0.1)
    apart = Spread(y, np.diag(se**2), ["a", "b", "c"], (0.0, 0.5))
    together = Spread(y, np.outer(se, se) * (0.2 * np.eye(3) + 0.8), ["a", "b", "c"], (0.0, 0.5))
    assert together.mean.sd > apart.mean.sd


def test_a_mixture_draws_what_it_says():
    law = spread([(1.0, 0.3, "a"), (1.9, 0.2, "a"), (0.2, 0.4, "b")]).new("a")
    drawn = law.draw(100_000, np.random.default_rng(0))
    assert drawn.mean() == pytest.approx(law.mean, abs=4 * law.sd / 300)
    assert np.quantile(drawn, 0.9) == pytest.approx(law.interval(0.8)[1], abs=0.05)
    assert np.mean(drawn < 0.5) == pytest.approx(law.below(0.5), abs=0.01)


def test_models_that_show_nothing_are_left_out_and_named():
    obs = load_vlaf()
    frame = obs.frame.copy()
    frame.loc[frame["model"] == "Qwen3-8B", "complied"] = 0
    people = fit_population(Observations(frame, obs.orientation))
    assert len(people.models) == 9
    assert [text.split(":")[0] for text in people.left_out] == ["Qwen3-8B"]
    few = Observations(
        frame[frame["model"].isin(["Qwen3-8B", "olmo2-32b"])].reset_index(drop=True), obs.orientation
    )
    with pytest.raises(ValueError, match=r"takes three models .* got 1"):
        fit_population(few)
