"""Arms of a model read together: bounds of its indifference belief, tests of its payoffs, and its motive."""

import numpy as np
import pandas as pd
import pytest

import estimators as est
from estimators.analysis import analyze
from estimators.output import summary
from estimators.policy import Assumptions
from estimators.stated_arms import motives, parts_motives, payoff_bounds


def arms(rng, rated, prompts=80, samples=10):
    """A third complies, a third refuses, a third replies by 4 (W + rho) belief - 2 with W = rho; arms of that."""
    told = [("odds", "train", 0.9, True), ("odds", "deploy", 0.1, True), ("half", "train", 0.7, True)]
    told += [("half", "deploy", 0.4, True)]
    if rated:
        told += [("rated", "train", 1.0, False), ("rated", "deploy", 0.0, False)]
    rows = []
    for i in range(prompts):
        for arm, context, belief, trained in told:
            stake = 2.0 * trained + 2.0
            logit = (3.0, -3.0, stake * belief - 2.0)[i % 3]
            k = rng.binomial(samples, 1 / (1 + np.exp(-logit)))
            rows.append((f"p{i}", context, arm, belief, trained, True, samples, k))
    names = ["prompt_id", "context", "arm", "stated_belief", "trained", "rated", "n", "complied"]
    return est.Observations.from_frame(pd.DataFrame(rows, columns=names), orientation="complied-is-agreement")


def test_an_indifference_belief_is_bounded_and_payoffs_that_hold_are_not_rejected():
    table = payoff_bounds(arms(np.random.default_rng(0), False), Assumptions())
    row = table.iloc[0]
    assert row["low"] <= 0.5 <= row["high"]
    assert row["reading"] == "bounded"
    assert row["degrees"] == 2
    assert row["p_value"] > 0.01


def test_payoffs_that_do_not_describe_the_replies_are_called_misspecified():
    """The strategic third agrees at .7 and .4 and refuses at .9 and .1: no preference and incentive do that."""
    obs = arms(np.random.default_rng(1), False)
    frame = obs.frame.copy()
    odd = frame["prompt_id"].str[1:].astype(int) % 3 == 2
    frame.loc[odd, "complied"] = frame["arm"].map({"odds": 1, "half": 9})[odd]
    found = payoff_bounds(est.Observations(frame, obs.orientation), Assumptions())
    assert found["reading"].iloc[0].startswith("misspecified")


def test_two_beliefs_leave_no_test():
    _, one = next(iter(est.datasets.load_vlaf().groups("model")))
    table = payoff_bounds(one, Assumptions())
    assert table["degrees"].tolist() == [0]
    assert table["p_value"].isna().all()


def test_one_sample_a_prompt_identifies_no_types_and_the_mend_is_named():
    obs = est.datasets.load_gemini()
    own = next(group for labels, group in obs.groups("model") if labels["model"].endswith("@google"))
    reading = payoff_bounds(own, Assumptions())["reading"].iloc[0]
    assert reading.startswith("not identified: ")
    assert "at least 2 samples" in reading


def test_a_rated_arm_parts_the_motives_and_their_intervals_hold_the_truth():
    obs = arms(np.random.default_rng(2), True)
    assert parts_motives(obs)
    table = motives(obs, Assumptions()).set_index("parameter")
    for name in ("goal_guarding[strategic]", "rater_pleasing[strategic]"):
        assert table.loc[name, "low"] <= 2.0 <= table.loc[name, "high"]
        assert table.loc[name, "scale"] == "up to lambda"


@pytest.mark.parametrize("obs", [arms(np.random.default_rng(3), False), est.datasets.load_vlaf()])
def test_without_such_an_arm_there_is_no_table_of_motives(obs):
    assert not parts_motives(obs)
    assert motives(obs, Assumptions()).empty


def test_analyze_reads_arms_together_and_says_what_they_say():
    found = analyze(arms(np.random.default_rng(4), True), bootstrap=0, draws=0)
    assert found.payoff_bounds["arm"].tolist() == ["all"]
    assert set(found.gaps["arm"]) == {"odds", "half", "rated"}
    text = " ".join(summary(found, "arms").split())
    assert "goal guarding" in text
    assert "rater pleasing" in text
    assert "likelihood-ratio test is least at p =" in text
    assert max(map(len, summary(found, "arms").splitlines())) <= 80
