"""What models lend each other: shared prompts, families and methods, and the posterior where its extra is there."""

import builtins

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

import estimators as est
from estimators.policy import Assumptions
from estimators.relatives import crossed_tables, pooling_table, posterior_tables, sharing_test


def counts(rng, loading, models=4, prompts=40, samples=10):
    """Models whose willingness on a prompt is a common factor times `loading`, and the rest their own."""
    common, own = rng.normal(size=prompts), rng.normal(size=(models, prompts))
    mu = -0.5 + loading * common + np.sqrt(1.5 - loading**2) * own
    agreed = rng.binomial(samples, 1 / (1 + np.exp(-np.stack([mu + 1.5, mu], axis=1))))
    model, context, prompt = (axis.ravel() for axis in np.indices(agreed.shape))
    frame = pd.DataFrame({"model": model, "prompt_id": prompt, "context": context, "n": samples})
    frame["context"] = frame["context"].map({0: "train", 1: "deploy"})
    frame["complied"] = agreed.ravel()
    return est.Observations.from_frame(
        frame.astype({"model": str, "prompt_id": str}), orientation="complied-is-agreement"
    )


def p_value(seed, loading):
    groups = [group.pairs() for _, group in counts(np.random.default_rng(seed), loading).groups("model")]
    n = np.array([pairs[["n_train", "n_deploy"]] for pairs in groups])
    k = np.array([pairs[["agreed_train", "agreed_deploy"]] for pairs in groups])
    return sharing_test(n, k, np.random.default_rng(0))[2]


def test_the_test_of_sharing_keeps_its_size_and_has_power():
    none = np.array([p_value([0, seed], 0.0) for seed in range(100)])
    assert (none <= 0.05).sum() <= 12  # P(more than 12 of 100 at 5 %) = .001
    assert all(p_value([1, seed], 0.9) <= 0.05 for seed in range(10))


def test_the_part_that_prompts_explain_is_recovered_within_its_interval():
    table, sharing = crossed_tables(
        counts(np.random.default_rng(7), 0.9, models=5, prompts=150), ["model"], Assumptions()
    )
    own = table[table["parameter"] == "explained"]
    truth = 0.9**2 / 1.5
    assert list(own["model"]) == [str(m) for m in range(5)]
    assert ((own["low"] <= truth) & (truth <= own["high"])).sum() >= 4
    assert sharing["gain"].iloc[0] > 10
    delta = table[table["parameter"] == "delta"]
    assert (((delta["estimate"] - 1.5) / delta["se"]) ** 2).sum() < chi2.ppf(0.999, 5)


@pytest.mark.parametrize(
    ("obs", "columns", "words"),
    [
        (counts(np.random.default_rng(1), 0.5, models=2), ["model"], "three groups"),
        (counts(np.random.default_rng(1), 0.5, prompts=5), ["model"], "fewer than ten prompts"),
        (est.datasets.load_vlaf(), ["family"], "several pairs of one prompt"),
    ],
)
def test_where_there_are_no_crossed_effects_the_reason_is_told(obs, columns, words):
    table, sharing = crossed_tables(obs, columns, Assumptions())
    assert table.empty
    assert words in sharing["reading"].iloc[0]


def test_pooled_incentives_lie_between_their_own_and_their_groups():
    incentives = pd.DataFrame(
        {
            "family": ["a", "a", "a", "b", "b", "b"],
            "estimate": [1.0, 1.2, 0.8, 2.0, 2.2, 3.4],
            "se": [0.1] * 5 + [1.0],
        }
    )
    table = pooling_table(incentives, ["family"], list("uvwxyz"))
    own = table[table["level"] == "model"].set_index("name")
    assert 2.0 < own.loc["z", "estimate"] < 3.0  # what is little known leans on its family
    assert own.loc["u", "estimate"] == pytest.approx(1.0, abs=0.1)
    new = table[table["level"] == "new model"].iloc[0]
    mean = table[table["level"] == "mean"].iloc[0]
    assert new["high"] - new["low"] > mean["high"] - mean["low"]
    assert pooling_table(incentives.assign(family="a"), ["family"], list("uvwxyz")).empty


def test_without_the_extra_the_posterior_is_a_sentence_that_says_how(monkeypatch):
    real = builtins.__import__

    def missing(name, *rest, **options):
        if name.partition(".")[0] == "nutpie":
            raise ModuleNotFoundError("No module named 'nutpie'", name="nutpie")
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    _, one = next(iter(est.datasets.load_vlaf().groups("model")))
    posterior, checks, note = posterior_tables(one, {"train": 1.0, "deploy": 0.0})
    assert posterior.empty
    assert checks.empty
    assert "stackelberg[bayes]" in note


@pytest.mark.slow
def test_the_posterior_of_one_model_agrees_with_its_fit():
    pytest.importorskip("nutpie")
    group = list(est.datasets.load_vlaf().groups("model"))[-1][1]
    posterior, checks, note = posterior_tables(group, {"train": 1.0, "deploy": 0.0})
    fit = est.StructuralPayoffs(incentives="one", bootstrap=0).fit(group)
    own = posterior.set_index("parameter").loc["delta"]
    assert own["mean"] == pytest.approx(fit.delta_one_type_, abs=0.1)
    assert note.startswith("converged")
    assert len(checks)
