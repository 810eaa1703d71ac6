"""Laws of the preference and incentives that vary or are graded: the likelihood, what follows from a law, its cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import binom, norm

from estimators.count_cells import count_cells
from estimators.preference import cell_means, distribution, mean_below
from estimators.shares import (
    PreferenceLaw,
    agreement_rate,
    cells,
    decisive_share,
    faking_share,
    mirror_share,
    simulate_agreed,
)
from estimators.strategic_cells import strategic_cells
from estimators.structural import NOT_DETECTED, StructuralPayoffs
from estimators.structural_fit import fit_all
from estimators.structural_likelihood import (
    GRADED,
    ONE,
    TWO,
    VARYING,
    ZERO_AND_ONE,
    log_likelihood,
    log_probabilities,
    quadrature,
)

POINTS = {
    VARYING: [-1.0, 0.4, 1.3, -0.3],
    GRADED: [-1.0, 0.4, 1.3, 0.5],
    replace(TWO, preference="logistic"): [-1.0, 0.4, -0.5, 2.0, -0.7],
    replace(GRADED, preference="logistic"): [0.5, -0.4, 1.3, -0.6],
}
LABELS = [f"{c.name}, {c.preference}" for c in POINTS]


def uneven(seed=0):
    """Three contexts, unequal n, some missing, beliefs that differ by prompt."""
    rng = np.random.default_rng(seed)
    n = rng.integers(0, 12, (12, 3))
    return count_cells(n, rng.binomial(n, 0.4), rng.choice([0.0, 0.3, 0.8, 1.0], (12, 3)))


def simulated(law, seed, prompts=92, n=10):
    rng = np.random.default_rng(seed)
    counts = np.full((prompts, 2), n)
    return count_cells(counts, simulate_agreed(rng, law, counts, [1.0, 0.0]))


laws = st.builds(
    lambda mu, sigma, delta, share, preference, ratio: PreferenceLaw(
        mu, sigma, [delta, 1.5], [share, 1 - share], preference, ratio
    ),
    st.floats(-3, 3),
    st.floats(0.3, 3),
    st.floats(-3, 3).filter(lambda d: abs(d) > 0.05),
    st.floats(0.05, 0.95),
    st.sampled_from(["normal", "logistic"]),
    st.floats(0.3, 3),
)


class TestLikelihood:
    @pytest.mark.parametrize("candidate", POINTS, ids=LABELS)
    def test_equals_adaptive_integration_of_the_model_as_written(self, candidate):
        data, x = uneven(), np.array(POINTS[candidate])
        mu, sigma, deltas, shares = candidate.unpack(x)
        ratio, law = float(candidate.ratio(x)), distribution(candidate.preference)

        def cell(n, k, beliefs):
            def integrand(z):
                base = mu + sigma * z * (1 + beliefs * (ratio - 1))
                eta = base + np.multiply.outer(deltas, beliefs)
                return law.pdf(z) * (shares @ np.prod(binom.pmf(k, n, expit(eta)), axis=1))

            return quad(integrand, -25, 25, epsabs=0, epsrel=1e-10, limit=400, points=[-3, 0, 3])[0]

        rows = zip(data.n, data.k, data.beliefs, data.weights, strict=True)
        expected = sum(w * np.log(cell(n, k, b)) for n, k, b, w in rows)
        assert log_likelihood(x, data, candidate)[0] == pytest.approx(expected, abs=1e-7)

    @pytest.mark.parametrize("candidate", POINTS, ids=LABELS)
    def test_gradient_and_hessian_match_finite_differences(self, candidate):
        x = np.array(POINTS[candidate])
        for data in (uneven(1), simulated(PreferenceLaw(-1.0, 1.5, [1.0], [1.0]), 3)):
            nodes = quadrature(-1.0, 3.0, np.array([-3.0, 3.0]), 36.0, preference=candidate.preference)
            _, gradient, hessian = log_likelihood(x, data, candidate, nodes)
            ends = [
                [log_likelihood(x + s * e, data, candidate, nodes) for s in (1, -1)]
                for e in 1e-5 * np.eye(len(x))
            ]
            by_value = np.array([up[0] - down[0] for up, down in ends]) / 2e-5
            by_gradient = np.array([up[1] - down[1] for up, down in ends]) / 2e-5
            np.testing.assert_allclose(gradient, by_value, rtol=1e-5, atol=1e-5 * np.abs(gradient).max())
            np.testing.assert_allclose(hessian, by_gradient, rtol=1e-5, atol=1e-5 * np.abs(hessian).max())

    def test_the_nodes_of_a_varying_incentive_integrate_it(self):
        # Train counts alone see N(μ + δ, σ² + ω²): one random intercept with the two variances added.
        n, k = np.tile([10, 0], (11, 1)), np.column_stack([np.arange(11), np.zeros(11, int)])
        alone = count_cells(n, k)
        for omega in (0.3, 1.0, 2.5):
            both = np.array([-1.0, np.log(0.8), 1.3, np.log(omega)])
            one = np.array([0.3, 0.5 * np.log(0.8**2 + omega**2), 0.0])
            np.testing.assert_allclose(
                log_probabilities(both, alone, VARYING), log_probabilities(one, alone, ONE), atol=5e-6
            )

    def test_wider_candidates_contain_one_incentive(self):
        data = simulated(PreferenceLaw(-1.0, 1.5, [1.0], [1.0]), 1)
        one = np.array([-1.0, 0.4, 0.8])
        value = log_likelihood(one, data, ONE)[0]
        assert log_likelihood(np.append(one, 0.0), data, GRADED)[0] == pytest.approx(value, abs=1e-9)
        assert log_likelihood(np.append(one, -5.0), data, VARYING)[0] == pytest.approx(value, abs=0.01)
        fits = fit_all(data, [GRADED, VARYING])
        assert min(fits[c.name].log_likelihood for c in (GRADED, VARYING)) > fits["one"].log_likelihood - 1e-6

    @pytest.mark.parametrize(
        "candidate", [GRADED, replace(ONE, preference="logistic")], ids=["graded", "logistic"]
    )
    def test_refining_the_rule_moves_nothing(self, candidate):
        rng = np.random.default_rng(0)
        for _ in range(60):
            x = rng.uniform([-6, np.log(0.05), -4, -1.5], [6, np.log(5), 4, 1.5])[: candidate.parameters]
            n = rng.choice([1, 5, 10, 30], size=2)
            data = count_cells(np.tile(n, (20, 1)), rng.binomial(n, rng.random((20, 2))))
            sigma, ratio = np.exp(x[1]), float(candidate.ratio(x))
            nodes = quadrature(
                x[0],
                sigma * max(1, ratio),
                np.array([0.0, x[2]]),
                n.sum(),
                3.0,
                candidate.preference,
                sigma * min(1, ratio),
            )
            value = log_likelihood(x, data, candidate)[0]
            assert log_likelihood(x, data, candidate, nodes)[0] == pytest.approx(value, abs=1e-7)


class TestLaw:
    @given(laws)
    @settings(max_examples=20, deadline=None)
    def test_shares_and_rates_are_those_of_simulated_prompts(self, law):
        rng = np.random.default_rng(0)
        prompts = 40_000
        z = distribution(law.preference).rvs(prompts, random_state=rng)
        types = rng.choice(2, size=prompts, p=law.shares)
        deploy = law.mu + law.sigma * z
        train = deploy + law.deltas[types] + (law.ratio - 1) * law.sigma * z
        expected = {
            faking_share: (train > 0) & (deploy < 0),
            mirror_share: (train < 0) & (deploy > 0),
            decisive_share: (expit(train) >= 0.8) & (expit(deploy) <= 0.2),
        }
        for share, happened in expected.items():
            assert float(share(law)) == pytest.approx(happened.mean(), abs=0.011)
        rates = agreement_rate(law, [1.0, 0.0])
        np.testing.assert_allclose(rates, [expit(train).mean(), expit(deploy).mean()], atol=0.011)
        n = np.full((prompts, 2), 5)
        drawn = simulate_agreed(rng, law, n, [1.0, 0.0]) / 5
        np.testing.assert_allclose(drawn.mean(axis=0), rates, atol=0.011)

    @pytest.mark.parametrize("preference", ["normal", "logistic"])
    def test_cells_have_the_moments_of_the_law(self, preference):
        means = cell_means(preference, 4000)
        assert means.mean() == pytest.approx(0, abs=1e-9)
        assert np.mean(means**2) == pytest.approx(1, abs=2e-3)
        for limit in (-2.0, 0.3, 4.0):
            law = distribution(preference)
            below = quad(lambda z, f=law: z * f.pdf(z), -40, limit, limit=200, points=[-5, 0])[0] / law.cdf(
                limit
            )
            assert mean_below(preference, limit) == pytest.approx(below, abs=1e-6)

    @given(laws)
    @settings(max_examples=40, deadline=None)
    def test_strategic_cells_hold_the_faking_and_the_mirror_share(self, law):
        cut = strategic_cells(law, 16)
        assert cut.prior.sum() == pytest.approx(1)
        trains, deploys = cut.incentive - cut.preference, -cut.preference
        edge = 1e-9
        faked = cut.prior[(trains > -edge) & (deploys < -edge)].sum()
        # A cell at the edge of the faking region stands at indifference, hence the tolerance of one cell.
        near = cut.prior[(np.abs(trains) <= edge) | (np.abs(deploys) <= edge)].sum()
        assert faked == pytest.approx(float(faking_share(law)), abs=near + 1e-9)
        equal = cells(law, 8)
        assert equal.prior.sum() == pytest.approx(1)

    @pytest.mark.parametrize(
        ("wrong", "message"), [({"preference": "cauchy"}, "choose one"), ({"ratio": 0.0}, "ratio")]
    )
    def test_impossible_laws_are_named(self, wrong, message):
        with pytest.raises(ValueError, match=message):
            PreferenceLaw(0.0, 1.0, [1.0], [1.0], **wrong)


class TestEstimator:
    def test_a_graded_incentive_is_found_and_reported(self):
        law = PreferenceLaw(-1.0, 1.5, [1.5], [1.0], "normal", 2.0)
        fit = StructuralPayoffs(bootstrap=39).fit_cells(simulated(law, 5, prompts=300))
        assert fit.chosen_ == "graded"
        ratio = fit.summary.set_index("parameter").loc["ratio"]
        assert ratio["low"] < 2.0 < ratio["high"]
        assert fit.law_.ratio == pytest.approx(ratio["estimate"])
        assert fit.verdict_ != NOT_DETECTED

    def test_a_varying_incentive_reports_its_spread_and_is_tested(self):
        law = PreferenceLaw(0.0, 1.0, list(2 + 2 * norm.ppf((np.arange(40) + 0.5) / 40)), [1 / 40] * 40)
        fit = StructuralPayoffs(incentives="varying", bootstrap=19).fit_cells(simulated(law, 5, prompts=200))
        table = fit.summary.set_index("parameter")
        assert table.loc["omega", "low"] < 2.0 < table.loc["omega", "high"]
        assert abs(table.loc["delta", "estimate"] - 2.0) < 3 * table.loc["delta", "se"]
        assert fit.p_value_types_ == 0.05
        assert fit.delta_one_type_ < table.loc["delta", "estimate"]  # one δ for all is drawn towards zero

    def test_a_heavier_tailed_law_where_the_preferences_have_one(self):
        law = PreferenceLaw(0.0, 3.0, [1.5], [1.0], "logistic")
        data = simulated(law, 2, prompts=2000, n=20)
        fits = [
            StructuralPayoffs(incentives="one", preference=p, bootstrap=0).fit_cells(data)
            for p in ("normal", "logistic")
        ]
        assert fits[1].log_likelihood_ > fits[0].log_likelihood_ + 1
        sigma = fits[1].summary.set_index("parameter").loc["sigma"]
        assert sigma["low"] < 3.0 < sigma["high"]

    def test_candidates_are_tested_by_name(self):
        assert ZERO_AND_ONE.parameter_names == ("mu", "log_sigma", "delta_2", "log_odds_share_2")
        with pytest.raises(ValueError, match="preference"):
            StructuralPayoffs(preference="cauchy").fit_cells(count_cells([[3, 3]], [[1, 1]]))


def test_draws_and_plans_of_a_graded_fit_keep_its_ratio():
    from estimators.law_draws import law_draws
    from estimators.planning import law_bound
    from estimators.simulate import Design

    law = PreferenceLaw(-1.0, 1.5, [1.5], [1.0], "normal", 2.0)
    fit = StructuralPayoffs(incentives="graded", bootstrap=0).fit_cells(simulated(law, 5, prompts=300))
    laws = law_draws(fit, draws=3, follower="logit")
    beliefs = np.array([1.0, 0.0])
    outcomes = np.exp(laws.log_outcomes(beliefs, 2)).reshape(3, 3, 3)
    np.testing.assert_allclose(outcomes.sum(axis=(1, 2)), 1, atol=1e-6)
    drawn = fit.fits_["graded"].law_at(fit.draws_[0])
    np.testing.assert_allclose(outcomes[0].sum(axis=1) @ [0, 0.5, 1], agreement_rate(drawn, 1.0), atol=1e-6)
    bound = law_bound(law)(Design.regular(300, 10))
    assert bound["ratio"] == pytest.approx(fit.summary.set_index("parameter").loc["ratio", "se"], rel=0.4)
