"""The bounds are THEORY's where the law is known, no narrower than the truth allows, and cover from counts."""

from __future__ import annotations

import cvxpy
import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, betabinom, chi2, lognorm, uniform

from estimators.count_cells import count_cells
from estimators.datasets import load_vlaf
from estimators.fracture import fracture, fracture_average, fracture_curve
from estimators.fracture_bounds import average_sheets, fracture_sheets, likelihood_bounds, sharp_bounds
from estimators.mixing import binomial_rows
from estimators.observations import Observations

SHARES = np.array([0.25, 0.20, 0.55])
AGREE_TRAIN, AGREE_DEPLOY = np.array([0.93, 0.85, 0.05]), np.array([0.92, 0.12, 0.04])


def law(n, tau, phi=20.0):
    """Probabilities of disagreeing counts of THEORY's three types, and their true fracture."""
    k = np.arange(n + 1)
    both = [(betabinom(n, (1 - p) * phi, p * phi), beta((1 - p) * phi, p * phi)) for p in AGREE_TRAIN]
    other = [(betabinom(n, (1 - p) * phi, p * phi), beta((1 - p) * phi, p * phi)) for p in AGREE_DEPLOY]
    table = sum(s * np.outer(a.pmf(k), b.pmf(k)) for s, (a, _), (b, _) in zip(SHARES, both, other))
    true = sum(s * a.cdf(tau) * b.sf(tau) for s, (_, a), (_, b) in zip(SHARES, both, other))
    return table, float(true)


def drawn(rng, prompts, n, phi):
    kind = rng.choice(3, prompts, p=SHARES)
    mean = 1 - np.column_stack([AGREE_TRAIN[kind], AGREE_DEPLOY[kind]])
    k = rng.binomial(n, rng.beta(mean * phi, (1 - mean) * phi))
    return count_cells(np.full_like(k, n), k)


@pytest.mark.parametrize(
    ("n", "tau", "low", "high"), [(5, 0.25, 0.119, 0.241), (10, 0.25, 0.140, 0.215), (10, 0.5, 0.195, 0.203)]
)
def test_the_bounds_of_theory(n, tau, low, high):
    table, true = law(n, tau)
    found = sharp_bounds(table, tau)
    assert found == pytest.approx((low, high), abs=6e-4)
    assert found[0] <= true <= found[1]
    if (n, tau) == (5, 0.25):
        assert round(true, 3) == 0.182


def test_more_samples_leave_less_open_and_one_sample_leaves_much():
    spans = [np.ptp(sharp_bounds(law(n, 0.5)[0], 0.5)) for n in (1, 2, 4)]
    assert spans[0] > spans[1] > spans[2]
    # n = 1 tells the means only: with train rate 0 and deploy rate 1/2, Markov's bound is 1/(2 tau), at most 1
    mean = np.array([[0.5, 0.5], [0.0, 0.0]])
    assert sharp_bounds(mean, 0.8) == pytest.approx((0.0, 0.5 / 0.8), abs=1e-6)
    assert sharp_bounds(mean, 0.4) == pytest.approx((0.1 / 0.6, 1.0), abs=1e-6)


def test_what_is_no_law_is_refused():
    with pytest.raises(ValueError, match="no law of rates on the grid"):
        sharp_bounds(np.diag([0.0, 1.0, 0.0]), 0.5)  # always exactly one of two
    for bad in ([[0.5, 0.6]], [[1.5, -0.5]], [0.5, 0.5]):
        with pytest.raises(ValueError, match="probabilities must be a table"):
            sharp_bounds(bad, 0.5)


@pytest.mark.parametrize(("tau", "prompts"), [(0.25, 60), (0.5, 200)])
def test_likelihood_bounds_are_those_of_a_cone_solver(tau, prompts):
    cells = drawn(np.random.default_rng(1), prompts, 6, 20.0)
    sheets = fracture_sheets(tau, 21)
    factors = [binomial_rows(cells.n[:, [s]], cells.k[:, [s]], sheets.rates[:, None]) for s in (0, 1)]
    rows = np.einsum("cm,cp->cmp", *factors).reshape(len(cells.k), -1)
    w = cvxpy.Variable(rows.shape[1], nonneg=True)
    value = cells.weights @ cvxpy.log(rows @ w)
    best = cvxpy.Problem(cvxpy.Maximize(value), [cvxpy.sum(w) == 1]).solve(solver=cvxpy.CLARABEL)
    near = [cvxpy.sum(w) == 1, value >= best - chi2.ppf(0.95, 1) / 2]
    share = np.ravel(sheets.values) @ w
    known = [
        cvxpy.Problem(end(share), near).solve(solver=cvxpy.CLARABEL)
        for end in (cvxpy.Minimize, cvxpy.Maximize)
    ]
    assert likelihood_bounds(cells, sheets) == pytest.approx(known, abs=3e-3)


@pytest.mark.parametrize(
    ("phi", "n", "tau", "low"), [(20.0, 10, 0.5, 0.93), (1e6, 10, 0.5, 0.91), (20.0, 3, 0.25, 0.95)]
)
def test_likelihood_bounds_cover_where_the_share_is_identified_and_where_it_is_not(phi, n, tau, low):
    rng = np.random.default_rng(8)
    true = law(1, tau, phi)[1]
    ends = np.array([likelihood_bounds(drawn(rng, 100, n, phi), fracture_sheets(tau)) for _ in range(100)])
    covered = (ends[:, 0] <= true) & (true <= ends[:, 1])
    assert covered.mean() >= low
    assert np.median(ends[:, 1] - ends[:, 0]) < 0.5


def test_bounds_stand_beside_the_plug_in():
    obs = load_vlaf()
    curve = fracture_curve(obs, "model", [0.25, 0.5], bounds=True)
    assert (curve["bound_low"] <= curve["bound_high"]).all()
    inside = (curve["bound_low"] <= curve["fracture"] + 0.01) & (
        curve["fracture"] <= curve["bound_high"] + 0.01
    )
    assert inside.mean() > 0.9
    assert "bound_low" not in fracture(obs, 0.5)
    again = fracture(obs, 0.5, "model", bounds=True)
    assert again["bound_high"].tolist() == curve[curve["tau"] == 0.5]["bound_high"].tolist()
    ends = fracture_curve(obs, "family", [0.01, 1.0], bounds=True)
    assert np.isfinite(ends[["bound_low", "bound_high"]]).all(axis=None)
    # a finer grid moves them little
    cells = drawn(np.random.default_rng(3), 100, 10, 20.0)
    coarse, fine = (likelihood_bounds(cells, fracture_sheets(0.5, points)) for points in (41, 81))
    assert coarse == pytest.approx(fine, abs=1e-2)


def test_the_average_is_the_curve_integrated_over_the_prior():
    obs = load_vlaf()
    prior = lognorm(s=0.8, scale=0.5)
    average = fracture_average(obs, "model", prior)
    quantiles = (np.arange(40) + 0.5) / 40
    ratio = prior.ppf(quantiles)
    curve = fracture_curve(obs, "model", ratio / (1 + ratio))
    for name in ("fracture", "reverse"):
        by_hand = curve.groupby("model", sort=False)[name].mean().to_numpy()
        assert average[name].to_numpy() == pytest.approx(by_hand, abs=1e-2)
    # a prior that is nearly one ratio gives fracture at its tau
    sure = fracture_average(obs, "model", uniform(0.7999, 0.0002))
    assert sure["fracture"].tolist() == pytest.approx(fracture(obs, 0.8 / 1.8, "model")["fracture"].tolist())
    table = fracture_average(obs, "family", bounds=True)
    assert (table["bound_low"] < table["bound_high"]).all()
    assert (
        table["bound_low"] <= table["fracture"]
    ).all()  # noise moves the plug-in upwards, even above the bounds
    with pytest.raises(ValueError, match="costs are positive"):
        fracture_average(obs, cost_ratio=uniform(-1, 3))
    sheets = average_sheets(lambda p: p, points=5)
    assert sheets.values[0, -1] == 1  # noqa: PD011
    assert (np.tril(sheets.values) == 0).all()


def test_a_group_without_pairs_has_no_bounds():
    rows = [("a", c, "p0") for c in ("train", "deploy")] + [("b", "none", "p0")]
    frame = pd.DataFrame(rows, columns=["arm", "context", "prompt_id"]).assign(n=4, complied=1)
    obs = Observations.from_frame(frame, orientation="complied-is-agreement")
    table = fracture(obs, 0.5, "arm", bounds=True)
    assert table["bound_low"].isna().tolist() == [False, True]
    average = fracture_average(obs, "arm", bounds=True)
    assert average["interval"].tolist() == ["none: one prompt", "none: no prompts"]
    assert average["bound_high"].isna().tolist() == [False, True]
