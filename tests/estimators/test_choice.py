"""The choice model: likelihood against scipy, replies against pygambit, singular designs named with their mend."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logsumexp

from estimators.choice import CommitmentChoice
from estimators.choice_cells import choice_cells
from estimators.choice_identification import IdentificationError, generic, judge, require_identified
from estimators.choice_likelihood import (
    ChoiceForm,
    Situations,
    expected_information,
    log_likelihood,
    logits,
    simulate,
    type_log_likelihoods,
)
from estimators.choice_recovery import ChoiceRecovery, arms_design
from estimators.count_cells import count_cells
from estimators.observations import ObservationError, Observations
from estimators.simulate import recover

USUAL = ("complier", "refuser", "strategic")


def design(arms, samples, repeats=1):
    """n (prompts, U) and the situations of arms, each a tuple of stated beliefs put to prompts of its own."""
    beliefs = sorted({b for arm in arms for b in arm}, reverse=True)
    n = np.array([[samples * (b in arm) for b in beliefs] for arm in arms])
    return np.tile(n, (repeats, 1)), Situations.at(beliefs)


def empty(n):
    return count_cells(n, np.zeros_like(n), np.zeros(n.shape[1]))


FORMS = [
    ChoiceForm(USUAL, 5),
    ChoiceForm(USUAL, 5, sharpness=True),
    ChoiceForm(USUAL, 5, sharpness=True, split=True),
    ChoiceForm(("strategic", "reverse", "strategic"), 5, sharpness=True, split=True, overdispersed=False),
    ChoiceForm(("complier", "free"), 5),
    ChoiceForm(("strategic",), 5, overdispersed=False),
]


def varied():
    """Situations that differ in everything, with counts."""
    rng = np.random.default_rng(4)
    told = Situations(
        np.array([1.0, 0.9, 0.5, 0.1, 0.0]),
        np.array([0.5, 0.3, 0.3, 0.6, 0.5]),
        np.array([1.0, 0.0, 1.4, 1.0, 0.0]),
        np.array([1.0, 1.0, 0.0, 1.0, 1.0]),
    )
    n = rng.integers(0, 8, (30, 5))
    n[0] = 3
    return count_cells(n, rng.binomial(n, rng.random((30, 5))), told.belief), told


class TestLikelihood:
    @pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(form.types))
    def test_gradient_and_hessian_match_finite_differences(self, form):
        cells, told = varied()
        for x in generic(form):
            _, gradient, hessian = log_likelihood(x, cells, form, told)
            ends = [
                [log_likelihood(x + s * e, cells, form, told) for s in (1, -1)] for e in 1e-5 * np.eye(len(x))
            ]
            by_value = np.array([up[0] - down[0] for up, down in ends]) / 2e-5
            by_gradient = np.array([up[1] - down[1] for up, down in ends]) / 2e-5
            np.testing.assert_allclose(gradient, by_value, rtol=1e-5, atol=1e-5 * np.abs(gradient).max())
            np.testing.assert_allclose(hessian, by_gradient, rtol=1e-5, atol=1e-5 * np.abs(hessian).max())

    @pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(form.types))
    def test_equals_the_mixture_of_scipys_laws(self, form):
        cells, told = varied()
        x = next(generic(form))
        expected = cells.weights @ logsumexp(type_log_likelihoods(x, cells, form, told), axis=1)
        assert log_likelihood(x, cells, form, told)[0] == pytest.approx(expected, abs=1e-8)

    def test_expected_information_is_the_variance_of_the_score(self):
        form = ChoiceForm(USUAL, 3)
        n, told = design([(0.9, 0.1), (0.5, 0.1)], 4)
        x = next(generic(form))
        rng = np.random.default_rng(0)
        total = np.zeros((len(x), len(x)))
        for row in n:
            k = simulate(rng, x, np.tile(row, (6000, 1)), form, told)
            cells = count_cells(np.tile(row, (6000, 1)), k, told.belief)
            for c in range(len(cells.k)):
                one = count_cells(cells.n[[c]], cells.k[[c]], told.belief)
                score = log_likelihood(x, one, form, told)[1]
                total += cells.weights[c] / 6000 * np.outer(score, score)
        exact = expected_information(x, empty(n), form, told)
        scale = np.sqrt(np.diag(exact))
        np.testing.assert_allclose(total / np.outer(scale, scale), exact / np.outer(scale, scale), atol=0.06)


class TestReplies:
    @settings(max_examples=40, deadline=None)
    @given(
        st.floats(0.01, 0.99),
        st.floats(-3, 3),
        st.floats(0.1, 20),
        st.floats(0.2, 3),
        st.floats(0.05, 0.95),
    )
    def test_the_reply_depends_on_payoffs_as_theory_says(
        self, belief, threshold, incentive, kappa, monitoring
    ):
        """It is ½ at β̃ = β*, rises with the belief, and at κ = 1 knows nothing of q."""
        form = ChoiceForm(("strategic",), 1, sharpness=True, overdispersed=False)
        x = np.array([np.log(incentive), threshold, np.log(kappa)])
        told = Situations.at([belief], monitoring)
        odds = (
            monitoring / (1 - monitoring) * (belief / (1 - belief) * (1 - monitoring) / monitoring) ** kappa
        )
        perceived = odds / (1 + odds)
        assert logits(x, form, told)[0][0, 0] == pytest.approx(incentive * (perceived - threshold), abs=1e-9)
        bayes = logits(np.array([np.log(incentive), threshold, 0.0]), form, told)[0][0, 0]
        assert bayes == pytest.approx(incentive * (belief - threshold), abs=1e-12)

    @pytest.mark.parametrize(
        ("belief", "incentive", "preference"), [(0.9, 2.0, 0.7), (0.2, 5.0, 1.1), (0.55, 1.0, -0.4)]
    )
    @pytest.mark.parametrize("precision", [0.3, 1.0, 4.0])
    def test_agrees_with_the_quantal_response_equilibrium_of_pygambit(
        self, belief, incentive, preference, precision
    ):
        gambit = pytest.importorskip(
            "pygambit", reason="pygambit is not installed (17.0.0b2 has wheels for 3.12)"
        )
        game = gambit.StrategicGame.from_arrays(
            np.array([[belief * incentive - preference], [0.0]]), np.zeros((2, 1))
        )
        # Players and strategies of a table are labelled by their numbers.
        point = gambit.qre.logit_solve_lambda(game, lam=precision)[0]
        reply = point.profile["1"]["1"]
        form = ChoiceForm(("strategic",), 1, overdispersed=False)
        x = np.array([np.log(precision * incentive), preference / incentive])
        assert float(expit(logits(x, form, Situations.at([belief]))[0][0, 0])) == pytest.approx(
            float(reply), abs=1e-9
        )


class TestIdentification:
    @pytest.mark.parametrize(
        ("arms", "samples", "sharpness", "kinds", "confused", "mend"),
        [
            ([(0.9,)], 10, False, USUAL, "beta_star", "add an arm with stated belief"),
            ([(0.9, 0.1)], 10, True, USUAL, "log_kappa", "add an arm with stated belief 0.7 or"),
            ([(0.9, 0.5), (0.1,)], 10, True, USUAL, "log_kappa", "add an arm with stated belief 0.7 or"),
            ([(0.9, 0.1)], 1, False, USUAL, "log_phi", "take at least 2 samples"),
            ([(0.9, 0.1)], 2, False, ("free", "free", "free"), "rank 8 of 9", "take at least 3 samples"),
        ],
    )
    def test_singular_designs_raise_with_the_reason_and_a_mend_that_works(
        self, arms, samples, sharpness, kinds, confused, mend
    ):
        n, told = design(arms, samples)
        form = ChoiceForm(kinds, len(told), sharpness=sharpness)
        with pytest.raises(IdentificationError, match=confused) as raised:
            require_identified(form, told, empty(n))
        assert mend in str(raised.value)
        if "stated belief" in mend:
            new = float(str(raised.value).split("stated belief ")[1].split(" ")[0])
            n, told = design([(*arm, new) for arm in arms], samples)
        else:
            n, told = design(arms, int(mend.split()[3]))
        require_identified(ChoiceForm(kinds, len(told), sharpness=sharpness), told, empty(n))

    @pytest.mark.parametrize(
        ("arms", "samples", "sharpness"),
        [
            (
                [(0.9, 0.1)],
                2,
                False,
            ),  # rates of compliers and refusers are tied over contexts: 7 unknowns, 8 cells
            ([(0.9, 0.1), (0.7, 0.3)], 10, True),
            ([(0.9, 0.7, 0.1)], 5, True),
            ([(0.9, 0.1), (0.7, 0.3), (0.5, 0.1)], 10, True),
        ],
    )
    def test_regular_designs_pass_and_have_full_rank_at_parameters_with_nothing_special(
        self, arms, samples, sharpness
    ):
        n, told = design(arms, samples)
        form, cells = ChoiceForm(USUAL, len(told), sharpness=sharpness), empty(n)
        require_identified(form, told, cells)
        found = [judge(expected_information(x, cells, form, told), form.names) for x in generic(form)]
        assert max(each.rank for each in found) == len(form.names)
        assert min(each.condition for each in found) < 1e8

    def test_the_split_of_the_incentive_needs_an_arm_that_is_rated_only(self):
        frame = observed(rated_only=False).frame
        with pytest.raises(
            IdentificationError, match=r"goal_part.*add an arm that is rated but not trained on"
        ):
            CommitmentChoice(goal_guarding=True).fit(
                Observations.from_frame(frame, orientation="complied-is-agreement")
            )


def two_types(n, k, told):
    """BIC of a fit without a strategic type."""
    return (
        CommitmentChoice(("complier", "refuser"), family="binomial")
        .fit_cells(count_cells(n, k, told.belief), told)
        .bic_
    )


def observed(rated_only=True, prompts=300, seed=2):
    """Counts of arms that are trained on and rated, and of one that is rated only, as a user has them."""
    arms = [("strong", 0.9, True), ("weak", 0.6, True), *[("rated", 0.9, False)] * rated_only]
    form = ChoiceForm(USUAL, 5, split=True)
    told = Situations(
        np.array([0.9, 0.6, 0.9, 0.1, 0.1]),
        np.full(5, 0.5),
        np.array([1.0, 1.0, 0.0, 1.0, 0.0]),
        np.ones(5),
    )
    x = np.array([0.6, 0.2, 2.6, -2.9, np.log(8.0), 0.35, 0.7, np.log(20.0)])
    column = {(b, t): u for u, (b, t) in enumerate(zip(told.belief, told.goal > 0))}
    n = np.zeros((prompts, 5), np.int64)
    for i in range(prompts):
        _, belief, trained = arms[i % len(arms)]
        n[i, [column[belief, trained], column[0.1, trained]]] = 10
    k = simulate(np.random.default_rng(seed), x, n, form, told)
    rows = []
    for i in range(prompts):
        arm, belief, trained = arms[i % len(arms)]
        for context, stated in (("train", belief), ("deploy", 0.1)):
            u = column[stated, trained]
            rows.append((f"p{i}", arm, context, stated, trained, True, 10, k[i, u]))
    columns = ["prompt_id", "arm", "context", "stated_belief", "trained", "rated", "n", "complied"]
    return Observations.from_frame(pd.DataFrame(rows, columns=columns), orientation="complied-is-agreement")


class TestFit:
    def test_goal_guarding_and_rater_pleasing_come_apart_with_standard_errors(self):
        fit = CommitmentChoice(goal_guarding=True).fit(observed(prompts=900))
        table = fit.summary.set_index("parameter")
        for name, truth in {
            "goal_guarding[strategic]": 5.6,
            "rater_pleasing[strategic]": 2.4,
            "beta_star[strategic]": 0.35,
        }.items():
            assert abs(table.loc[name, "estimate"] - truth) < 4 * table.loc[name, "se"] < 4
        parts = table.loc[["goal_guarding[strategic]", "rater_pleasing[strategic]"], "estimate"].sum()
        assert parts == pytest.approx(table.loc["lambda_K[strategic]", "estimate"])
        assert fit.converged_
        assert np.abs(fit.gradient_norm_) < 1e-3

    def test_payoffs_say_that_they_are_known_up_to_scale_and_no_lambda_stands_alone(self, capsys):
        fit = CommitmentChoice().fit(observed(rated_only=False))
        scale = fit.summary.set_index("parameter")["scale"]
        assert (scale[[name for name in scale.index if name.startswith("lambda")]] == "up to lambda").all()
        assert scale["beta_star[strategic]"] == "point"
        assert not any(name in scale.index for name in ("lambda", "K[strategic]", "v[strategic]"))
        fit.print_summary()
        assert "known up to the logit precision lambda only" in capsys.readouterr().out

    def test_two_strategic_types_come_in_the_order_of_their_thresholds(self):
        n, told = design([(0.9, 0.5, 0.1)], 10, 400)
        form = ChoiceForm(("refuser", "strategic", "strategic"), 3, overdispersed=False)
        x = np.array([0.0, 0.0, -3.0, np.log(8.0), 0.3, np.log(8.0), 0.7])
        k = simulate(np.random.default_rng(5), x, n, form, told)
        fit = CommitmentChoice(form.types, family="binomial").fit_cells(count_cells(n, k, told.belief), told)
        np.testing.assert_allclose(fit.types_["beta_star"].to_numpy()[1:], [0.3, 0.7], atol=0.05)

    @pytest.mark.filterwarnings("ignore::estimators.newton.EstimationWarning")
    def test_without_a_strategic_type_none_is_found_or_the_fit_says_that_it_knows_nothing_of_it(self):
        n, told = design([(0.9, 0.1), (0.5, 0.1)], 10, 100)
        form = ChoiceForm(("complier", "refuser"), len(told), overdispersed=False)
        for seed in range(4):
            k = simulate(np.random.default_rng(seed), np.array([0.0, 2.0, -2.0]), n, form, told)
            fit = CommitmentChoice(family="binomial").fit_cells(count_cells(n, k, told.belief), told)
            share = fit.types_.set_index("type")["share"]
            assert (
                share["strategic"] < 0.02
                or fit.status_ in ("at bound", "singular")
                or fit.bic_ > two_types(n, k, told)
            )

    def test_probability_of_faking_is_the_share_of_draws_between_the_beliefs(self):
        fit = CommitmentChoice().fit(observed(rated_only=False))
        threshold = fit.types_.set_index("type").loc["strategic", "beta_star"]
        assert fit.faking_probability(0.95, 0.02)["fakes"].iloc[0] == 1.0
        assert fit.faking_probability(0.15, 0.02)["fakes"].iloc[0] == 0.0
        assert 0.3 < fit.faking_probability(threshold, 0.02)["fakes"].iloc[0] < 0.7

    def test_rates_of_the_fit_meet_the_counts(self):
        obs = observed(rated_only=False, prompts=600)
        fit = CommitmentChoice().fit(obs)
        predicted = fit.rates([0.9, 0.6, 0.1])
        pooled = obs.frame.groupby("stated_belief")[["complied", "n"]].sum()
        seen = (pooled["complied"] / pooled["n"]).loc[[0.9, 0.6, 0.1]].to_numpy()
        assert (np.abs(predicted["rate"] - seen) < 4 * predicted["se"]).all()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"types": ("faker",)}, "type 'faker' is not known"),
            ({"types": ("complier", "complier")}, "at most one complier"),
            ({"types": ("refuser",), "sharpness": True}, "there is none"),
            ({"family": "normal"}, "family is 'normal'"),
            ({"level": 2.0}, "level is 2.0"),
            ({"monitoring": 1.0}, "inside"),
            ({"monitoring": {"strong": 0.5}}, "arm 'weak' has no monitoring share"),
        ],
    )
    def test_wrong_options_are_named(self, options, message):
        with pytest.raises(ValueError, match=message):
            CommitmentChoice(**options).fit(observed(rated_only=False))


def test_arms_of_one_prompt_are_one_unit_and_rows_without_belief_are_counted():
    frame = pd.DataFrame(
        {
            "prompt_id": ["a"] * 5,
            "arm": ["x", "x", "y", "y", "z"],
            "context": ["train", "deploy", "train", "deploy", "none"],
            "n": 4,
            "complied": [3, 1, 2, 0, 4],
        }
    )
    obs = Observations.from_frame(frame, orientation="complied-is-disagreement")
    cells, told, unused = choice_cells(obs, {"train": 1.0, "deploy": 0.0})
    assert (cells.n.tolist(), cells.k.tolist(), told.belief.tolist(), unused) == (
        [[8, 8]],
        [[3, 7]],
        [1.0, 0.0],
        1,
    )
    with pytest.raises(ObservationError, match="no row has a belief"):
        choice_cells(obs, {})


def test_a_row_without_a_cue_may_leave_blank_what_it_is_not_told_and_only_such_a_row():
    cue = {"arm": "cue", "trained": True, "rated": True, "n": 5}
    none = {"arm": "no-cue", "context": "none", "trained": None, "rated": None, "n": 5, "complied": 2}
    rows = [cue | {"context": "train", "complied": 4}, cue | {"context": "deploy", "complied": 1}, none]
    frame = pd.DataFrame([row | {"prompt_id": "a"} for row in rows])
    obs = Observations.from_frame(frame, orientation="complied-is-agreement")
    beliefs = {"train": 1.0, "deploy": 0.0}
    cells, told, unused = choice_cells(obs, beliefs)
    assert (cells.k.tolist(), told.rated.tolist(), unused) == ([[4, 1]], [1, 1], 1)
    with pytest.raises(ObservationError, match=r"'trained' is blank in a row with a belief"):
        choice_cells(obs, beliefs | {"none": 0.5})


@pytest.mark.slow
def test_recovers_at_the_bound_with_the_sharpness_known():
    """The design of THEORY 2.3 (iii), 150 runs: four standard errors of Monte Carlo around 1 and .95."""
    design, beliefs = arms_design([(0.9, 0.1), (0.7, 0.3), (0.5, 0.1)], 501, 10)
    x = (np.log(0.55 / 0.25), np.log(0.2 / 0.25), 2.6, -2.9, np.log(6.0), 0.45, np.log(20.0))
    found = recover(
        ChoiceRecovery(ChoiceForm(USUAL, 5), tuple(map(float, x)), beliefs), design, replicates=150
    )
    table = found.table
    assert not len(found.failures)
    assert ((table["ratio"] - 1).abs() < 4 * table["ratio_se"]).all()
    assert ((table["coverage"] - 0.95).abs() < 4 * np.sqrt(0.95 * 0.05 / 150)).all()
    assert (found.decisions.loc[found.decisions["verdict"] == "truth_beats_fit", "value"] == "False").all()
