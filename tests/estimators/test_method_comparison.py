"""A comparison of methods knows its labels only as labels, recovers simulated effects, and says what it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from estimators.compare import compare
from estimators.count_cells import count_cells
from estimators.datasets import load_vlaf
from estimators.joint_shares import _influence, _scores, joint_shares
from estimators.method_comparison import MEASURES, compare_methods
from estimators.method_figure import method_figure
from estimators.observations import ObservationError, Observations
from estimators.shares import PreferenceLaw, faking_share, simulate_agreed
from estimators.simulate_methods import METHODS, simulate_methods
from estimators.structural_fit import fit_candidate
from estimators.structural_likelihood import ONE, log_likelihood
from stackelberg.faking.training.objectives import DPO


def olmo():
    return next(part for labels, part in load_vlaf().groups("family") if labels["family"] == "olmo2")


@pytest.fixture(scope="module")
def stages():
    return compare_methods(olmo(), unit="family", chain=True)


@pytest.fixture(scope="module")
def table():
    return simulate_methods(
        families={"A": 2, "B": 2}, axes={"safety": -1.0, "helpfulness": 0.5}, prompts=25, seed=2
    )


@pytest.fixture(scope="module")
def found(table):
    return compare_methods(table.observations)


def test_scores_and_influences_of_prompts_add_up_to_those_of_the_fit():
    rng = np.random.default_rng(0)
    n = rng.integers(1, 12, (40, 2))
    agreed = simulate_agreed(rng, PreferenceLaw(-0.5, 1.3, [1.5], [1.0]), n, [1.0, 0.2])
    cells = count_cells(n, agreed, [1.0, 0.2])
    fit = fit_candidate(cells, ONE)
    moved = fit.parameters + np.array([0.3, -0.2, 0.4])
    at = replace(fit, parameters=moved)
    np.testing.assert_allclose(
        cells.weights @ _scores(at, cells), log_likelihood(moved, cells, ONE)[1], atol=1e-5
    )
    influence = _influence(fit, cells)
    np.testing.assert_allclose(influence.T @ influence, fit.covariance, atol=1e-10)


def test_draws_of_one_group_twice_are_the_same_and_of_other_prompts_unrelated():
    obs = olmo()
    parts = {name: part for (name,), part in ((tuple(k.values()), p) for k, p in obs.groups("method"))}
    other = parts["dpo"].frame.assign(prompt_id="other " + parts["dpo"].frame["prompt_id"])
    groups = {"one": parts["dpo"], "twin": parts["dpo"], "apart": Observations(other, obs.orientation)}
    shares = joint_shares(groups, (1.0, 0.0), 4000, 0)
    np.testing.assert_array_equal(shares["one"].draws, shares["twin"].draws)
    assert abs(np.corrcoef(shares["one"].draws, shares["apart"].draws)[0, 1]) < 4 / np.sqrt(4000)


def test_gap_differences_are_those_of_compare(stages):
    own = stages.differences.query("axis == 'all' and measure == 'gap'").set_index("method")
    pairwise = compare(olmo(), "method").set_index(["first", "second"])
    for method, row in own.iterrows():
        expected = pairwise.loc[(row["reference"], method)]
        assert row["difference"] == pytest.approx(-expected["difference"])
        assert row["p_value"] == pytest.approx(expected["p_value"])


def test_a_chain_says_so_and_compares_each_stage_with_the_one_before(stages):
    assert "not an experiment" in stages.title
    pairs = stages.differences[["reference", "method"]].drop_duplicates().to_numpy().tolist()
    assert pairs == [["base", "sft"], ["sft", "dpo"], ["dpo", "grpo"]]
    assert set(stages.differences["design"]) == {"chain"}
    assert stages.pooled.empty
    assert set(stages.levels["axis"]) == {"authority", "care", "fairness", "loyalty", "sanctity", "all"}


def test_labels_are_only_labels(table, found):
    renamed = table.observations.frame.assign(
        method=lambda f: "m " + f["method"], model=lambda f: "x" + f["model"], axis=lambda f: "a " + f["axis"]
    )
    again = compare_methods(Observations(renamed, table.observations.orientation), "m base")
    for name in ("levels", "differences", "pooled"):
        one, two = getattr(found, name), getattr(again, name)
        pd.testing.assert_frame_equal(
            one.select_dtypes("number"), two.select_dtypes("number"), check_exact=False, atol=1e-9
        )


def test_a_comparison_turned_round_changes_its_sign():
    both = [part for labels, part in olmo().groups("method") if labels["method"] in ("sft", "grpo")]
    obs = Observations(pd.concat([p.frame for p in both], ignore_index=True), both[0].orientation)
    one, two = (compare_methods(obs, name, unit="family").differences for name in ("sft", "grpo"))
    np.testing.assert_allclose(one["difference"], -two["difference"])
    np.testing.assert_allclose(one["low"].dropna(), -two["high"].dropna(), atol=1e-12)
    np.testing.assert_allclose(one["q_value"].dropna(), two["q_value"].dropna())


def test_simulated_counts_are_called_so_whatever_is_asked(table, found):
    assert "simulated" in table.title
    for chain in (False, True):
        title = found.title if not chain else compare_methods(table.observations, chain=True).title
        assert "simulated" in title
        assert "no data" in title
    for frame in (found.levels, found.differences, found.pooled):
        assert set(frame["design"]) == {"simulated"}
    assert set(table.observations.frame["setting"]) == {"simulated"}
    assert (
        tuple(table.truth["method"].unique())
        == tuple(METHODS)
        == ("base", "SFT", "BCO", "DPO", "KTO", "GRPO")
    )


def test_simulated_effects_are_recovered(table, found):
    truth = table.truth.set_index(["axis", "model", "method"])
    rows = found.differences.query("axis != 'all' and measure == 'gap'")
    gap = truth["gap"]
    expected = [
        gap[(r.axis, r.model, r.method)] - gap[(r.axis, r.model, r.reference)] for r in rows.itertuples()
    ]
    inside = (rows["low"] <= expected) & (expected <= rows["high"])
    assert len(rows) == 40
    assert inside.mean() >= 0.9
    pooled = found.pooled.query("axis == 'safety' and measure == 'gap'").set_index("method")
    own = truth["gap"].loc["safety"].groupby("method").mean()
    for method, row in pooled.iterrows():
        assert row["low"] < own[method] - own["base"] < row["high"]
        assert row["new_low"] < row["low"] < row["high"] < row["new_high"]
    assert pooled.loc["SFT", "effect"] > pooled.loc["GRPO", "effect"]


def test_bco_is_dpo_at_half_its_beta():
    kept = {"DPO": DPO(beta=0.1), "BCO": METHODS["BCO"]}
    assert METHODS["BCO"].beta == 0.1
    truth = simulate_methods(families={"A": 3}, methods=kept, prompts=20).truth
    wide = truth.pivot(index=["axis", "model"], columns="method", values="gap")
    # one unit dose is as much for both, and equal doses of the two are the same flow but for β
    np.testing.assert_allclose(wide["BCO"], wide["DPO"], atol=0.02)


def test_a_model_without_a_difference_is_pooled_all_the_same():
    obs = simulate_methods(
        families={"A": 3}, axes={"safety": -1.0}, methods={"base": None, "DPO": DPO()}
    ).observations
    frame = obs.frame.copy()
    frame.loc[(frame["model"] == "A1"), "complied"] = 10  # flagged nowhere
    pooled = compare_methods(Observations(frame, obs.orientation)).pooled
    assert pooled.set_index("measure").loc["fracture", "models"] == 3


@pytest.mark.slow
def test_without_an_effect_few_tables_show_one():
    found = []
    for seed in range(40):
        table = simulate_methods(
            families={"A": 2, "B": 2},
            axes={"x": 0.0},
            methods={"base": None, "m": None},
            prompts=20,
            seed=seed,
        )
        both = compare_methods(table.observations, seed=seed)
        found.append((both.differences["q_value"].min() <= 0.05, (both.pooled["p_value"] <= 0.05).mean()))
    discoveries, pooled = np.mean(found, axis=0)
    assert discoveries <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 40)
    assert pooled <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 40)


@pytest.mark.slow
def test_differences_of_faking_shares_cover_on_shared_prompts():
    rng = np.random.default_rng(4)
    laws = [PreferenceLaw(-1.5, 1.5, [delta], [1.0]) for delta in (1.0, 2.2)]
    truth = float(faking_share(laws[1]) - faking_share(laws[0]))
    runs, inside, narrower = 150, 0, 0
    for _ in range(runs):
        z = rng.normal(size=60)
        groups = {}
        for name, law in zip("ab", laws):
            mu = law.mu + law.sigma * (0.8 * z + 0.6 * rng.normal(size=60))
            eta = mu[:, None] + np.array([1.0, 0.0]) * law.deltas
            agreed = rng.binomial(10, 1 / (1 + np.exp(-eta)))
            ids = [str(i) for i in range(60)]
            parts = [
                pd.DataFrame({"prompt_id": ids, "context": context, "n": 10, "complied": column})
                for context, column in zip(("train", "deploy"), agreed.T)
            ]
            groups[name] = Observations.from_frame(pd.concat(parts), orientation="complied-is-agreement")
        shares = joint_shares(groups, (1.0, 0.0), 1000, 0)
        drawn = shares["b"].draws - shares["a"].draws
        low, high = np.quantile(drawn, [0.025, 0.975])
        inside += low <= truth <= high
        narrower += drawn.std() < np.hypot(shares["a"].draws.std(), shares["b"].draws.std())
    assert abs(inside / runs - 0.95) < 3 * np.sqrt(0.95 * 0.05 / runs)
    assert narrower / runs > 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reference": "kto", "unit": "family"}, "no row has the method 'kto'"),
        ({"chain": True, "reference": "base"}, "a chain has no reference"),
        ({}, "no model has two methods"),
        ({"unit": "arm"}, "column 'arm' is missing"),
        ({"unit": "family", "control": "none"}, "choose bh or by"),
        ({"unit": "family", "tau": 0.0}, "tau is 0"),
    ],
)
def test_what_cannot_be_compared_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        compare_methods(olmo(), **options)
    assert issubclass(ObservationError, ValueError)


def test_the_figure_has_a_panel_per_axis_and_its_title_is_the_table_s(stages, found):
    for comparison, panels in ((stages, 6), (found, 3)):
        for measure in MEASURES:
            figure = method_figure(comparison, measure)
            assert len(figure.axes) == 2 * panels
            assert comparison.title in figure.get_suptitle()
    with pytest.raises(ValueError, match="choose one of gap, fracture, faking_share"):
        method_figure(stages, "rate")
    with pytest.raises(ValueError, match="at least one family"):
        simulate_methods(prompts=0)
