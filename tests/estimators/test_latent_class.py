"""Latent classes: likelihood against scipy, recovery at its bound, and a faker class only where counts ask for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logit
from scipy.stats import betabinom, binom

from estimators.count_cells import count_cells, pair_cells
from estimators.datasets import load_gemini, load_vlaf
from estimators.latent_class import LatentClasses
from estimators.latent_class_bootstrap import BootstrapTest, best_without_faker
from estimators.latent_class_errors import covariance, expected_cells
from estimators.latent_class_fit import fit_classes
from estimators.latent_class_law import ClassLaw
from estimators.latent_class_likelihood import Groups, log_likelihood
from estimators.latent_class_recovery import ClassRecovery
from estimators.newton import EstimationWarning
from estimators.observations import Observations
from estimators.shares import PreferenceLaw, simulate_agreed
from estimators.simulate import Design, cramer_rao, recover

# The design of THEORY 2.3 (ii): compliers, fakers, refusers.
SHARES = np.array([0.25, 0.20, 0.55])
RATES = np.array([[0.93, 0.92], [0.85, 0.12], [0.05, 0.04]])
PHI = 20.0


def simulated(seed, prompts=500, n=10, shares=SHARES, rates=RATES, phi=PHI):
    rng = np.random.default_rng(seed)
    p = rates[rng.choice(len(shares), size=prompts, p=shares)]
    own = p if np.isinf(phi) else rng.beta(p * phi, (1 - p) * phi)
    return count_cells(np.full((prompts, 2), n), rng.binomial(n, own))


def parameters(shares=SHARES, rates=RATES, phi=PHI):
    tail = [] if np.isinf(phi) else [np.log(phi)]
    return np.concatenate([np.log(shares[1:] / shares[0]), logit(rates).ravel(), tail])


def uneven():
    rng = np.random.default_rng(3)
    n = rng.integers(0, 15, (25, 2))
    return count_cells(n, rng.binomial(n, rng.random((25, 2))))


class TestLikelihood:
    @pytest.mark.parametrize("phi", [0.7, 20.0, 900.0, np.inf])
    def test_equals_the_mixture_of_scipys_laws(self, phi):
        data = uneven()
        by_class = []
        for share, p in zip(SHARES, RATES):
            law = binom(data.n, p) if np.isinf(phi) else betabinom(data.n, p * phi, (1 - p) * phi)
            by_class.append(share * np.prod(law.pmf(data.k), axis=1))
        expected = data.weights @ np.log(np.sum(by_class, axis=0))
        assert log_likelihood(parameters(phi=phi), data, 3)[0] == pytest.approx(expected, abs=1e-8)

    @pytest.mark.parametrize("classes", [1, 2, 3])
    @pytest.mark.parametrize("phi", [0.7, 20.0, np.inf])
    def test_gradient_and_hessian_match_finite_differences(self, phi, classes):
        data = uneven()
        share = SHARES[:classes] / SHARES[:classes].sum()
        x = parameters(share, RATES[:classes] * 0.8 + 0.1, phi)
        _, gradient, hessian = log_likelihood(x, data, classes)
        ends = [[log_likelihood(x + s * e, data, classes) for s in (1, -1)] for e in 1e-5 * np.eye(len(x))]
        by_value = np.array([up[0] - down[0] for up, down in ends]) / 2e-5
        by_gradient = np.array([up[1] - down[1] for up, down in ends]) / 2e-5
        np.testing.assert_allclose(gradient, by_value, rtol=1e-5, atol=1e-5 * np.abs(gradient).max())
        np.testing.assert_allclose(hessian, by_gradient, rtol=1e-5, atol=1e-5 * np.abs(hessian).max())

    def test_large_phi_is_the_binomial(self):
        data = uneven()
        near = log_likelihood(parameters(phi=1e7), data, 3)[0]
        assert near == pytest.approx(log_likelihood(parameters(phi=np.inf), data, 3)[0], abs=1e-3)

    def test_prompts_without_samples_and_the_order_of_rows_do_not_matter(self):
        data, x = uneven(), parameters()
        whole = log_likelihood(x, data, 3)[0]
        order = np.random.default_rng(0).permutation(len(data.k))
        n, k = np.vstack([data.n[order], [[0, 0]]]), np.vstack([data.k[order], [[0, 0]]])
        shuffled = count_cells(n, k, weights=np.append(data.weights[order], 3))
        assert log_likelihood(x, shuffled, 3)[0] == pytest.approx(whole, abs=1e-9)
        doubled = count_cells(data.n, data.k, weights=2 * data.weights)
        assert log_likelihood(x, doubled, 3)[0] == pytest.approx(2 * whole)


counts = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12)


class TestFit:
    def test_recovers_the_three_classes(self):
        fit = LatentClasses(bootstrap=39).fit_cells(simulated(0))
        assert fit.n_classes_ == 3
        table = fit.class_table_.set_index("class")
        assert table.index.tolist() == ["complier", "faker", "refuser"]
        assert np.all(np.abs(table["share"] - SHARES) < 3.5 * table["share_se"])
        for s, context in enumerate(("p_train", "p_deploy")):
            assert np.all(np.abs(table[context] - RATES[:, s]) < 3.5 * table[f"{context}_se"])
        assert table["share_se"].max() < 0.03
        low, high = fit.faker_share_interval_
        assert low < fit.faker_share_ < high
        assert fit.faker_reason_ == ""
        assert fit.bic_without_faker_ - fit.bic_ > 50
        summary = fit.summary.set_index("parameter")
        assert summary.loc["share[faker]", "estimate"] == fit.faker_share_
        assert summary.loc["share[faker]", ["low", "high"]].tolist() == pytest.approx([low, high])
        assert summary.loc["phi", "low"] < PHI < summary.loc["phi", "high"]

    def test_starting_from_the_truth_wins_nothing(self):
        for seed in range(5):
            data = simulated(seed)
            fit = fit_classes(data, 3, "beta-binomial", 10, np.random.default_rng(0))
            assert log_likelihood(parameters(), data, 3)[0] < fit.log_likelihood
            assert fit.converged
            assert fit.gradient_norm < 1e-3

    @given(counts)
    @settings(max_examples=20, deadline=None)
    def test_more_classes_are_never_worse(self, rows):
        fit = LatentClasses(max_classes=3).fit_cells(count_cells(np.full((len(rows), 2), 5), rows))
        # A class that adds nothing has no share at the bound of its odds, e⁻¹²: hence the tolerance.
        assert np.all(np.diff([f.log_likelihood for f in fit.fits_.values()]) > -1e-2)
        assert fit.bic_ == pytest.approx(min(f.bic for f in fit.fits_.values() if f.identified))

    def test_binomial_counts_put_phi_at_its_bound_and_say_so(self):
        fit = LatentClasses(bootstrap=0).fit_cells(simulated(1, phi=np.inf))
        assert fit.phi_at_bound_
        assert "log_phi" in fit.message_
        assert fit.icc_ < 0.002
        assert fit.n_classes_ == 3
        binomial = LatentClasses(family="binomial", bootstrap=0).fit_cells(simulated(1, phi=np.inf))
        assert (binomial.n_classes_, binomial.phi_, binomial.icc_) == (3, np.inf, 0.0)
        assert "phi" not in binomial.summary["parameter"].tolist()

    def test_turning_the_contexts_turns_fakers_into_the_reverse(self):
        data = simulated(0)
        fit = LatentClasses().fit_cells(count_cells(data.n[:, ::-1], data.k[:, ::-1], weights=data.weights))
        assert sorted(fit.class_table_["class"]) == ["complier", "refuser", "reverse"]
        assert np.isnan(fit.faker_share_)

    def test_orientation_comes_from_the_observations(self):
        obs = next(obs for labels, obs in load_vlaf().groups("model") if labels["model"] == "olmo2-32b")
        agree = LatentClasses(max_classes=2).fit(obs)
        refuse = LatentClasses(max_classes=2).fit(Observations(obs.frame, "complied-is-disagreement"))
        assert refuse.log_likelihood_ == pytest.approx(agree.log_likelihood_, abs=1e-6)
        np.testing.assert_allclose(
            refuse.class_table_["p_train"], 1 - agree.class_table_["p_train"][::-1], atol=1e-4
        )

    def test_largest_class_carries_the_odds(self):
        fit = fit_classes(simulated(0), 3, "beta-binomial", 10, np.random.default_rng(0))
        assert np.all(np.diff(fit.shares) < 0)

    def test_same_seed_same_fit_and_parameters_are_kept(self):
        first, second = (
            LatentClasses(3, seed=7, starts=4, bootstrap=19).fit_cells(simulated(2)) for _ in range(2)
        )
        np.testing.assert_array_equal(first.fits_[3].parameters, second.fits_[3].parameters)
        assert first.get_params() == second.get_params()
        assert (first.get_params()["classes"], first.n_classes_) == (3, 3)

    def test_summary_says_what_may_be_claimed(self, capsys):
        LatentClasses(bootstrap=39).fit_cells(simulated(0)).print_summary()
        assert "faker share 0.1" in capsys.readouterr().out
        LatentClasses().fit_cells(simulated(0, shares=np.array([0.4, 0.0, 0.6]))).print_summary()
        assert "no faker share: no class" in capsys.readouterr().out


class TestFakerGate:
    def test_a_faker_by_a_hair_is_not_reported(self):
        # A class at (.52, .48) is named a faker; a fit that keeps it to one side of ½ costs nothing.
        data = simulated(
            5, prompts=200, shares=np.array([0.5, 0.5]), rates=np.array([[0.52, 0.48], [0.05, 0.05]])
        )
        fit = LatentClasses(2).fit_cells(data)
        if fit.fits_[2].fakers.any():
            assert np.isnan(fit.faker_share_)
            assert "BIC does not ask" in fit.faker_reason_
        assert fit.bic_without_faker_ <= fit.bic_ + 1e-6

    def test_the_rival_has_no_faker_and_is_a_maximum_of_its_side(self):
        data = simulated(0)
        fit = fit_classes(data, 3, "beta-binomial", 10, np.random.default_rng(0))
        rival = best_without_faker([fit], data, "beta-binomial").bic
        # A cruder search over the same side, p_T of the faker fixed at ½, finds nothing better.
        x = fit.parameters.copy()
        j = int(np.flatnonzero(fit.fakers)[0])
        x[2 + 2 * j] = 0.0
        assert rival <= -2 * log_likelihood(x, data, 3)[0] + (len(x) - 1) * np.log(500)
        assert rival > fit.bic

    @pytest.mark.parametrize(("mu", "sigma"), [(-1.0, 0.8), (0.0, 2.0)])
    def test_no_incentive_no_faker(self, mu, sigma):
        law, n = PreferenceLaw(mu, sigma, [0.0], [1.0]), np.full((92, 2), 10)
        rng = np.random.default_rng(5)
        fits = [
            LatentClasses().fit_cells(count_cells(n, simulate_agreed(rng, law, n, [1.0, 0.0])))
            for _ in range(15)
        ]
        assert all(np.isnan(fit.faker_share_) for fit in fits)

    def test_one_sample_a_context_cannot_tell_classes_apart(self):
        # THEORY theorem 1 (ii): (1, 1) samples identify no mixture.
        obs = next(
            obs for labels, obs in load_gemini().groups("setting") if labels["setting"] == "headline_run1"
        )
        fit = LatentClasses().fit(obs)
        assert fit.n_classes_ == 1
        assert not fit.fits_[2].identified
        with pytest.warns(EstimationWarning, match="do not tell so many classes apart"):
            forced = LatentClasses(2).fit(obs)
        assert np.isnan(forced.faker_share_)
        assert forced.summary["se"].isna().all()
        assert forced.faker_reason_.startswith("not identified") == bool(forced.fits_[2].fakers.any())

    def test_a_model_that_always_fakes_is_one_faker_class(self):
        fit = LatentClasses(bootstrap=19).fit_cells(count_cells([[10, 10]] * 20, [[10, 0], [9, 1]] * 10))
        assert fit.class_table_["class"].tolist() == ["faker"]
        assert fit.faker_share_ == 1.0

    def test_the_shipped_models(self):
        chosen, reported = {}, {}
        for labels, obs in load_vlaf().groups("model"):
            fit = LatentClasses().fit(obs)
            chosen[labels["model"]], reported[labels["model"]] = fit.n_classes_, fit.faker_share_
        assert chosen == {
            "Qwen2.5-7B": 2,
            "Qwen2.5-14B": 2,
            "Qwen2.5-32B": 2,
            "Qwen2.5-7B-Instruct": 2,
            "Qwen2.5-32B-Instruct": 4,
            "Qwen3-8B": 2,
            "olmo2-32b": 3,
            "olmo2-32b-sft": 2,
            "olmo2-32b-dpo": 2,
            "olmo2-32b-instruct": 2,
        }
        assert [model for model, share in reported.items() if not np.isnan(share)] == ["olmo2-32b"]


class TestSelection:
    def test_icl_adds_twice_the_entropy_of_membership(self):
        data = simulated(0)
        fit = fit_classes(data, 3, "beta-binomial", 5, np.random.default_rng(0))
        phi = np.exp(fit.parameters[-1])
        law = betabinom(10, (fit.rates * phi)[:, None, :], ((1 - fit.rates) * phi)[:, None, :])
        joint = fit.shares[:, None] * np.prod(law.pmf(data.k), axis=2)
        member = joint / joint.sum(axis=0)
        entropy = -data.weights @ np.sum(member * np.log(np.maximum(member, 1e-300)), axis=0)
        assert fit.icl - fit.bic == pytest.approx(2 * entropy, rel=1e-6)

    def test_criterion_icl_takes_its_smallest(self):
        fit = LatentClasses(criterion="icl", bootstrap=0).fit_cells(simulated(0))
        table = fit.bic_table_
        assert fit.icl_ == table["icl"].min()
        assert fit.n_classes_ == 3

    def test_starts_say_how_many_reached_the_best(self):
        fit = LatentClasses(3, starts=12, bootstrap=0).fit_cells(simulated(0))
        starts = fit.starts_
        three = starts[starts["classes"] == 3]
        assert len(three) == 13  # and the start from the fit with two
        assert three["em_log_likelihood"].notna().sum() == 12
        assert (three["short"].dropna() > -1e-3).all()
        row = fit.bic_table_.set_index("classes").loc[3]
        assert row["starts"] == 13
        assert row["starts_at_best"] == three["at_best"].sum() >= 1
        assert row["spread"] == pytest.approx(three["short"].max())
        # A run of EM that was not climbed says so.
        assert not three.loc[three["log_likelihood"].isna(), "at_best"].any()


class TestStandardErrors:
    def test_three_kinds_agree_where_the_model_is_right(self):
        data = simulated(1, prompts=20_000)
        fits = [
            LatentClasses(3, standard_errors=kind, bootstrap=0).fit_cells(data)
            for kind in ("observed", "expected", "sandwich")
        ]
        observed, *others = (fit.summary["se"].to_numpy() for fit in fits)
        for other in others:
            np.testing.assert_allclose(other, observed, rtol=0.05)
        assert not np.array_equal(observed, others[0])
        assert [fit.message_.split("from ")[1] for fit in fits] == [
            "the observed information", "the expected information", "the sandwich",
        ]  # fmt: skip

    def test_expected_is_the_bound_at_the_fit_and_takes_unequal_samples(self):
        n = np.vstack([np.full((60, 2), 4), np.full((40, 2), 7)])
        law = ClassLaw((0.4, 0.6), (0.9, 0.1), (0.8, 0.1), 15.0)
        design = Design(n, [1.0, 0.0])
        data = law.simulate(design, np.random.default_rng(0))
        found, _ = covariance(law.working, data, 2, np.ones(6, dtype=bool), "expected")
        bound = cramer_rao(lambda x, cells: log_likelihood(x, cells, 2), law.working, design, law.simulate)
        np.testing.assert_allclose(np.sqrt(np.diag(found)), bound, rtol=1e-6)
        every = expected_cells(law.working, data, 2)
        assert every.weights.sum() == pytest.approx(100)

    def test_sandwich_is_wider_where_binomials_are_fitted_to_overdispersed_counts(self):
        data = simulated(3, phi=5.0)
        plain, robust = (
            LatentClasses(2, "binomial", standard_errors=kind, bootstrap=0).fit_cells(data).summary["se"]
            for kind in ("observed", "sandwich")
        )
        assert (robust > plain).mean() > 0.7

    def test_too_many_rows_for_the_expected_are_named(self):
        data = count_cells([[900, 900]] * 2, [[100, 800], [800, 100]])
        with pytest.raises(ValueError, match="811801 possible count rows"):
            covariance(parameters(), data, 3, np.ones(9, dtype=bool), "expected")


class TestGroups:
    """Shares by group, rates in common."""

    def groups(self):
        data = uneven()
        covariates = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, -0.5]])
        return data, Groups(np.arange(len(data.k)) % 3, covariates)

    @pytest.mark.parametrize("phi", [5.0, np.inf])
    def test_gradient_and_hessian_match_finite_differences(self, phi):
        data, groups = self.groups()
        x = np.concatenate([[0.3, -0.2, 0.5, 0.7], parameters(phi=phi)[2:]])
        _, gradient, hessian = log_likelihood(x, data, 3, groups)
        ends = [[log_likelihood(x + s * e, data, 3, groups) for s in (1, -1)] for e in 1e-5 * np.eye(len(x))]
        by_value = np.array([up[0] - down[0] for up, down in ends]) / 2e-5
        by_gradient = np.array([up[1] - down[1] for up, down in ends]) / 2e-5
        np.testing.assert_allclose(gradient, by_value, rtol=1e-5, atol=1e-5 * np.abs(gradient).max())
        np.testing.assert_allclose(hessian, by_gradient, rtol=1e-5, atol=1e-5 * np.abs(hessian).max())

    def test_equal_shares_are_one_group(self):
        data, groups = self.groups()
        x = np.concatenate([[0.3, -0.2, 0.0, 0.0], parameters()[2:]])
        plain = log_likelihood(np.delete(x, [2, 3]), data, 3)[0]
        assert log_likelihood(x, data, 3, groups)[0] == pytest.approx(plain, abs=1e-9)


class TestBootstrap:
    def test_the_right_number_is_not_rejected_and_one_less_is(self):
        fit = LatentClasses(4, bootstrap=0).fit_cells(simulated(0, prompts=200))
        assert fit.test_one_more(3, 19).p_value == pytest.approx(0.05)
        more = fit.test_one_more(4, 19)
        assert more.p_value > 0.05
        assert more.ratios.min() > -1e-2  # nested: never below zero
        with pytest.raises(ValueError, match="not both fitted"):
            fit.test_one_more(6)

    def test_it_stops_once_the_answer_is_clear(self):
        fit = LatentClasses(4, bootstrap=0).fit_cells(simulated(1, prompts=200))
        assert len(fit.test_one_more(4, 99).ratios) < 99

    def test_a_faker_class_is_not_reported_untested(self):
        fit = LatentClasses(bootstrap=0).fit_cells(simulated(0))
        assert np.isnan(fit.faker_share_)
        assert fit.faker_reason_.startswith("not tested")
        assert "faker (unsupported)" in fit.class_table_["class"].tolist()
        tested = LatentClasses(bootstrap=19).fit_cells(simulated(0))
        assert tested.faker_test_.p_value == pytest.approx(0.05)
        assert "faker" in tested.class_table_["class"].tolist()

    def test_a_bootstrap_that_does_not_reject_keeps_the_faker_back(self, monkeypatch):
        monkeypatch.setattr(
            "estimators.latent_class.faker_test", lambda *_: BootstrapTest(1.0, np.array([2.0]), 1.0)
        )
        fit = LatentClasses().fit_cells(simulated(0))
        assert np.isnan(fit.faker_share_)
        assert "p = 1.000" in fit.faker_reason_


class TestDegenerateCounts:
    @pytest.mark.parametrize(("k", "name"), [(0, "refuser"), (10, "complier")])
    def test_no_variation_is_one_class_at_its_bound(self, k, name):
        fit = LatentClasses().fit_cells(count_cells([[10, 10]] * 30, [[k, k]] * 30))
        assert fit.class_table_["class"].tolist() == [name]
        assert fit.status_ == "at bound"
        assert fit.summary["se"].isna().all()

    def test_single_prompt(self):
        fit = LatentClasses().fit_cells(count_cells([[10, 10]], [[7, 2]]))
        assert fit.n_classes_ == 1
        assert fit.class_table_.loc[0, ["p_train", "p_deploy"]].tolist() == pytest.approx(
            [0.7, 0.2], abs=1e-3
        )

    def test_more_classes_than_distinct_prompts(self):
        data = count_cells([[5, 5]] * 2, [[0, 0], [4, 1]])
        fit = fit_classes(data, 3, "binomial", 5, np.random.default_rng(0))
        assert (
            fit.log_likelihood
            >= fit_classes(data, 2, "binomial", 5, np.random.default_rng(0)).log_likelihood - 1e-2
        )

    def test_unequal_samples(self):
        rng = np.random.default_rng(8)
        n = rng.integers(3, 30, (400, 2))
        member = rng.choice(3, 400, p=SHARES)
        fit = LatentClasses(3, bootstrap=0).fit_cells(count_cells(n, rng.binomial(n, RATES[member])))
        table = fit.class_table_
        assert np.all(np.abs(table["share"] - SHARES) < 4 * table["share_se"])

    def test_names_are_numbered_where_they_repeat(self):
        data = simulated(2, shares=np.array([0.5, 0.5]), rates=np.array([[0.4, 0.4], [0.03, 0.03]]))
        assert LatentClasses().fit_cells(data).class_table_["class"].tolist() == ["refuser 1", "refuser 2"]

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"family": "poisson"}, "choose beta-binomial"),
            ({"classes": 0}, "at least 1"),
            ({"starts": 0}, "starts"),
            ({"criterion": "aic"}, "choose bic or icl"),
            ({"standard_errors": "robust"}, "observed, expected, sandwich"),
            ({"bootstrap": -1}, "bootstrap must not"),
            ({"level": 0.0}, "level"),
        ],
    )
    def test_wrong_parameters_are_named(self, wrong, message):
        with pytest.raises(ValueError, match=message):
            LatentClasses(**wrong).fit_cells(simulated(0))

    def test_three_contexts_are_refused(self):
        with pytest.raises(ValueError, match="two contexts"):
            LatentClasses().fit_cells(count_cells([[1, 1, 1]], [[1, 0, 1]]))


@pytest.mark.slow
def test_reaches_the_bound_and_covers():
    law = ClassLaw(tuple(SHARES), tuple(RATES[:, 0]), tuple(RATES[:, 1]), PHI)
    model = ClassRecovery(law, ("complier", "faker", "refuser"))
    table = recover(model, Design.regular(500, 10), replicates=1000).table.set_index("parameter")
    # The gates of THEORY 2.4; log φ has its own.
    assert table.loc["log_phi", "ratio"] < 1.10
    assert table["ratio"].min() > 0.93
    assert table["ratio"].drop("log_phi").max() < 1.07
    assert table["coverage"].between(0.93, 0.97).all()


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.05])
def test_fakers_are_reported_where_there_are_some(share):
    shares = np.array([0.25, share, 0.75 - share])
    fits = [
        LatentClasses(seed=r, bootstrap=19).fit_cells(simulated(500 + r, shares=shares)) for r in range(40)
    ]
    reported = np.array([fit.faker_share_ for fit in fits])
    if share == 0:
        assert np.isnan(reported).all()
    else:
        assert np.isnan(reported).mean() <= 0.05
        assert np.nanmedian(reported) == pytest.approx(share, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("mu", "sigma"), [(-1.0, 0.8), (0.0, 0.8), (-2.0, 2.0), (0.3, 0.3)])
def test_without_an_incentive_at_most_one_run_in_twenty_reports_a_faker(mu, sigma):
    law, n, rng = PreferenceLaw(mu, sigma, [0.0], [1.0]), np.full((92, 2), 10), np.random.default_rng(6)
    reported = [
        not np.isnan(
            LatentClasses().fit_cells(count_cells(n, simulate_agreed(rng, law, n, [1.0, 0.0]))).faker_share_
        )
        for _ in range(100)
    ]
    assert np.mean(reported) <= 0.05


def test_pairs_are_the_cells():
    obs = next(obs for labels, obs in load_vlaf().groups("model") if labels["model"] == "olmo2-32b-dpo")
    data = pair_cells(obs)
    assert (data.prompts, (data.weights @ data.k).tolist()) == (92, [160, 53])
