"""Models that share prompts: the prompt is the unit, and taking its models as so many prompts more is wrong."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import estimators as est
from estimators.clusters import clustered_classes, clustered_payoffs, shares_prompts
from estimators.count_cells import belief_cells, count_cells
from estimators.latent_class_errors import covariance
from estimators.structural_likelihood import ONE, log_likelihood

MODELS, PROMPTS, SAMPLES = 8, 30, 10
BELIEFS = {"train": 1.0, "deploy": 0.0}


def counts(rng, mean=0.0, spread=1.0):
    """Eight models on thirty prompts: willingness and incentive of a prompt are the same for all of them."""
    mu = rng.normal(-0.5, 1.0, PROMPTS)
    eta = np.stack([mu + rng.normal(mean, spread, PROMPTS), mu])  # train, deploy
    agreed = rng.binomial(SAMPLES, 1 / (1 + np.exp(-eta)), (MODELS, 2, PROMPTS))
    model, context, prompt = (axis.ravel() for axis in np.indices(agreed.shape))
    frame = pd.DataFrame(
        {
            "model": np.char.add("m", model.astype(str)),
            "prompt_id": np.char.add("p", prompt.astype(str)),
            "context": np.array(["train", "deploy"])[context],
            "n": SAMPLES,
            "complied": agreed.ravel(),
        }
    )
    return est.Observations(frame, "complied-is-agreement")


def apart(obs):
    """The same counts with a name of its own for each model's prompt: what a naive analysis takes them for."""
    own = obs.frame.assign(prompt_id=obs.frame["model"] + obs.frame["prompt_id"])
    return est.Observations(own, obs.orientation)


def true_gap(mean, spread):
    rng = np.random.default_rng(0)
    mu, delta = rng.normal(-0.5, 1.0, 400_000), rng.normal(mean, spread, 400_000)
    return float(np.mean(1 / (1 + np.exp(-mu - delta)) - 1 / (1 + np.exp(-mu))))


def test_gap_intervals_cover_over_prompts_and_naive_ones_do_not():
    runs, truth = 300, true_gap(1.0, 1.0)
    covered = np.zeros(2)
    for seed in range(runs):
        obs = counts(np.random.default_rng([1, seed]), 1.0, 1.0)
        tables = [est.compliance_gap(each).iloc[0] for each in (obs, apart(obs))]
        covered += [table["low"] <= truth <= table["high"] for table in tables]
    low, high = binom.ppf([0.005, 0.995], runs, 0.95) / runs
    assert low <= covered[0] / runs <= high
    assert covered[1] / runs < 0.75


def test_the_discordant_test_keeps_its_size_over_prompts_and_a_naive_one_does_not():
    """Half of the prompts move up and half down: no movement on average, and none of it by chance of samples."""
    runs, rejected = 300, np.zeros(2)
    for seed in range(runs):
        obs = counts(np.random.default_rng([2, seed]), 0.0, 1.5)
        rejected += [est.discordant_test(each)["p_value"].iloc[0] <= 0.05 for each in (obs, apart(obs))]
    assert rejected[0] <= binom.ppf(0.995, runs, 0.05)
    assert rejected[1] / runs > 0.25


@pytest.mark.slow
def test_payoffs_cover_with_clusters_and_not_without():
    """One law for all models, so that (mu, sigma, delta) is the truth of the pooled fit: mu rests on 30 prompts."""
    runs, covered = 200, np.zeros((2, 2))
    for seed in range(runs):
        obs = counts(np.random.default_rng([3, seed]), 1.0, 0.0)
        fit = est.StructuralPayoffs(incentives="one", bootstrap=0).fit(obs)
        for k, each in enumerate((clustered_payoffs(fit, obs, BELIEFS), fit)):
            own = each.summary.set_index("parameter")
            covered[k] += [
                own.loc[name, "low"] <= value <= own.loc[name, "high"]
                for name, value in (("mu", -0.5), ("delta", 1.0))
            ]
    low = binom.ppf(0.005, runs, 0.95) / runs
    assert np.all(covered[0] / runs >= low - 0.02)  # thirty clusters: a little short is known
    assert covered[1, 0] / runs < 0.75


def test_clusters_of_one_are_the_sandwich():
    obs = apart(counts(np.random.default_rng(4)))
    cells, _ = belief_cells(obs, BELIEFS)
    fit = est.StructuralPayoffs(incentives="one", bootstrap=0).fit(obs)
    inverse, units = fit.covariance_, len(cells.cell)
    meat = np.zeros((3, 3))
    for c, weight in enumerate(cells.weights):
        one = count_cells(cells.n[[c]], cells.k[[c]], cells.beliefs[c])
        score = log_likelihood(fit.parameters_, one, ONE)[1]
        meat += weight * np.outer(score, score)
    found = clustered_payoffs(fit, obs, BELIEFS)
    np.testing.assert_allclose(found.covariance_, inverse @ meat @ inverse * units / (units - 1), rtol=1e-6)
    classes = est.LatentClasses(classes=2, bootstrap=0).fit(obs)
    chosen = classes.fits_[2]
    sandwich, _ = covariance(chosen.parameters, classes.cells_, 2, chosen.known, "sandwich")
    np.testing.assert_allclose(
        clustered_classes(classes, obs).covariance_, sandwich * units / (units - 1), rtol=1e-9
    )


def test_estimates_stay_and_uncertainty_grows_where_models_repeat_one_another():
    obs = counts(np.random.default_rng(5), 1.0, 0.0)
    assert shares_prompts(obs)
    assert not shares_prompts(apart(obs))
    fit = est.StructuralPayoffs(incentives="one", bootstrap=0).fit(obs)
    found = clustered_payoffs(fit, obs, BELIEFS)
    pd.testing.assert_series_equal(found.summary["estimate"], fit.summary["estimate"])
    own, naive = (each.summary.set_index("parameter")["se"] for each in (found, fit))
    assert own["mu"] > 2 * naive["mu"]
    assert found.level > fit.level  # Student's quantile at 29 degrees of freedom


def test_incentives_that_cancel_over_prompts_are_not_detected_although_the_bootstrap_rejects():
    """Incentives N(0, 2²) that eight models share: units look as if δ were sure, thirty prompts know better."""
    p_values = []
    for seed in range(6):
        obs = counts(np.random.default_rng([6, seed]), 0.0, 2.0)
        fit = est.StructuralPayoffs(incentives="one", bootstrap=19).fit(obs)
        found = clustered_payoffs(fit, obs, BELIEFS)
        own = found.summary.set_index("parameter").loc["delta"]
        p_values.append((fit.p_value_delta_, found.p_value_delta_))
        assert (found.verdict_ == "no incentive detected") == (found.p_value_delta_ > 0.05)
        if found.p_value_delta_ > fit.p_value_delta_:
            assert (own["low"] <= 0 <= own["high"]) == (found.p_value_delta_ > 0.05)
    naive, clustered = np.array(p_values).T
    assert (naive <= 0.05).sum() >= 4
    assert (clustered <= 0.05).sum() <= 1
    assert (clustered >= naive).all()
