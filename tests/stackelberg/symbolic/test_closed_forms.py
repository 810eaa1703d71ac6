"""Each closed form twice: derived, it equals what THEORY states; evaluated, it is what the general solver finds."""

import numpy as np
import pytest
import sympy

import stackelberg as sb
from stackelberg import symbolic
from stackelberg.faking.normal_form import status_quo_strategy, tensors

FORMS = symbolic.closed_forms()
STATED = {
    "belief_train": "q*sigma_F1/(q*sigma_F1 + (1 - q)*sigma_F0)",
    "faking_lower": "beta_P + f/((1 - w_F)*K)",
    "faking_upper": "beta_F - f/(w_F*K)",
    "largest_plan_cost": "w_F*(1 - w_F)*K*(beta_F - beta_P)",
    "monitoring_threshold": "v*sigma_F0/(v*sigma_F0 + (K - v)*sigma_F1)",
    "log_odds_ratio": "lambda*K*(beta_F - beta_P)",
    "preference_of_largest_gap": "K*(beta_F + beta_P)/2",
    "largest_gap": "tanh(lambda*K*(beta_F - beta_P)/4)",
    "least_log_odds_ratio": "4*atanh(G)",
    "deterrence_gain": "pi*a - c*v/K",
    "detection_threshold": "A + a*(1 - v/K)/(v/K)",
    "compliant_mass": "B*K/v",
    "persuasion_value": "-c*B - pi*a*(1 - B*K/v)",
    "gain_over_revelation": "pi*a*B*(K - v)/v",
    "gain_over_silence": "pi*B*((A - g)*v + a*(K - v))/v",
    "robust_monitoring_threshold": "((v + epsilon)/K - alpha/2)/(1 - alpha)",
    "amnesty": "Min(q_C, beta) - Min(q_R, beta) - n_T/n_D*(beta_T - beta)",
    "objection_threshold": "Max(v/K, (v/K - o/K)/eta)",
    "objection_raises_below": "(1 - eta)*v",
    "objection_ends_faking_below": "(v/K - o/K)/beta_F",
}
"""THEORY 1.2 (the first nine), 1.4 and 1.5, typed here and nowhere in the package."""


def theory(text, formula):
    names = {s.name: s for s in formula.symbols}
    renamed = {"lambda": names.get("lambda", sympy.Symbol("lambda")), "pi": names.get("pi", sympy.pi)}
    return sympy.sympify(text.replace("lambda", "lam"), locals={**names, **renamed, "lam": renamed["lambda"]})


@pytest.mark.parametrize("name", STATED)
def test_the_derived_form_is_the_stated_one(name):
    difference = FORMS[name].expression - theory(STATED[name], FORMS[name])
    assert sympy.simplify(difference.rewrite(sympy.exp) if name == "largest_gap" else difference) == 0


def test_the_signs_of_the_monitoring_threshold():
    statics = FORMS["monitoring_threshold"].statics().set_index("symbol")["sign"]
    assert statics.to_dict() == {"v": "+", "K": "-", "sigma_F1": "-", "sigma_F0": "+"}
    assert str(FORMS["gain_over_revelation"].sign()) == "+"
    ratio = FORMS["log_odds_ratio"].statics().set_index("symbol")["sign"]
    assert ratio.to_dict() == {"K": "+", "lambda": "+", "beta_F": "+", "beta_P": "-"}


def test_the_gap_is_not_monotone_in_rationality():
    gap = FORMS["gap"].derivative(sympy.Symbol("lambda", positive=True))
    at = {"K": 1.0, "v": 1.2, "beta_F": 1.0, "beta_P": 0.0}
    assert gap(**at, **{"lambda": 2.0}) > 0 > gap(**at, **{"lambda": 8.0})


def drawn(seed):
    rng = np.random.default_rng(seed)
    v = rng.uniform(0.1, 0.9)
    return rng, {
        "v": v,
        "K": v + rng.uniform(0.05, 1.0),
        "a": rng.uniform(0.5, 1.5),
        "A": rng.uniform(0.0, 1.0),
        "g": rng.uniform(0.0, 0.5),
        "c": rng.uniform(0.01, 0.5),
        "pi": rng.uniform(0.1, 0.9),
    }


def numeric(values, cues, *, monitoring=0.5, budget=1.0, plan_cost=0.0):
    return sb.FakingGame(
        types=[
            sb.FollowerType(
                name="strategic",
                prior=values["pi"],
                preference=values["v"],
                goal_guarding=values["K"],
                plan_cost=plan_cost,
            ),
            sb.FollowerType(name="compliant", prior=1 - values["pi"], preference=-1.0),
        ],
        cues=cues,
        monitoring=monitoring,
        budget=budget,
        costs=sb.LeaderCosts(
            deploy_harm=values["a"],
            train_disagreement=values["A"],
            refusal_value=values["g"],
            monitoring_cost=values["c"],
        ),
    )


def value_of(name, values, **more):
    given = values | more
    return float(FORMS[name](**{s.name: given[s.name] for s in FORMS[name].symbols}))


@pytest.mark.parametrize("seed", range(5))
def test_the_symbolic_game_is_the_numeric_one(seed):
    rng, values = drawn(seed)
    shares = rng.dirichlet(np.ones(4))
    x = sympy.symbols("x:4", positive=True)
    game = symbolic.faking_game((*x[:3], 1 - sum(x[:3])))
    filled, strategy = game.evaluate(**values, f=0.07, x0=shares[0], x1=shares[1], x2=shares[2])
    leader, follower = tensors(numeric(values, sb.CuePolicy.informative(0.5), plan_cost=0.07))
    assert np.allclose(filled.follower_payoffs[0], follower[0], atol=1e-15)
    # the symbolic game weighs the strategic type's refusals with its prior and leaves the compliant out
    monitoring = -values["c"] * np.array([1, 1, 0, 0])[:, None]
    assert np.allclose(
        filled.leader_payoffs[0] - monitoring, values["pi"] * (leader[0] - monitoring), atol=1e-15
    )
    assert np.allclose(strategy, shares)


@pytest.mark.parametrize("seed", range(10))
def test_proposition_1_and_the_monitoring_threshold(seed):
    """Just inside the region the type fakes, just outside it does not; the same at the threshold in monitoring."""
    rng, values = drawn(seed)
    train, deploy, q = rng.uniform(0.55, 0.95), rng.uniform(0.05, 0.45), rng.uniform(0.2, 0.6)
    cues = sb.CuePolicy.fixed([[train, 1 - train], [deploy, 1 - deploy]])
    sent = {"w_F": q * train + (1 - q) * deploy}
    beliefs = numeric(values, cues, monitoring=q).beliefs()[0]
    sent |= {"beta_F": beliefs[0], "beta_P": beliefs[1]}
    assert beliefs[0] == pytest.approx(value_of("belief_train", values, q=q, sigma_F1=train, sigma_F0=deploy))
    cost = 0.5 * value_of("largest_plan_cost", values, **sent)
    for name, inward in (("faking_lower", 1e-6), ("faking_upper", -1e-6)):
        edge = value_of(name, values, f=cost, **sent) * values["K"]
        for shift, fakes in ((inward, True), (-inward, False)):
            moved = numeric(values | {"v": edge + shift}, cues, monitoring=q, plan_cost=cost)
            assert (moved.replies()["behaviour"][0] == "faker") is fakes
    beyond = 1.01 * value_of("largest_plan_cost", values, **sent)
    middle = values | {"v": np.mean(beliefs) * values["K"]}
    assert numeric(middle, cues, monitoring=q, plan_cost=beyond).replies()["behaviour"][0] != "faker"

    edge = value_of("monitoring_threshold", values, sigma_F1=train, sigma_F0=deploy)
    for shift, plan in ((1e-6, "comply"), (-1e-6, "refuse")):
        reply = numeric(values, cues, monitoring=edge + shift).replies()["plan"][0]
        assert reply.split("/")[0] == plan


@pytest.mark.parametrize("seed", range(10))
def test_the_logit_follower(seed):
    """The rates come from logit_replies of the general game; the largest gap from a scan over preferences."""
    rng, values = drawn(seed)
    belief = {"beta_F": rng.uniform(0.5, 1.0), "beta_P": rng.uniform(0.0, 0.5)}
    rationality = rng.uniform(0.5, 8.0)

    def rate(b, v):
        game = sb.BayesianStackelbergGame(np.zeros((1, 2, 2)), [[[values["K"] - v, 0.0], [-v, 0.0]]], [1.0])
        return sb.logit_replies(game, [b, 1 - b], rationality)[0, 0]

    both = [rate(b, values["v"]) for b in belief.values()]
    odds = np.log(both[0] / (1 - both[0])) - np.log(both[1] / (1 - both[1]))
    more = belief | {"lambda": rationality}
    assert odds == pytest.approx(value_of("log_odds_ratio", values, **more), rel=1e-9)
    assert both[0] - both[1] == pytest.approx(value_of("gap", values, **more), rel=1e-9)
    scan = np.linspace(-1, 2, 601) * values["K"]
    gaps = [rate(belief["beta_F"], v) - rate(belief["beta_P"], v) for v in scan]
    largest = value_of("largest_gap", values, **more)
    assert max(gaps) <= largest + 1e-12
    assert max(gaps) == pytest.approx(largest, abs=1e-3)
    best = value_of("preference_of_largest_gap", values, **more)
    assert rate(belief["beta_F"], best) - rate(belief["beta_P"], best) == pytest.approx(largest, abs=1e-12)
    assert value_of("least_log_odds_ratio", {}, G=both[0] - both[1]) <= odds + 1e-9


@pytest.mark.parametrize("seed", range(12))
def test_opaque_deterrence_and_detection(seed):
    """DOBSS on the opaque game: deters iff the gain is positive, and lets itself be refused iff g is large enough."""
    _, values = drawn(seed)
    values["A"] += values["g"]  # a seen refusal is no gain: A - g >= 0
    opaque = sb.CuePolicy.fixed([[1.0], [1.0]], cues=["any"])
    found = sb.solve(numeric(values, opaque).to_game(reduce=False), method="dobss")
    silent = -values["pi"] * values["a"]
    gain = value_of("deterrence_gain", values)
    assert found.value - silent == pytest.approx(max(gain, 0.0), abs=1e-7)
    assert found.strategy[0] == pytest.approx(values["v"] / values["K"] if gain > 0 else 0.0, abs=1e-7)
    # forced to monitor at the threshold, refusal is better for the leader from the detection threshold on
    beta = values["v"] / values["K"]
    for shift in (-1e-3, 1e-3):
        at = values | {"g": value_of("detection_threshold", values) + shift}
        game = numeric(at, opaque).to_game(reduce=False)
        reply = game.follower_actions[0][sb.best_replies(game, [beta, 1 - beta])[0]]  # a tie
        assert reply == ("refuse" if shift > 0 else "comply")


@pytest.mark.parametrize("seed", range(10))
def test_persuasion_under_a_budget(seed):
    """Free cues, budget below the threshold: DOBSS finds the value, and gains over revelation and silence."""
    rng, values = drawn(seed)
    values["A"] += values["g"]
    budget = values["v"] / values["K"] * rng.uniform(0.2, 0.9)
    values["c"] = 0.0  # so that all of the budget is used
    found = sb.solve(
        numeric(values, sb.CuePolicy.free(), budget=budget).to_game(reduce=False), method="dobss"
    )
    assert found.value == pytest.approx(value_of("persuasion_value", values, B=budget), abs=1e-7)

    def at_status_quo(cues, plan):
        game = numeric(values, cues, monitoring=budget)
        leader, _ = tensors(game)
        strategic = status_quo_strategy(game) @ leader[0]
        assert game.replies()["plan"][0] == plan
        names = ["comply/comply", "refuse/refuse", "comply/refuse", "refuse/comply"]
        return values["pi"] * strategic[names.index(plan)]

    revealing = at_status_quo(sb.CuePolicy.informative(1.0), "comply/refuse")
    silent = at_status_quo(sb.CuePolicy.informative(0.0), "refuse/refuse")
    assert found.value - revealing == pytest.approx(
        value_of("gain_over_revelation", values, B=budget), abs=1e-7
    )
    assert found.value - silent == pytest.approx(value_of("gain_over_silence", values, B=budget), abs=1e-7)
    s = value_of("pooled_share", values, B=budget)
    assert budget + (1 - budget) * s == pytest.approx(value_of("compliant_mass", values, B=budget))


@pytest.mark.parametrize("seed", range(10))
def test_an_anchored_follower(seed):
    """Least q of a fine grid at which an anchored follower gains epsilon from complying."""
    rng, values = drawn(seed)
    alpha, epsilon = rng.uniform(0.0, 0.3), rng.uniform(0.0, 0.05)
    edge = value_of("robust_monitoring_threshold", values, alpha=alpha, epsilon=epsilon)
    for q, moved in ((edge + 1e-9, True), (edge - 1e-9, False)):
        x = (1 - alpha) * np.array([q, 1 - q]) + alpha / 2
        own = x @ np.array([[values["K"] - values["v"], 0.0], [-values["v"], 0.0]])
        assert (own[0] - own[1] >= epsilon) == moved


@pytest.mark.parametrize("seed", range(20))
def test_two_stage_imitation(seed):
    """The follower's whole plan (train reply, deploy reply) by best_replies of a game with four plans."""
    rng, values = drawn(seed)
    K, v = values["K"], values["v"]
    told, after_comply, after_refuse = rng.random(3)
    n_T, n_D = rng.integers(1, 20, 2)

    def worth(belief, complies):  # a refusal that is seen costs K, a compliance costs v
        return -v if complies else -belief * K

    plans = [(train, deploy) for train in (True, False) for deploy in (True, False)]
    own = [
        n_T * worth(told, train) + n_D * worth(after_comply if train else after_refuse, deploy)
        for train, deploy in plans
    ]
    game = sb.BayesianStackelbergGame(np.zeros((1, 1, 4)), [[own]], [1.0])
    reveals = not plans[sb.best_replies(game, [1.0])[0]][0]
    gain = value_of(
        "amnesty",
        {},
        beta=v / K,
        beta_T=told,
        n_T=float(n_T),
        n_D=float(n_D),
        q_C=after_comply,
        q_R=after_refuse,
    )
    assert reveals == (gain > 0)


@pytest.mark.parametrize("seed", range(20))
def test_the_right_to_object(seed):
    """Replies of the game with three actions, just above and below the derived thresholds."""
    rng, values = drawn(seed)
    eta, o = rng.uniform(0.1, 0.9), rng.uniform(0.0, 0.9) * values["v"]

    def reply(belief, kept):
        K, v = values["K"], values["v"]
        table = [[0.0, v - K, v - kept * K - o], [0.0, v, v - o]]
        game = sb.BayesianStackelbergGame(np.zeros((1, 2, 3)), [table], [1.0])
        return game.follower_actions[0][sb.best_replies(game, [belief, 1 - belief])[0]][-1]

    edge = value_of("objection_threshold", values, eta=eta, o=o)
    if edge < 1:
        assert reply(min(edge + 1e-7, 1.0), eta) == "0"
        assert reply(edge - 1e-7, eta) != "0"
    plain = values["v"] / values["K"]
    assert (edge > plain) == (o < value_of("objection_raises_below", values, eta=eta))
    faker_belief = plain + (1 - plain) * rng.uniform(0.05, 1.0)
    limit = value_of("objection_ends_faking_below", values, o=o, beta_F=faker_belief)
    if 1e-6 < limit < 1:
        assert reply(faker_belief, limit - 1e-7) != "0"
        assert reply(faker_belief, limit + 1e-7) == "0"
