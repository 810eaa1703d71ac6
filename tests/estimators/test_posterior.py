"""The posterior: its density against scipy and finite differences, and the sampler against what is known."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from scipy.stats import halfnorm, norm

from estimators.choice_likelihood import ChoiceForm, Situations
from estimators.choice_likelihood import simulate as simulate_choice
from estimators.count_cells import count_cells
from estimators.newton import EstimationWarning
from estimators.observations import Observations
from estimators.posterior import Posterior, sample
from estimators.posterior_check import expanded, predictive_checks, statistics
from estimators.posterior_models import choice_model, class_model, structural_model
from estimators.posterior_target import Target
from estimators.shares import PreferenceLaw, simulate_agreed
from estimators.structural_fit import fit_candidate
from estimators.structural_likelihood import ONE

needs_sampler = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("nutpie", "arviz_stats")),
    reason="nutpie and arviz are not installed (the extra bayes)",
)
# zarr and xarray, which nutpie brings along, are not ours to warn about.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

TOLD = Situations.at([0.9, 0.5, 0.1])
MODELS = {
    "structural": structural_model(),
    "structural, two": structural_model("two"),
    "classes": class_model(),
    "choice": choice_model(
        ChoiceForm(("complier", "refuser", "strategic"), 3, sharpness=True, split=True), TOLD
    ),
}


def structural_cells(mu, delta, prompts=92, seed=0, sigma=1.2):
    n = np.full((prompts, 2), 10)
    law = PreferenceLaw(mu, sigma, [delta], [1.0])
    return count_cells(n, simulate_agreed(np.random.default_rng(seed), law, n, [1.0, 0.0]), [1.0, 0.0])


def target(name, models=3):
    rng = np.random.default_rng(1)
    if name == "choice":
        n = np.tile([[10, 0, 10], [0, 10, 10]], (20, 1))
        x = MODELS[name].prior_mean
        form = ChoiceForm(("complier", "refuser", "strategic"), 3, sharpness=True, split=True)
        cells = [count_cells(n, simulate_choice(rng, x, n, form, TOLD), TOLD.belief) for _ in range(models)]
    else:
        cells = [structural_cells(-1.0 - 0.3 * g, 1.5, 40, g) for g in range(models)]
    return Target(MODELS[name], tuple(cells), np.array([0, 1, 1])[:models])


@pytest.mark.parametrize("models", [1, 3])
@pytest.mark.parametrize("name", MODELS)
def test_gradient_matches_finite_differences(name, models):
    density = target(name, models)
    x = density.start(np.random.default_rng(0))
    gradient = density.log_density(x)[1]
    ends = [[density.log_density(x + s * e)[0] for s in (1e-5, -1e-5)] for e in np.eye(density.size)]
    numerical = np.array([up - down for up, down in ends]) / 2e-5
    np.testing.assert_allclose(gradient, numerical, rtol=1e-5, atol=1e-5 * np.abs(gradient).max())


@pytest.mark.parametrize("name", MODELS)
def test_density_is_likelihood_times_the_priors_of_the_hierarchy(name):
    density = target(name)
    model = density.model

    def by_hand(x):
        theta, middle, spread = density.unpack(x)
        total = sum(model.log_likelihood(theta[g], density.cells[g])[0] for g in range(3))
        total += norm.logpdf(theta, middle[density.family], spread).sum()
        total += ((1 - density.reliability) * np.log(spread)).sum()  # the Jacobian of ζ → θ
        total += norm.logpdf(middle, model.prior_mean, model.prior_sd).sum()
        return total + (halfnorm.logpdf(spread, scale=model.prior_sd / 2) + np.log(spread)).sum()

    first, second = (density.start(np.random.default_rng(seed)) for seed in (2, 3))
    difference = density.log_density(first)[0] - density.log_density(second)[0]
    assert difference == pytest.approx(by_hand(first) - by_hand(second), abs=1e-7)


def test_far_from_the_prior_the_density_stays_finite_and_falls():
    density = target("structural", 1)
    direction = np.array([1.0, 0.0, 0.0])
    values = [density.log_density(direction * step)[0] for step in (1e3, 1e4, 1e5)]
    assert np.isfinite(values).all()
    assert values[0] > values[1] > values[2]


def test_statistics_of_a_table_by_hand():
    n = np.array([[10, 10], [10, 10], [4, 4], [10, 10]])
    k = np.array([[10, 0], [0, 0], [4, 4], [7, 5]])
    found = statistics(n, k)
    assert found["gap"] == pytest.approx((1.0 + 0 + 0 + 0.2) / 4)
    # τ = ½: only the first is unflagged in train and flagged in deploy, and the last, whose deploy rate is ½ exactly
    assert found["fracture(0.5)"] == 0.5
    assert [found[f"train {a}, deploy {b}"] for a in ("none", "all") for b in ("none", "all")] == [1, 0, 1, 1]
    assert found["covariance"] == pytest.approx(np.cov((k / n).T, bias=True)[0, 1])


def test_checks_pass_a_true_model_and_fail_one_without_spread_over_prompts():
    density = target("structural", 1)
    truth = np.array([-1.0, np.log(1.2), 1.5])
    draws = np.tile(truth, (100, 1, 1))
    table, replicates, names = predictive_checks(density, draws, ("a",), np.random.default_rng(0))
    assert (table["p_value"] < 0.02).sum() <= 1
    assert replicates.shape == (100, 1, len(names))
    draws[..., 1] = np.log(0.05)
    table, _, _ = predictive_checks(density, draws, ("a",), np.random.default_rng(0))
    failed = set(table.loc[table["p_value"] < 0.02, "statistic"])
    assert {"overdispersion train", "overdispersion deploy", "covariance"} <= failed


def test_expanded_rows_are_the_prompts_again():
    n, k, beliefs = expanded(count_cells([[2, 2]] * 3, [[1, 0], [2, 2], [1, 0]], [1.0, 0.0]))
    assert sorted(map(tuple, k.tolist())) == [(1, 0), (1, 0), (2, 2)]
    assert n.shape == beliefs.shape == (3, 2)


def as_observations(cells_by_model, families):
    import pandas as pd

    rows = []
    for (model, cells), family in zip(cells_by_model.items(), families):
        n, k, _ = expanded(cells)
        for i in range(len(n)):
            for s, context in enumerate(("train", "deploy")):
                rows.append((model, family, f"p{i}", context, n[i, s], k[i, s]))
    columns = ["model", "family", "prompt_id", "context", "n", "complied"]
    return Observations.from_frame(pd.DataFrame(rows, columns=columns), orientation="complied-is-agreement")


@needs_sampler
class TestSampler:
    def test_with_many_prompts_it_is_the_normal_law_of_the_likelihood(self):
        """Bernstein–von Mises: mean at the maximum, spread of the inverse information."""
        cells = structural_cells(-1.0, 1.5, prompts=1500)
        fit = fit_candidate(cells, ONE)
        density = Target(structural_model(), (cells,), np.zeros(1, np.int64))
        posterior = Posterior(chains=2, draws=400, tune=200).fit_target(density, ("a",))
        se = np.sqrt(np.diag(fit.covariance))
        np.testing.assert_allclose(posterior.of("a").mean(axis=0), fit.parameters, atol=0.25 * se.max())
        np.testing.assert_allclose(posterior.of("a").std(axis=0), se, rtol=0.12)
        assert posterior.converged_
        assert {"posterior", "posterior_predictive", "observed_data", "sample_stats"} <= set(
            posterior.idata_.children
        )
        assert posterior.idata_["posterior"]["delta"].dims == ("chain", "draw", "model")

    @pytest.mark.filterwarnings("ignore::estimators.newton.EstimationWarning")
    def test_it_equals_the_posterior_on_a_grid(self):
        """Two unknowns, δ and σ held by a narrow prior: moments of δ by the trapezoid rule."""
        from dataclasses import replace

        base = structural_model()
        model = replace(
            base, prior_mean=np.array([-1.0, np.log(1.2), 0.0]), prior_sd=np.array([0.02, 0.02, 3.0])
        )
        cells = structural_cells(-1.0, 1.5, prompts=15)
        grid = np.linspace(-1.5, 4.5, 241)
        log_density = [
            model.log_likelihood(np.array([-1.0, np.log(1.2), d]), cells)[0] + norm.logpdf(d, 0, 3)
            for d in grid
        ]
        weight = np.exp(np.array(log_density) - max(log_density))
        weight /= weight.sum()
        mean = weight @ grid
        sd = np.sqrt(weight @ (grid - mean) ** 2)
        posterior = Posterior(chains=2, draws=400, tune=200, seed=3).fit_target(
            Target(model, (cells,), np.zeros(1, np.int64)), ("a",)
        )
        delta = posterior.of("a")[:, 2]
        assert delta.mean() == pytest.approx(mean, abs=0.15 * sd)
        assert delta.std() == pytest.approx(sd, rel=0.1)

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore::estimators.newton.EstimationWarning")
    def test_a_model_with_few_prompts_leans_on_its_family_and_seeds_repeat(self):
        cells = {f"m{g}": structural_cells(-1.0, 2.0, 80, g) for g in range(2)} | {
            "few": structural_cells(-1.0, 2.0, 6, 9)
        }
        obs = as_observations(cells, ["a"] * 3)
        options = {"chains": 2, "draws": 400, "tune": 200}  # two sds, each to about 4 %
        pooled = Posterior(**options).fit(obs)
        alone = Posterior(**options).fit(
            next(g for labels, g in obs.groups("model") if labels["model"] == "few")
        )
        sd = {
            p: q.summary.set_index(["model", "parameter"]).loc[("few", "delta"), "sd"]
            for p, q in (("p", pooled), ("a", alone))
        }
        assert sd["p"] < sd["a"]  # about 0.9 of it
        assert pooled.divergences_ <= 2
        assert pooled.idata_["posterior"]["family_mean"].shape[2:] == (1, 3)
        again = sample(pooled.target_, 2, 10, 20, seed=4)["posterior"]["vector"].to_numpy()
        np.testing.assert_array_equal(
            again, sample(pooled.target_, 2, 10, 20, seed=4)["posterior"]["vector"].to_numpy()
        )

    def test_too_few_draws_are_called_so(self):
        with pytest.warns(EstimationWarning, match=r"too few|not mixed|divergent"):
            posterior = Posterior(chains=2, draws=20, tune=20).fit_target(target("structural", 1), ("a",))
        assert not posterior.converged_

    def test_choice_and_classes_run_from_observations(self, capsys):
        cells = structural_cells(-1.0, 3.0, 60)
        obs = as_observations({"m": cells}, ["a"])
        with pytest.warns(EstimationWarning):
            classes = Posterior("classes", chains=2, draws=30, tune=60).fit(obs)
        with pytest.warns(EstimationWarning):
            choice = Posterior("choice", chains=2, draws=30, tune=60).fit(obs)
        assert "share[faker]" in set(classes.summary["parameter"])
        assert "beta_star[strategic]" in set(choice.summary["parameter"])
        choice.print_summary()
        assert "posterior predictive checks" in capsys.readouterr().out


@pytest.mark.skipif(importlib.util.find_spec("nutpie") is not None, reason="nutpie is installed")
def test_without_the_extra_it_says_what_to_install():
    with pytest.raises(ModuleNotFoundError, match="stackelberg\\[bayes\\]"):
        sample(target("structural", 1), 2, 10, 10, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "normal"}, "choose structural, classes or choice"),
        ({"incentives": "three"}, "choose one of one, zero-and-one, two"),
        ({"model": "classes", "types": ("faker", "faker")}, "must differ"),
        ({"model": "choice", "types": ("strategic", "strategic")}, "give each kind once"),
        ({"chains": 1}, "at least 2 chains"),
        ({"level": 1.0}, "level is 1.0"),
        ({"pool": False}, "2 models are observed and pool is False"),
    ],
)
def test_wrong_options_are_named(options, message):
    cells = structural_cells(-1.0, 1.5, 20)
    obs = as_observations({"m": cells, "l": cells}, ["a", "a"])
    with pytest.raises(ValueError, match=message):
        Posterior(**options).fit(obs)
