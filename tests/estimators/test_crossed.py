"""Crossed prompt effects and pooling: exact derivatives, recovery, and what a new model may borrow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from estimators import crossed
from estimators.count_cells import count_cells
from estimators.crossed import factor_posterior, fit_crossed, fit_on_known_prompts
from estimators.pooling import draw_new_model, forecast, likelihood_of_draws, pool

BELIEFS = [1.0, 0.0]
TRUTH = np.array(
    [
        [-1, 1.5, np.log(0.6), 1.5, 0],
        [-2, 1.0, np.log(0.8), 0.5, 0.3],
        [0, 2.0, np.log(0.5), 2, -0.3],
        [-1, 1, 0, 1, 0],
    ]
)


def simulated(seed, prompts=200, truth=TRUTH, n=10):
    rng = np.random.default_rng(seed)
    f = rng.normal(size=prompts)
    mu, loading, log_sigma, delta, log_ratio = truth.T[..., None]
    own = loading * f + np.exp(log_sigma) * rng.normal(size=(len(truth), prompts))
    eta = np.stack([mu + delta + np.exp(log_ratio) * own, mu + own], axis=-1)
    counts = np.full(eta.shape, n)
    return f, counts, rng.binomial(counts, expit(eta))


class TestCrossed:
    @pytest.mark.parametrize("graded", [False, True])
    def test_gradient_and_hessian_match_finite_differences(self, graded):
        _, n, k = simulated(0, 40)
        parts = [count_cells(n[m], k[m], BELIEFS) for m in range(3)]
        prior = np.broadcast_to(crossed.LOG_PRIOR, (40, len(crossed.FACTOR)))
        x = TRUTH[:3] * ([1, 1, 1, 1, 1] if graded else [1, 1, 1, 1, 0]) + [0.1, 0.1, 0, 0, 0.1 * graded]
        free = np.flatnonzero(np.tile([1, 1, 1, 1, graded], 3))
        _, gradient, hessian = crossed.log_likelihood(x, parts, prior, graded)
        for i in free:
            move = np.zeros(15)
            move[i] = 1e-5
            up, down = (
                crossed.log_likelihood(x + s * move.reshape(3, 5), parts, prior, graded) for s in (1, -1)
            )
            assert gradient[i] == pytest.approx((up[0] - down[0]) / 2e-5, abs=1e-5 * np.abs(gradient).max())
            slope = (up[1] - down[1])[free] / 2e-5
            np.testing.assert_allclose(hessian[i, free], slope, atol=1e-5 * np.abs(hessian).max())

    def test_recovers_models_and_factor(self):
        f, n, k = simulated(1, 400)
        fit = fit_crossed(n, k, BELIEFS, list("abcd"), graded=True)
        assert fit.converged
        assert fit.gradient_norm < 1e-3
        se = np.sqrt(np.diag(fit.covariance)).reshape(4, 5)
        assert np.all(np.abs(fit.parameters - TRUTH) < 4 * se)
        assert np.mean(np.abs(fit.parameters - TRUTH) < 1.96 * se) > 0.8
        assert np.corrcoef(fit.factor @ crossed.FACTOR, f)[0, 1] > 0.9
        assert fit.log_likelihood > fit.separate + 100
        table = fit.table().set_index(["model", "parameter"])
        share = table.loc[("a", "explained")]
        assert share["low"] < 1.5**2 / (1.5**2 + 0.6**2) < share["high"]

    def test_models_that_share_nothing_gain_nothing(self):
        truth = TRUTH.copy()
        truth[:, 1], truth[:, 4] = 0.0, 0.0
        _, n, k = simulated(2, 150, truth)
        fit = fit_crossed(n, k, BELIEFS)
        assert -1e-3 < fit.log_likelihood - fit.separate < 9  # twice that is χ² with at most 4 degrees

    def test_finer_nodes_of_the_factor_change_nothing(self, monkeypatch):
        _, n, k = simulated(3, 60)
        parts = [count_cells(n[m], k[m], BELIEFS) for m in range(4)]

        def value():
            prior = np.broadcast_to(crossed.LOG_PRIOR, (60, len(crossed.FACTOR)))
            return crossed.log_likelihood(TRUTH, parts, prior, True)[0]

        coarse = value()
        finer = np.linspace(-5.0, 5.0, 161)
        monkeypatch.setattr(crossed, "FACTOR", finer)
        monkeypatch.setattr(crossed, "LOG_PRIOR", -0.5 * finer**2 - 0.5 * np.log(2 * np.pi) + np.log(0.0625))
        assert value() == pytest.approx(coarse, abs=1e-3)

    def test_absent_prompts_say_nothing_of_the_factor(self):
        _, n, k = simulated(4, 30)
        n[:, 5:], k[:, 5:] = 0, 0
        posterior = factor_posterior(TRUTH, n, k, BELIEFS)
        prior = np.exp(crossed.LOG_PRIOR) / np.exp(crossed.LOG_PRIOR).sum()
        np.testing.assert_allclose(posterior[5:], np.tile(prior, (25, 1)), atol=1e-12)
        assert np.abs(posterior[:5] - prior).max() > 0.05

    def test_too_few_models_are_refused(self):
        with pytest.raises(ValueError, match="three models"):
            fit_crossed(np.full((2, 4, 2), 3), np.ones((2, 4, 2), int), BELIEFS)


class TestNewModel:
    def test_others_answers_make_the_fit_sharper_and_the_forecast_better(self):
        _, n, k = simulated(5, 300)
        theirs = fit_crossed(n[:3], k[:3], BELIEFS, graded=True)
        own = fit_on_known_prompts(n[3], k[3], BELIEFS, theirs.factor)
        assert own.converged
        assert own.x[1] == pytest.approx(1.0, abs=0.3)
        nobody = np.tile(np.exp(crossed.LOG_PRIOR) * 1.0, (300, 1))
        known = forecast(own.x[None], np.zeros(1), 10, 0.0, theirs.factor)
        blind = forecast(own.x[None], np.zeros(1), 10, 0.0, nobody)
        np.testing.assert_allclose(known.sum(axis=1), 1)
        rows = np.arange(300)
        assert np.mean(np.log(known[rows, k[3, :, 1]]) - np.log(blind[rows, k[3, :, 1]])) > 0.1

    def test_counts_reweight_the_draws_towards_the_truth(self):
        rng = np.random.default_rng(0)
        truth = np.tile(TRUTH[3], (8, 1)) + rng.normal(size=(8, 5)) * [1, 0.2, 0.1, 0.5, 0]
        _, n, k = simulated(6, 80, truth)
        theirs = fit_crossed(n[:7], k[:7], BELIEFS)
        draws = draw_new_model(theirs, ["x"] * 7, "x", 300, rng)
        log_weights = likelihood_of_draws(draws, n[7, :20], k[7, :20], BELIEFS, theirs.factor[:20])
        weights = np.exp(log_weights - log_weights.max())
        mean = weights @ draws[:, 0] / weights.sum()
        assert abs(mean - truth[7, 0]) < 0.8
        assert abs(mean - truth[7, 0]) < draws[:, 0].std()


class TestPool:
    @given(st.lists(st.floats(-3, 3), min_size=4, max_size=9), st.floats(-5, 5))
    @settings(max_examples=10, deadline=None)
    def test_moving_every_estimate_moves_every_answer(self, values, shift):
        families = ["a" if i % 2 else "b" for i in range(len(values))]
        here, there = (pool(np.array(values) + s, np.full(len(values), 0.4), families) for s in (0.0, shift))
        assert there.mean == pytest.approx(here.mean + shift, abs=1e-2)
        np.testing.assert_allclose(there.estimates, here.estimates + shift, atol=1e-2)

    def test_between_no_pooling_and_full_pooling(self):
        apart = pool([0.0, 10.0, -10.0, 5.0], [0.01] * 4, list("abcd"))
        np.testing.assert_allclose(apart.estimates, [0, 10, -10, 5], atol=0.01)
        same = pool([1.0, 1.1, 0.9, 1.0], [1.0] * 4, ["a"] * 4)
        np.testing.assert_allclose(same.estimates, 1.0, atol=0.02)
        assert same.between_models < 0.05
        assert same.mean_se == pytest.approx(0.5, abs=0.02)

    def test_intervals_of_a_new_model_cover(self):
        rng, hits = np.random.default_rng(0), 0
        for _ in range(100):
            families = rng.normal(0, 1.0, 6)
            theta = np.repeat(families, 4) + rng.normal(0, 0.5, 24)
            seen = theta + rng.normal(0, 0.3, 24)
            pooled = pool(seen[:-1], np.full(23, 0.3), [str(g) for g in np.repeat(np.arange(6), 4)][:-1])
            mean, sd = pooled.families["5"]
            hits += abs(theta[-1] - mean) < 1.96 * sd
        assert 88 <= hits <= 99

    def test_a_model_without_standard_error_takes_its_familys_value(self):
        pooled = pool([1.0, 1.0, 1.1, 5.0, 9.0], [0.1, 0.1, 0.1, 0.1, np.nan], ["a", "a", "a", "b", "b"])
        assert pooled.estimates[4] == pytest.approx(pooled.families["b"][0])
        with pytest.raises(ValueError, match="three models"):
            pool([1.0, 2.0], [0.1, 0.1], ["a", "b"])
        assert pooled.table(list("vwxyz"))["name"].tolist() == [*"vwxyz", "all"]
