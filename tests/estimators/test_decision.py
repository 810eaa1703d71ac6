"""From draws to a commitment: the same belief value as the game's, better than plug-in, and what an arm is worth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

import estimators as est
from estimators.choice_likelihood import ChoiceForm, Situations, simulate
from estimators.count_cells import count_cells
from estimators.decision import belief_value, decide, faking_share_under, value_of_arm
from estimators.law_draws import LawDraws, law_draws
from estimators.policy import Assumptions, advice
from estimators.shares import LawCells, faking_share
from stackelberg.faking import CuePolicy, FakingGame, FollowerType, LeaderCosts, envelope


def plain(preference, incentive, prior=None, follower="best reply", outcomes=None):
    v, K = np.atleast_2d(preference).astype(float), np.atleast_2d(incentive).astype(float)
    p = np.full(v.shape, 1 / v.shape[1]) if prior is None else np.atleast_2d(prior)
    return LawDraws(p, v, K, follower, LawCells(p[0], v.mean(axis=0), K.mean(axis=0)), outcomes)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_belief_value_is_that_of_the_game_ties_included(data):
    number = st.integers(-6, 6).map(lambda x: x / 4)
    size = data.draw(st.integers(1, 5))
    v, K = (np.array(data.draw(st.lists(number, min_size=size, max_size=size))) for _ in range(2))
    costs = LeaderCosts(
        deploy_harm=data.draw(number), train_disagreement=data.draw(number), refusal_value=0.25
    )
    types = [
        FollowerType(name=str(j), prior=1 / size, preference=v[j], goal_guarding=K[j]) for j in range(size)
    ]
    game = FakingGame(types=types, cues=CuePolicy.free(), costs=costs)
    beliefs = np.union1d(envelope.knots(game), np.linspace(0, 1, 9))
    ours = belief_value(np.full(size, 1 / size), v, K, beliefs, "best reply", costs)
    np.testing.assert_allclose(ours, envelope.belief_value(game, beliefs), atol=1e-12)
    logit = belief_value(np.full(size, 1 / size), v, K, beliefs, "logit", costs)
    np.testing.assert_allclose(logit, envelope.logit_belief_value(game, beliefs), atol=1e-12)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(0.05, 1.2), min_size=2, max_size=12), st.floats(0.01, 0.8), st.floats(0.1, 1))
def test_no_commitment_on_a_grid_is_better_on_average_and_regret_is_not_negative(thresholds, cost, budget):
    laws = plain(np.array(thresholds)[:, None], np.ones((len(thresholds), 1)))
    given_ = Assumptions(budget=budget, costs=LeaderCosts(monitoring_cost=cost))
    best = decide(laws, given_)
    assert best.regret >= -1e-12
    assert best.value >= best.plug_in_value - 1e-12
    for q in np.linspace(0, budget, 41):
        opaque = -cost * q - (1 - q) * np.mean(q < np.array(thresholds) - 1e-12)
        assert best.value >= opaque - 1e-9


def test_plug_in_deterrence_fails_in_half_of_the_draws_and_the_posterior_mean_seldom():
    """THEORY 2.3 (v), one strategic type with β* ~ N(.45, .05²)."""
    threshold = np.random.default_rng(0).normal(0.45, 0.05, 2000)
    laws = plain(threshold[:, None], np.ones((2000, 1)))
    best = decide(laws, Assumptions(budget=1.0, costs=LeaderCosts(monitoring_cost=0.05)))
    assert best.plug_in_failure_probability == pytest.approx(0.5, abs=0.03)
    assert best.failure_probability < 0.05
    assert best.monitoring > 0.5
    assert best.value > best.plug_in_value + 0.1


def test_one_certain_law_gives_back_the_advice_of_the_policy_and_no_regret():
    fit = est.StructuralPayoffs(incentives="one", bootstrap=0).fit_cells(
        count_cells([[10, 10]] * 6, [[9, 2], [10, 5], [8, 1], [5, 0], [2, 0], [9, 6]])
    )
    for follower in ("best reply", "logit"):
        laws = law_draws(fit, 1, follower=follower, count=64)
        single = LawDraws(*(np.array(part)[None] for part in laws.plug_in), follower, laws.plug_in, None)
        best = decide(single, Assumptions(budget=0.4))
        monitoring, value = advice(fit.law_, Assumptions(budget=0.4), logit=follower == "logit")
        assert (best.monitoring, best.value) == (pytest.approx(monitoring), pytest.approx(value, abs=1e-4))
        assert best.regret == pytest.approx(0, abs=1e-9)


def choice_fit(prompts, seed=1):
    """Two arms; compliers, refusers and a strategic type at β* = .45."""
    beliefs = (0.9, 0.5, 0.1)
    n = np.tile([[10, 0, 10], [0, 10, 10]], (prompts // 2, 1))
    form, told = ChoiceForm(("complier", "refuser", "strategic"), 3), Situations.at(beliefs)
    x = np.array([0.8, -0.2, 2.6, -2.9, np.log(6.0), 0.45, np.log(20.0)])
    k = simulate(np.random.default_rng(seed), x, n, form, told)
    return est.CommitmentChoice().fit_cells(count_cells(n, k, told.belief), told)


class TestFromFits:
    def test_faking_share_under_new_beliefs_is_that_of_the_law(self):
        group = next(
            g for labels, g in est.datasets.load_vlaf().groups("model") if labels["model"] == "olmo2-32b"
        )
        fit = est.StructuralPayoffs(incentives="one", bootstrap=0).fit(group)
        table = faking_share_under(law_draws(fit, 200, count=128), [1.0, 0.6], [0.0, 0.2])
        exact = faking_share(fit.law_, np.array([1.0, 0.6]), np.array([0.0, 0.2]))
        np.testing.assert_allclose(table["share"], exact, atol=0.02)
        low, high = fit.faking_share_interval(np.array([1.0, 0.6]), np.array([0.0, 0.2]))
        np.testing.assert_allclose(table[["low", "high"]], np.column_stack([low, high]), atol=0.03)

    def test_probabilities_of_an_arms_outcomes_are_those_of_simulated_counts(self):
        fit = choice_fit(400)
        laws = law_draws(fit, 3)
        chance = np.exp(laws.log_outcomes(np.array([0.8, 0.3]), 4))
        np.testing.assert_allclose(chance.sum(axis=1), 1)
        x = fit.draws_[0]
        drawn = simulate(
            np.random.default_rng(0), x, np.full((40_000, 2), 4), fit.form_, Situations.at([0.8, 0.3])
        )
        order = {row: i for i, row in enumerate(itertools.product(range(5), repeat=2))}
        seen = np.bincount([order[tuple(row)] for row in drawn.tolist()], minlength=25) / 40_000
        np.testing.assert_allclose(seen, chance[0], atol=0.01)

    def test_structural_outcomes_sum_to_one_and_have_the_laws_rate(self):
        fit = est.StructuralPayoffs(incentives="one", bootstrap=0).fit_cells(
            count_cells([[10, 10]] * 6, [[9, 2], [10, 5], [8, 1], [5, 0], [2, 0], [9, 6]])
        )
        chance = np.exp(law_draws(fit, 4).log_outcomes(np.array([0.7]), 5))
        np.testing.assert_allclose(chance.sum(axis=1), 1, atol=1e-9)
        mu, sigma, deltas, _ = fit.fits_["one"].candidate.unpack(fit.draws_[0])
        z = np.random.default_rng(0).standard_normal(200_000)
        rate = expit(mu + sigma * z + 0.7 * deltas[0]).mean()
        assert chance[0] @ np.arange(6) / 5 == pytest.approx(rate, abs=5e-3)

    def test_an_arm_is_worth_something_but_not_more_than_knowing_the_law(self):
        """A broad law of β*: counts between its limits are worth more than counts far from them, or than few."""
        laws = law_draws(choice_fit(60), 300)
        given_ = Assumptions(budget=1.0, costs=LeaderCosts(monitoring_cost=0.6))
        near = value_of_arm(laws, [0.5, 0.35], prompts=150, samples=6, assumptions=given_, simulations=600)
        far = value_of_arm(laws, [1.0, 0.98], prompts=20, samples=2, assumptions=given_, simulations=600)
        row, other = near.iloc[0], far.iloc[0]
        assert row["evsi"] > 3 * row["evsi_se"] > 0
        assert row["evsi"] <= row["regret"] + 3 * row["evsi_se"]
        assert row["evsi"] > other["evsi"]
        assert 1 <= row["effective_draws"] <= 150

    def test_an_arm_that_tells_nothing_is_worth_nothing(self):
        laws = plain(np.random.default_rng(0).uniform(0.2, 0.8, (100, 1)), np.ones((100, 1)))
        blind = LawDraws(
            laws.prior, laws.preference, laws.incentive, "best reply", laws.plug_in,
            lambda beliefs, samples: np.log(np.full((100, 3), 1 / 3)),
        )  # fmt: skip
        row = value_of_arm(blind, [0.5], prompts=50, samples=2, simulations=200).iloc[0]
        assert row["evsi"] == 0.0
        assert row["effective_draws"] == pytest.approx(50)

    @pytest.mark.parametrize(
        ("arm", "message"),
        [
            ({"beliefs": []}, "give beliefs"),
            ({"beliefs": [1.2]}, "give beliefs"),
            ({"beliefs": [0.5], "prompts": 0}, "at least one prompt"),
            ({"beliefs": [0.1, 0.2, 0.3, 0.4], "samples": 20}, "too many outcomes"),
        ],
    )
    def test_impossible_arms_are_refused(self, arm, message):
        with pytest.raises(ValueError, match=message):
            value_of_arm(plain([0.5], [1.0]), **({"prompts": 10, "samples": 2} | arm))

    def test_a_cue_sharpness_has_no_envelope(self):
        n = np.tile([[10, 10, 10, 10]], (60, 1))
        told = Situations.at([0.9, 0.7, 0.5, 0.1])
        form = ChoiceForm(("complier", "refuser", "strategic"), 4, sharpness=True)
        x = np.array([0.8, -0.2, 2.6, -2.9, np.log(6.0), 0.45, 0.0, np.log(20.0)])
        cells = count_cells(n, simulate(np.random.default_rng(3), x, n, form, told), told.belief)
        with pytest.raises(ValueError, match="not Bayesian"):
            law_draws(est.CommitmentChoice(sharpness=True).fit_cells(cells, told))
