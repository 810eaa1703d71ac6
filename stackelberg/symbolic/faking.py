"""The faking game in symbols, and the closed forms that follow from it by algebra.

The game is the normal form of :mod:`stackelberg.faking.normal_form` with one strategic type: leader actions
(monitored or not, cue), follower plans "what to do at each cue".  Nothing here states a result: every closed form is
what :class:`stackelberg.symbolic.SymbolicGame` finds for a game that is written down.

========  =======================================  ========  ========================================
symbol    meaning                                  symbol    meaning
========  =======================================  ========  ========================================
q         monitoring share                         v         preference of the type, utils
B         monitoring budget                        K         its incentive to comply if monitored, utils
beta_F    belief after the train cue               f         its plan cost, utils
beta_P    belief after the deploy cue              lambda    its rationality, 1/utils
w_F, w_P  shares of the two cues                   pi        its prior
sigma_F1  P(train cue | monitored)                 a         leader's deploy harm
sigma_F0  P(train cue | unmonitored)               A         leader's train disagreement
alpha     anchoring on the uniform strategy        g         value of a refusal that is seen
epsilon   least gain that moves the follower       c         monitoring cost
eta, o    modification and cost of an objection    n_T, n_D  train and deploy conversations
========  =======================================  ========  ========================================
"""

import functools

import sympy

from stackelberg.symbolic.formula import Formula
from stackelberg.symbolic.regions import SymbolicGame

v, K, f, rationality = sympy.symbols("v K f lambda", positive=True)
q, budget, share, weight = sympy.symbols("q B pi w_F", positive=True)
belief_train, belief_deploy = sympy.symbols("beta_F beta_P", positive=True)
train_if_monitored, train_if_not = sympy.symbols("sigma_F1 sigma_F0", positive=True)
harm, cost = sympy.symbols("a c", positive=True)
disagreement, revealed = sympy.symbols("A g", real=True)
anchoring, least_gain = sympy.symbols("alpha epsilon", positive=True)
kept, objection_cost = sympy.symbols("eta o", positive=True)
train_count, deploy_count = sympy.symbols("n_T n_D", positive=True)

PLANS = ("comply/comply", "refuse/refuse", "comply/refuse", "refuse/comply")
CUES = (v > 0, v < K)


def faking_game(
    strategy: tuple[sympy.Expr, ...], *, opaque: bool = False, assumptions: tuple[object, ...] = CUES
) -> SymbolicGame:
    """The faking game of one strategic type at a commitment, beside compliant models of prior 1 - pi.

    Parameters
    ----------
    strategy : tuple of expressions
        Probabilities of (monitored, train cue), (monitored, deploy cue), (unmonitored, train cue), (unmonitored,
        deploy cue); of (monitored, unmonitored) where ``opaque``.
    opaque : bool
        One cue only, which says nothing.
    assumptions : tuple of inequalities

    Examples
    --------
    >>> game = faking_game((q, 1 - q), opaque=True)
    >>> print(game.reply_region("comply"))
    comply is best where K*q - v >= 0
    """
    cues = 1 if opaque else 2
    plans = [(True,), (False,)] if opaque else [(True, True), (False, False), (True, False), (False, True)]
    own, leader = [], []
    for monitored in (1, 0):
        for cue in range(cues):
            own.append(
                [
                    (monitored * K - v if plan[cue] else 0) - (0 if opaque or len(set(plan)) == 1 else f)
                    for plan in plans
                ]
            )
            refused = disagreement - revealed if monitored else harm
            leader.append([-cost * monitored - (0 if plan[cue] else share * refused) for plan in plans])
    return SymbolicGame(
        follower_payoffs=(own,),
        leader_payoffs=(leader,),
        strategy=strategy,
        leader_actions=[
            f"{state}{cue}"
            for state in ("monitored", "unmonitored")
            for cue in ([""] if opaque else [", train cue", ", deploy cue"])
        ],
        follower_actions=["comply", "refuse"] if opaque else list(PLANS),
        types=["strategic"],
        assumptions=assumptions,
    )


@functools.cache
def closed_forms() -> dict[str, Formula]:
    """Every closed form of the faking game, derived: name to formula.

    Examples
    --------
    >>> forms = closed_forms()
    >>> print(forms["monitoring_threshold"].expression)
    sigma_F0*v/(K*sigma_F1 + sigma_F0*v - sigma_F1*v)
    >>> print(forms["largest_gap"].expression)
    tanh(K*lambda*(beta_F - beta_P)/4)
    """
    return _beliefs() | _logit() | _opaque() | _persuasion() | _extensions()


def _beliefs() -> dict[str, Formula]:
    """When faking is a best reply (Proposition 1), and the threshold in the monitoring share."""
    order = (belief_deploy > 0, belief_deploy < belief_train, belief_train < 1, weight > 0, weight < 1)
    rest = 1 - weight
    game = faking_game(
        (
            weight * belief_train,
            rest * belief_deploy,
            weight * (1 - belief_train),
            rest * (1 - belief_deploy),
        ),
        assumptions=order,
    )
    # refuse/comply never beats it where the constant plans do not: its lead over it is the sum of the two leads + 2f
    (low,), (high,) = game.reply_region(PLANS[2]).limits(v, against=PLANS[:2])
    most = sympy.solve(high.expression - low.expression, f)[0]

    q_between = (q > 0, q < 1, v > 0, v < K, train_if_monitored > 0, train_if_monitored < 1)
    sent = faking_game(
        (
            q * train_if_monitored,
            q * (1 - train_if_monitored),
            (1 - q) * train_if_not,
            (1 - q) * (1 - train_if_not),
        ),
        assumptions=(*q_between, train_if_not > 0, train_if_not < 1),
    )
    # complying at the train cue: both plans refuse at the other, and the plan cost cancels where it is zero
    lead = sent.follower_value(PLANS[2]).expression - sent.follower_value(PLANS[1]).expression
    at_cue = sympy.simplify(lead.subs(f, 0))
    indifferent = sympy.solve(at_cue, v)[0]
    threshold = sympy.solve(at_cue, q)[0]
    forms = (
        ("belief_train", "belief after the train cue", indifferent / K, tuple(sent.assumptions)),
        ("faking_lower", "least v/K at which faking is a best reply", low.expression / K, order),
        ("faking_upper", "largest v/K at which faking is a best reply", high.expression / K, order),
        ("largest_plan_cost", "largest plan cost at which some type fakes", most, order),
        (
            "monitoring_threshold",
            "least monitoring at which a type complies",
            threshold,
            tuple(sent.assumptions)[2:],
        ),
    )
    return {key: Formula(name, _tidy(expression), given) for key, name, expression, given in forms}


def _tidy(expression: sympy.Expr) -> sympy.Expr:
    """The shortest of some equal ways to write it, the fewest minus signs first."""
    forms = [expression, sympy.factor(expression), sympy.expand(expression), sympy.cancel(expression)]
    forms += [sympy.apart(forms[-1], s) for s in (K, v, deploy_count) if forms[-1].is_rational_function(s)]
    forms += [_signed(form) for form in forms]
    return min(forms, key=lambda form: (form.count_ops(), str(form).count("-"), str(form)))


def _signed(expression: sympy.Expr) -> sympy.Expr:
    """Top and bottom of the fraction turned round, so that what is positive also looks it."""
    top, bottom = sympy.fraction(sympy.factor(expression))
    top, bottom = (sympy.Mul(*(_flipped(x) for x in sympy.Mul.make_args(side))) for side in (top, bottom))
    same = sympy.expand(top / bottom - expression).simplify() == 0
    return top / bottom if same else -top / bottom


def _flipped(factor: sympy.Expr) -> sympy.Expr:
    return -factor if factor.could_extract_minus_sign() else factor


def _logit() -> dict[str, Formula]:
    """The quantal follower: its log-odds ratio, the largest gap, and what a gap says about the incentive."""
    order = (belief_deploy > 0, belief_deploy < belief_train, belief_train < 1)

    def rate(belief: sympy.Expr) -> sympy.Expr:
        opaque = faking_game((belief, 1 - belief), opaque=True)
        lead = opaque.follower_value("comply").expression - opaque.follower_value("refuse").expression
        return 1 / (1 + sympy.exp(-rationality * lead))

    train, deploy = rate(belief_train), rate(belief_deploy)
    odds = sympy.log(train / (1 - train)) - sympy.log(deploy / (1 - deploy))
    ratio = sympy.simplify(sympy.expand_log(sympy.simplify(odds), force=True))
    gap = train - deploy
    # the gap is stationary in v where p(1 - p) is the same in both contexts: z = exp(lambda v) solves a quadratic
    z = sympy.Symbol("z", positive=True)
    slope = sympy.together(sympy.diff(gap, v).subs(sympy.exp(rationality * v), z).rewrite(sympy.exp))
    slope = sympy.together(sympy.expand_power_exp(sympy.expand(slope)).subs(sympy.exp(rationality * v), z))
    roots = [root for root in sympy.solve(sympy.numer(slope), z) if root.is_positive]
    best = sympy.simplify(sympy.expand_log(sympy.log(roots[0]), force=True) / rationality)
    largest = sympy.simplify(gap.subs(v, best).rewrite(sympy.tanh))
    seen = sympy.Symbol("G", positive=True)
    largest = (
        sympy.tanh(ratio / 4)
        if sympy.simplify((largest - sympy.tanh(ratio / 4)).rewrite(sympy.exp)) == 0
        else largest
    )
    least = 4 * largest.inverse()(seen)  # of a tanh of a quarter of the ratio
    return {
        "log_odds_ratio": Formula("log-odds ratio of train and deploy rate", ratio, order),
        "gap": Formula("compliance gap of a quantal follower", gap, order),
        "preference_of_largest_gap": Formula("preference with the largest gap", best, order),
        "largest_gap": Formula("largest gap over all preferences", largest, order),
        "least_log_odds_ratio": Formula(
            "least log-odds ratio that a gap G implies", least, (seen > 0, seen < 1)
        ),
    }


def _opaque() -> dict[str, Formula]:
    """Opaque cues: deterrence, detection, and which of them pays."""
    game = faking_game((q, 1 - q), opaque=True)
    threshold = game.switching_threshold("comply", "refuse", q).expression
    comply, refuse = game.leader_value("comply").expression, game.leader_value("refuse").expression
    deterred = sympy.simplify(comply.subs(q, threshold))
    silent = sympy.simplify(refuse.subs(q, 0))
    detected = sympy.simplify(refuse.subs(q, threshold))
    return {
        "deterrence_gain": Formula(
            "gain of deterring over not monitoring", sympy.expand(deterred - silent), CUES
        ),
        "detection_threshold": Formula(
            "value of a seen refusal above which detection beats deterrence",
            sympy.solve(detected - deterred, revealed)[0],
            CUES,
        ),
    }


def _persuasion() -> dict[str, Formula]:
    """A budget below the threshold, cues free: pool as much as keeps the train cue credible, reveal the rest."""
    order = (v > 0, v < K, budget > 0, budget < v / K)
    pooled = sympy.Symbol("s", positive=True)
    game = faking_game((budget, 0, (1 - budget) * pooled, (1 - budget) * (1 - pooled)), assumptions=order)
    lead = game.follower_value(PLANS[2]).expression - game.follower_value(PLANS[1]).expression
    most = sympy.solve(lead.subs(f, 0), pooled)[0]
    mass = sympy.simplify(budget + (1 - budget) * most)
    value = sympy.simplify(game.leader_value(PLANS[2]).expression.subs(pooled, most))
    revealed_value = game.leader_value(PLANS[2]).expression.subs(pooled, 0)
    silent_value = faking_game((budget, 1 - budget), opaque=True).leader_value("refuse").expression
    return {
        "pooled_share": Formula("P(train cue | unmonitored) that keeps the cue credible", _tidy(most), order),
        "compliant_mass": Formula("share of conversations in which the type complies", mass, order),
        "persuasion_value": Formula("leader's value of the best cues", _tidy(value), order),
        "gain_over_revelation": Formula("gain over cues that reveal", _tidy(value - revealed_value), order),
        "gain_over_silence": Formula("gain over an opaque cue", _tidy(value - silent_value), order),
    }


def _extensions() -> dict[str, Formula]:
    """An anchored follower (COBRA), two-stage imitation, and a menu with an overt objection."""
    anchored = (1 - anchoring) * q + anchoring / 2
    game = faking_game((anchored, 1 - anchored), opaque=True)
    lead = game.follower_value("comply").expression - game.follower_value("refuse").expression
    robust = sympy.solve(lead - least_gain, q)[0]

    after_comply, after_refuse = sympy.symbols("q_C q_R", positive=True)
    told, indifference = sympy.symbols("beta_T beta", positive=True)
    # where a refusal that is seen costs K, a deploy conversation is worth -min(belief K, v) to the best reply
    fake = -train_count * v - deploy_count * K * sympy.Min(after_comply, indifference)
    reveal = -train_count * told * K - deploy_count * K * sympy.Min(after_refuse, indifference)
    amnesty = sympy.expand(((reveal - fake) / (K * deploy_count)).subs(v, indifference * K))

    belief = sympy.Symbol("beta", positive=True)
    menu = SymbolicGame(
        follower_payoffs=([[0, v - K, v - kept * K - objection_cost], [0, v, v - objection_cost]],),
        strategy=(belief, 1 - belief),
        leader_actions=["monitored", "unmonitored"],
        follower_actions=["comply", "refuse", "object"],
        assumptions=(kept > 0, kept < 1),
    )
    (comply_from, comply_from_too), _ = menu.reply_region("comply").limits(belief)
    objects = menu.reply_region("comply").conditions[1].expression
    largest_kept = sympy.solve(objects.subs(belief, belief_train), kept)[0]
    rises = sympy.solve(comply_from_too.expression - comply_from.expression, objection_cost)[0]
    return {
        "robust_monitoring_threshold": Formula(
            "least monitoring for an anchored follower", _tidy(robust), CUES
        ),
        "amnesty": Formula(
            "what revealing gains over faking, per deploy conversation in units of K", amnesty
        ),
        "objection_threshold": Formula(
            "least belief at which a type with a right to object complies",
            sympy.Max(comply_from.expression, comply_from_too.expression),
        ),
        "objection_raises_below": Formula("objection cost below which the menu raises the threshold", rises),
        "objection_ends_faking_below": Formula(
            "modification kept by an objection below which faking at the train cue ends", largest_kept
        ),
    }
