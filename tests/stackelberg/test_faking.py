"""The faking game: beliefs, Proposition 1, thresholds, tensors, and three oracles for the best commitment."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import stackelberg as sb
from stackelberg.faking import OutsideEnvelopeError, belief, envelope
from stackelberg.faking.normal_form import normal_form, status_quo_strategy, vertices

few = settings(max_examples=60, deadline=None)
many = settings(max_examples=300, deadline=None)
probability = st.floats(0, 1).map(lambda p: round(p, 4))
inside = st.floats(0.01, 0.99).map(lambda p: round(p, 4))
utils = st.one_of(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), st.floats(-3, 3).map(lambda x: round(x, 4)))
cost = st.floats(0, 2).map(lambda x: round(x, 4))


@st.composite
def follower_types(draw, most=3, plan_cost=False, sharp=False):
    count = draw(st.integers(1, most))
    weights = np.array(draw(st.lists(st.integers(1, 9), min_size=count, max_size=count)), dtype=float)
    prior = weights / weights.sum()
    return [
        sb.FollowerType(
            name=f"type {k}",
            prior=float(prior[k]),
            preference=draw(utils),
            goal_guarding=draw(utils),
            sycophancy=draw(utils),
            plan_cost=draw(st.sampled_from([0.0, 0.05, 0.3])) if plan_cost else 0.0,
            cue_sharpness=draw(st.sampled_from([0.5, 1.0, 2.0])) if sharp else 1.0,
        )
        for k in range(count)
    ]


@st.composite
def leader_costs(draw):
    return sb.LeaderCosts(
        deploy_harm=draw(utils),
        train_disagreement=draw(utils),
        refusal_value=draw(cost),
        monitoring_cost=draw(cost),
    )


@st.composite
def two_cue_tables(draw):
    train, deploy = draw(probability), draw(probability)
    return [[train, 1 - train], [deploy, 1 - deploy]]


@st.composite
def envelope_games(draw):
    """Inside the envelope's domain: K and A - g of either sign."""
    return sb.FakingGame(
        types=draw(follower_types()),
        cues=sb.CuePolicy.free(),
        budget=draw(probability),
        costs=draw(leader_costs()),
    )


@st.composite
def other_games(draw):
    """Outside it: plan costs, fixed or capped cues, cue costs, several methods, one to three cues."""
    cues = draw(st.sampled_from([("train", "deploy"), ("free", "paid", "none")]))
    count = len(cues)
    kind = draw(st.sampled_from(["fixed", "caps", "free"]))
    costs = draw(st.lists(st.sampled_from([0.0, 0.1]), min_size=count, max_size=count))
    rows = np.array(draw(st.lists(st.integers(1, 9), min_size=2 * count, max_size=2 * count)), dtype=float)
    rows = rows.reshape(2, count)
    if kind == "fixed":
        policy = sb.CuePolicy.fixed(rows / rows.sum(axis=1, keepdims=True), cues, costs)
    elif kind == "caps":
        policy = sb.CuePolicy.free(np.clip(rows / 8, 0.5, 1.0), cues, costs)
    else:
        policy = sb.CuePolicy.free(cues=cues, costs=costs)
    methods = [sb.Method(f"method {k}", draw(utils)) for k in range(draw(st.integers(1, 2)))]
    return sb.FakingGame(
        types=draw(follower_types(most=2, plan_cost=True)),
        methods=methods,
        cues=policy,
        monitoring=draw(probability),
        budget=draw(probability),
        costs=draw(leader_costs()),
    )


def scale(game):
    return 1 + float(np.abs(game.to_game(reduce=False).leader_payoffs).max())


@many
@given(probability, two_cue_tables())
def test_beliefs_obey_bayes_rule(q, sigma):
    beliefs, shares = belief.posterior(q, sigma), belief.cue_shares(q, sigma)
    assert shares.sum() == pytest.approx(1)
    for s in range(2):
        if shares[s] > 0:
            assert beliefs[s] * shares[s] == pytest.approx(q * sigma[0][s], abs=1e-15)
        else:
            assert np.isnan(beliefs[s])
    assert np.nansum(beliefs * shares) == pytest.approx(q, abs=1e-12)  # beliefs average to the prior


@many
@given(inside, inside, inside, st.floats(0.1, 3))
def test_sharpness_scales_the_evidence_on_the_log_odds(q, train, deploy, kappa):
    sigma = [[train, 1 - train], [deploy, 1 - deploy]]
    odds = belief.posterior(q, sigma, kappa) / (1 - belief.posterior(q, sigma, kappa))
    evidence = np.log(np.array(sigma[0]) / np.array(sigma[1]))
    assert np.log(odds) == pytest.approx(np.log(q / (1 - q)) + kappa * evidence, abs=1e-8)


@many
@given(follower_types(most=2, plan_cost=True), two_cue_tables(), inside)
def test_proposition_1_is_what_best_replies_do(types, sigma, q):
    game = sb.FakingGame(types=types, cues=sb.CuePolicy.fixed(sigma), monitoring=q)
    region, plans = game.faking_region(), game.best_plans()
    beliefs = game.beliefs()
    for k, row in region.iterrows():
        if not np.isfinite([row["lower"], row["upper"]]).all():
            continue
        margin = 1e-7 + abs(row["belief_threshold"]) * 1e-7
        train = int(np.argmax(beliefs[k]))
        fakes = plans[k, train] and not plans[k, 1 - train]
        if row["lower"] + margin < row["belief_threshold"] < row["upper"] - margin:
            assert fakes
            assert row["faking"]
        elif not row["lower"] - margin <= row["belief_threshold"] <= row["upper"] + margin:
            assert not fakes
            assert not row["faking"]


@many
@given(follower_types(most=1, plan_cost=True), two_cue_tables())
def test_monitoring_threshold_separates_refusal_from_compliance(types, sigma):
    game = sb.FakingGame(types=types, cues=sb.CuePolicy.fixed(sigma), monitoring=0.5)
    thresholds = game.monitoring_threshold()["monitoring_threshold"].to_numpy()
    K, v = game.status_quo_incentive()[0], types[0].preference
    assume(abs(v) > 1e-3 and abs(K) > 1e-3 and abs(K - v) > 1e-3)
    for s, threshold in enumerate(thresholds):
        if not sigma[0][s] + sigma[1][s]:
            continue
        for q in np.linspace(0.003, 0.997, 37):
            if np.isnan(game_belief(game, q)[s]) or abs(q - threshold) < 1e-6:
                continue
            complies = replace(game, monitoring=q).best_plans()[0, s]
            if not np.isnan(threshold) and q > threshold:
                assert complies
            elif K > 0 and not types[0].plan_cost:
                assert not complies


def game_belief(game, q):
    return belief.posterior(q, game.cue_probabilities())


@few
@given(inside, inside, inside, st.floats(0.2, 0.9))
def test_threshold_with_sharpness_is_where_the_type_is_indifferent(train, deploy, v, kappa):
    member = sb.FollowerType(name="t", prior=1, preference=v, goal_guarding=1.0, cue_sharpness=kappa)
    game = sb.FakingGame(types=[member], cues=sb.CuePolicy.fixed([[train, 1 - train], [deploy, 1 - deploy]]))
    for s, q in enumerate(game.monitoring_threshold()["monitoring_threshold"]):
        assert replace(game, monitoring=float(q)).comply_gain()[0, s] == pytest.approx(0, abs=1e-6)


def test_revealing_cues_make_faking_immune_to_monitoring_and_opaque_ones_do_not():
    """THEORY 1.2: with perfect cues every type with 0 < v < K fakes at every q; opaque cues with q >= v/K cure it."""
    member = sb.FollowerType(name="t", prior=1, preference=0.4, goal_guarding=1.0)
    for q in (0.01, 0.5, 0.99):
        revealing = sb.FakingGame(types=[member], cues=sb.CuePolicy.informative(1.0), monitoring=q)
        assert revealing.replies()["behaviour"].tolist() == ["faker"]
        opaque = sb.FakingGame(types=[member], cues=sb.CuePolicy.informative(0.0), monitoring=q)
        assert opaque.replies()["behaviour"].tolist() == ["complier" if q >= 0.4 else "refuser"]


def test_types_are_named_by_what_they_do():
    def member(name, v, K):
        return sb.FollowerType(name=name, prior=0.25, preference=v, goal_guarding=K)

    game = sb.FakingGame(
        types=[member("a", -1, 0), member("b", 1, 0), member("c", 0.5, 1), member("d", -0.5, -1)],
        cues=sb.CuePolicy.informative(1.0),
    )
    assert game.replies()["behaviour"].tolist() == ["complier", "refuser", "faker", "reverse"]


@few
@given(other_games())
def test_the_normal_form_implies_the_replies_of_the_belief_form(game):
    """Maximising x U over plans is maximising posterior expectations cue by cue (Bayes' rule is implied)."""
    assume(game.cues.probabilities is not None)
    form = normal_form(game)
    x = status_quo_strategy(game)
    assert x.sum() == pytest.approx(1)
    replies = sb.best_replies(form, x)
    plans = game.best_plans()
    labels = ["/".join("comply" if c else "refuse" for c in plan) for plan in plans]
    chosen = [form.follower_actions[l][j] for l, j in enumerate(replies)]
    expected = x @ form.follower_payoffs  # (types, plans)
    for l, (a, b) in enumerate(zip(labels, chosen, strict=True)):
        values = dict(zip(form.follower_actions[l], expected[l], strict=True))
        assert values[a] == pytest.approx(values[b], abs=1e-8)


@few
@given(other_games(), st.integers(0, 2**20))
def test_the_reduction_spans_exactly_the_leaders_polytope(game, seed):
    """Every vertex, and so every mixture of them, meets the constraints; every feasible point is a mixture."""
    V = vertices(game)
    more = normal_form(game).constraints
    assert V.sum(axis=1) == pytest.approx(np.ones(len(V)))
    if more is not None:
        assert (more.b_ub + 1e-9 >= V @ more.A_ub.T).all()
        assert np.allclose(V @ more.A_eq.T, more.b_eq, atol=1e-9)
    from scipy.optimize import linprog

    direction = np.random.default_rng(seed).normal(size=V.shape[1])
    limits = {} if more is None else {"A_ub": more.A_ub, "b_ub": more.b_ub}
    equal = np.ones((1, V.shape[1])) if more is None else np.vstack([np.ones(V.shape[1]), more.A_eq])
    levels = [1.0] if more is None else [1.0, *more.b_eq]
    best = linprog(-direction, **limits, A_eq=equal, b_eq=levels, method="highs")
    assert -best.fun == pytest.approx((V @ direction).max(), abs=1e-7)


@many
@given(envelope_games())
def test_envelope_and_both_solvers_agree_inside_its_domain(game):
    commitment = game.optimal_commitment()
    assert commitment.method == "envelope"
    assert commitment.certificate.claim == "optimal"
    assert commitment.certificate.upper_bound >= commitment.certificate.value
    for method in ("dobss", "multiple-lps"):
        other = game.optimal_commitment(method=method)
        assert other.value == pytest.approx(commitment.value, abs=1e-9 * scale(game))
    assert commitment.monitoring <= game.budget + 1e-12


@few
@given(other_games())
def test_solvers_agree_outside_it_reduced_or_not(game):
    reduced, full = game.to_game(reduce=True), game.to_game(reduce=False)
    values = [
        sb.solve(reduced, method="multiple-lps").value,
        sb.solve(full, method="dobss").value,
        sb.solve(reduced, method="dobss").value,
    ]
    assert values == pytest.approx([values[0]] * 3, abs=1e-9 * scale(game))


@few
@given(envelope_games(), st.lists(probability, min_size=2, max_size=6))
def test_the_envelope_bound_holds_at_random_splits(game, points):
    """Any two beliefs that average to a share within budget are worth no more than the rational bound."""
    bound = envelope.rational_upper_bound(game, game.optimal_commitment().monitoring)
    V = envelope.belief_value(game, np.array(points))
    for b0, v0 in zip(points, V, strict=True):
        for b1, v1 in zip(points, V, strict=True):
            for w in (0.0, 0.25, 0.5, 1.0):
                q = w * b0 + (1 - w) * b1
                if q <= game.budget:
                    assert w * v0 + (1 - w) * v1 - game.costs.monitoring_cost * q <= float(
                        bound
                    ) + 1e-9 * scale(game)


@settings(deadline=None)
@given(cost, inside, st.floats(0.05, 2), inside)
def test_closed_form_of_two_types_and_opaque_cues(harm, pi, c, beta):
    """THEORY 1.4: with A >= g, monitor v/K if c v/K <= pi a, else not at all."""
    assume(abs(c * beta - pi * harm) > 1e-6)
    game = sb.FakingGame(
        types=[
            sb.FollowerType(name="strategic", prior=pi, preference=beta, goal_guarding=1.0),
            sb.FollowerType(name="compliant", prior=1 - pi, preference=-1.0),
        ],
        cues=sb.CuePolicy.informative(0.0),
        costs=sb.LeaderCosts(deploy_harm=harm, monitoring_cost=c),
    )
    assert game.optimal_commitment().monitoring == pytest.approx(
        beta if c * beta <= pi * harm else 0.0, abs=1e-9
    )


def test_persuasion_with_a_short_budget():
    """THEORY 1.4: pool so that the train cue is just believed; value -cB - pi a (1 - BK/v)."""
    game = sb.FakingGame(
        types=[
            sb.FollowerType(name="strategic", prior=0.5, preference=0.5, goal_guarding=1.0),
            sb.FollowerType(name="compliant", prior=0.5, preference=-1.0),
        ],
        cues=sb.CuePolicy.free(),
        budget=0.25,
        costs=sb.LeaderCosts(deploy_harm=1.0, monitoring_cost=0.0625),
    )
    commitment = game.optimal_commitment()
    assert commitment.certificate.value == Fraction(-17, 64)  # -1/64 - 1/2 (1 - 1/2)
    assert commitment.beliefs.tolist() == [0.5, 0.0]
    assert commitment.cue_probabilities[0].tolist() == [1.0, 0.0]


@few
@given(envelope_games())
def test_cost_flips_are_where_the_advice_changes(game):
    none_above, all_below = envelope.cost_flips(game)
    assume(game.budget > 0.01)
    step = 1e-6 * scale(game)
    for price, expected in ((none_above + step, 0.0), (all_below - step, game.budget)):
        if price >= 0:
            other = replace(game, costs=replace(game.costs, monitoring_cost=price))
            assert other.optimal_commitment().monitoring == pytest.approx(expected, abs=1e-9)
    if none_above - step > 0:
        other = replace(game, costs=replace(game.costs, monitoring_cost=none_above - step))
        assert other.optimal_commitment().monitoring > 0


@few
@given(envelope_games(), st.floats(0.5, 20))
def test_logit_commitment_is_best_within_its_stated_error(game, rationality):
    game = replace(game, types=[replace(t, rationality=rationality) for t in game.types])
    commitment = game.logit_commitment()
    beliefs = np.linspace(0, 1, 57)
    V = envelope.logit_belief_value(game, beliefs)
    q = np.add.outer(beliefs, beliefs) / 2
    pairs = np.add.outer(V, V) / 2 - game.costs.monitoring_cost * q
    assert (pairs[q <= game.budget] <= commitment.value + commitment.error + 1e-9 * scale(game)).all()
    sent = ~np.isnan(commitment.beliefs)
    own = (
        envelope.logit_belief_value(game, commitment.beliefs[sent]) @ commitment.shares.sum(axis=(0, 1))[sent]
    )
    assert own - game.costs.monitoring_cost * commitment.monitoring == pytest.approx(
        commitment.value, abs=1e-9
    )


@few
@given(follower_types(most=3, sharp=True), two_cue_tables(), leader_costs(), probability)
def test_breakpoints_beat_a_fine_grid_of_monitoring_shares(types, sigma, costs, budget):
    game = sb.FakingGame(types=types, cues=sb.CuePolicy.fixed(sigma), costs=costs, budget=budget)
    commitment = game.optimal_commitment(method="breakpoints")
    from stackelberg.faking.commitment import _value_at

    for q in np.linspace(0, budget, 101):
        plans = replace(game, monitoring=float(q)).best_plans()
        assert _value_at(game, float(q), plans) <= commitment.value + 1e-7 * scale(
            replace(game, types=[replace(t, cue_sharpness=1.0) for t in types])
        )
    if all(t.cue_sharpness == 1 for t in types):
        assert commitment.value == pytest.approx(game.optimal_commitment(method="dobss").value, abs=1e-7)


@pytest.mark.parametrize(
    ("change", "feature"),
    [
        ({"cues": sb.CuePolicy.informative(1.0)}, "fixed cues"),
        ({"cues": sb.CuePolicy.free(caps=[[1, 1], [0.5, 1]])}, "caps on the cues"),
        ({"cues": sb.CuePolicy.free(costs=[0.1, 0])}, "cue costs"),
        ({"methods": [sb.Method("dpo"), sb.Method("grpo", 0.5)]}, "several methods"),
        ({"types": [sb.FollowerType(name="t", prior=1, preference=1, plan_cost=0.1)]}, "a plan cost"),
        ({"types": [sb.FollowerType(name="t", prior=1, preference=1, cue_sharpness=2)]}, "a cue sharpness"),
    ],
)
def test_outside_its_domain_the_envelope_names_the_feature(change, feature):
    types = [sb.FollowerType(name="t", prior=1, preference=0.5, goal_guarding=1)]
    game = replace(sb.FakingGame(types=types, cues=sb.CuePolicy.free()), **change)
    with pytest.raises(OutsideEnvelopeError, match=feature):
        game.optimal_commitment(method="envelope")


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: sb.FollowerType(name="opus", prior=-0.1, preference=0), ["'opus'", "prior", "-0.1"]),
        (lambda: sb.FollowerType(name="opus", prior=1, preference=np.nan), ["'opus'", "preference", "nan"]),
        (lambda: sb.LeaderCosts(monitoring_cost=-1), ["monitoring_cost", "-1"]),
        (lambda: sb.CuePolicy.fixed([[0.9, 0.2], [0.1, 0.9]]), ["monitored conversations sum to 1.1"]),
        (lambda: sb.CuePolicy.fixed([[0.9, 0.1]]), ["(1, 2)", "(2, 2)"]),
        (lambda: sb.CuePolicy.informative(1.5), ["informativeness", "1.5"]),
        (lambda: sb.CuePolicy.free(caps=[[0.3, 0.3], [1, 1]]), ["caps", "less than one"]),
        (lambda: sb.FakingGame(types=[]), ["types", "at least one"]),
        (
            lambda: sb.FakingGame(types=[sb.FollowerType(name="t", prior=0.5, preference=0)]),
            ["priors", "0.5"],
        ),
        (
            lambda: sb.FakingGame(types=[sb.FollowerType(name="t", prior=1, preference=0)], monitoring=1.2),
            ["monitoring", "1.2"],
        ),
        (
            lambda: sb.FakingGame(
                types=[sb.FollowerType(name="t", prior=1, preference=0)], method_mix=[0.5, 0.5]
            ),
            ["method_mix", "1 methods"],
        ),
        (
            lambda: sb.FakingGame(
                types=[sb.FollowerType(name="t", prior=1, preference=0)], cues=sb.CuePolicy.free()
            ).beliefs(),
            ["fixed cues"],
        ),
    ],
)
def test_bad_faking_games_name_the_culprit(build, words):
    with pytest.raises(sb.GameError) as error:
        build()
    for word in words:
        assert word in str(error.value)
