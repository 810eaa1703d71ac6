"""Signs, regions and thresholds of games in symbols, against numbers and against best_replies."""

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import stackelberg as sb
from stackelberg import symbolic
from stackelberg.symbolic.signs import bounds_of

K, v, q = sympy.symbols("K v q", positive=True)
real = sympy.Symbol("r", real=True)


@pytest.mark.parametrize(
    ("expression", "assumptions", "sign"),
    [
        (v - K, (v < K,), "-"),
        (K * v, (), "+"),
        (K - v, (), "depends"),
        (q * (1 - q), (q < 1,), "+"),
        (real - v, (v < real,), "+"),
        (K - K, (), "0"),
        (sympy.exp(v) - 1, (), "undecided"),
    ],
)
def test_signs(expression, assumptions, sign):
    assert str(symbolic.sign_of(expression, assumptions)) == sign


def test_a_sign_that_depends_comes_with_witnesses_that_keep_the_assumptions():
    found = symbolic.sign_of(K - 2 * v, (v < K,))
    above, below = found.witnesses
    assert above["K"] - 2 * above["v"] > 0 > below["K"] - 2 * below["v"]
    assert all(0 < w["v"] < w["K"] for w in found.witnesses)


@settings(max_examples=40, deadline=None)
@given(coefficients=st.lists(st.integers(-3, 3), min_size=6, max_size=6), seed=st.integers(0, 10))
def test_a_proved_sign_holds_wherever_the_assumptions_do(coefficients, seed):
    """Quadratics in v < K and q < 1: whatever is claimed agrees with the values at random points."""
    a, b, c, d, e, f = coefficients
    expression = a * v**2 + b * v * K + c * K**2 + q * (d * v + e * K) + f * K
    sign = str(symbolic.sign_of(expression, (v < K, q < 1)))
    rng = np.random.default_rng(seed)
    points = rng.random((300, 3))
    high = points[:, 0] * 5 + 1e-3
    low, share = high * points[:, 1], points[:, 2]
    values = np.broadcast_to(sympy.lambdify((v, K, q), expression)(low, high, share), 300)
    if sign in "+-0":
        assert ((values > -1e-12) if sign == "+" else (values < 1e-12) if sign == "-" else values == 0).all()
    if (values > 1e-6).any() and (values < -1e-6).any():
        assert sign == "depends"


def test_assumptions_that_cannot_be_used_are_refused():
    with pytest.raises(sb.GameError, match="second bound"):
        bounds_of((v < K, v < K / 2, v < K / 3))
    with pytest.raises(sb.GameError, match="leave room"):
        symbolic.sign_of(q, (q < 1, q > v + 1))
    with pytest.raises(sb.GameError, match="not an inequality"):
        symbolic.sign_of(v, (sympy.Eq(v, K),))


def test_a_formula_evaluates_on_arrays_and_names_what_is_missing():
    formula = symbolic.Formula("threshold", v / K, (v < K,))
    assert formula(v=np.array([1.0, 2.0]), K=4.0).tolist() == [0.25, 0.5]
    assert formula.statics()["sign"].tolist() == ["-", "+"]
    assert formula._repr_latex_() == "$\\displaystyle \\frac{v}{K}$"
    with pytest.raises(sb.GameError, match=r"missing \['K'\], unknown \['k'\]"):
        formula(v=1.0, k=2.0)


@settings(max_examples=25, deadline=None)
@given(
    payoffs=st.lists(st.integers(-3, 3), min_size=9, max_size=9),
    shares=st.lists(st.integers(0, 4), min_size=3, max_size=3),
)
def test_regions_hold_exactly_the_best_replies(payoffs, shares):
    """A symbolic game in numbers: a reply lies in its region if and only if best_replies could choose it."""
    if not sum(shares):
        return
    x = sympy.symbols("x0 x1")
    game = symbolic.SymbolicGame(follower_payoffs=(sympy.Matrix(3, 3, payoffs),), strategy=(*x, 1 - sum(x)))
    values = {"x0": shares[0] / sum(shares), "x1": shares[1] / sum(shares)}
    numeric, strategy = game.evaluate(**values)
    own = strategy @ numeric.follower_payoffs[0]
    for j, reply in enumerate(game.follower_actions):
        inside = bool(game.reply_region(reply).contains(**values))
        assert inside == (own[j] >= own.max()) or abs(own.max() - own[j]) < 1e-12
    assert sb.best_replies(numeric, strategy)[0] in np.flatnonzero(own >= own.max() - 1e-12)


def test_errors_name_the_culprit():
    game = symbolic.faking_game((q, 1 - q), opaque=True)
    with pytest.raises(sb.GameError, match="no reply 'object'"):
        game.reply_region("object")
    with pytest.raises(sb.GameError, match="no type 'other'"):
        game.reply_region("comply", "other")
    with pytest.raises(sb.GameError, match=r"give a value to \['K', 'v'\]|give a value to"):
        game.evaluate(q=0.5)
    with pytest.raises(sb.GameError, match="sums to"):
        symbolic.faking_game((q, q), opaque=True)
    with pytest.raises(sb.GameError, match="2 entries for 4"):
        symbolic.faking_game((q, 1 - q))
    with pytest.raises(sb.GameError, match="worth the same at 0 values"):
        game.switching_threshold("comply", "comply", sympy.Symbol("z"))
    bare = symbolic.SymbolicGame(follower_payoffs=([[K - v, 0], [-v, 0]],), strategy=(q, 1 - q))
    with pytest.raises(sb.GameError, match="no leader payoffs"):
        bare.leader_value("reply 0")
