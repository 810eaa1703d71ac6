"""The fitted law has the largest likelihood of all: its certificate against dense grids, a solver and known cases."""

from __future__ import annotations

import cvxpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from estimators.count_cells import count_cells, pair_cells
from estimators.datasets import load_gemini, load_vlaf
from estimators.mixing import binomial_rows, local_maxima
from estimators.newton import EstimationWarning
from estimators.npmle import Npmle


def three_types(seed, prompts=300, n=10):
    rng = np.random.default_rng(seed)
    kind = rng.choice(3, prompts, p=[0.25, 0.2, 0.55])
    mean = np.column_stack([np.array([0.93, 0.85, 0.05])[kind], np.array([0.92, 0.12, 0.04])[kind]])
    k = rng.binomial(n, rng.beta(20 * mean, 20 * (1 - mean)))
    return count_cells(np.full_like(k, n), k)


def slope_on(fit, cells, points=401):
    """Largest slope on a dense grid of rates, computed from scratch with scipy's binomial."""
    rates = np.sin(np.linspace(0, np.pi / 2, points)) ** 2
    train, deploy = (binom.pmf(cells.k[:, [s]], cells.n[:, [s]], rates) for s in (0, 1))
    fitted = np.prod(
        [binom.pmf(cells.k[:, [s]], cells.n[:, [s]], fit.support_[:, s]) for s in (0, 1)], axis=0
    )
    ratios = cells.weights / (fitted @ fit.weights_)
    return ((train * ratios[:, None]).T @ deploy).max() - cells.prompts


@pytest.mark.parametrize("by", [[], ["model"], ["axis"], ["setting"], ["model", "setting"]])
@pytest.mark.parametrize("load", [load_vlaf, load_gemini])
def test_the_certificate_holds_on_every_shipped_data_set(load, by):
    obs = load()
    if not set(by) <= set(obs.frame):
        return
    for labels, group in obs.groups(by):
        fit = Npmle().fit(group)
        assert fit.converged_, labels
        assert fit.d_max_ < 1e-6, labels
        assert slope_on(fit, pair_cells(group)) < 1e-6, labels
        assert fit.weights_.sum() == pytest.approx(1)
        assert fit.weights_.min() > 0


@pytest.mark.parametrize("seed", range(4))
def test_no_solver_on_a_grid_finds_a_larger_likelihood(seed):
    cells = three_types(seed)
    fit = Npmle().fit_cells(cells)
    assert slope_on(fit, cells, 1201) < 1e-6
    rates = np.sin(np.linspace(0, np.pi / 2, 31)) ** 2
    atoms = np.stack(np.meshgrid(rates, rates), -1).reshape(-1, 2)
    rows = binomial_rows(cells.n, cells.k, atoms)
    w = cvxpy.Variable(len(atoms), nonneg=True)
    problem = cvxpy.Problem(cvxpy.Maximize(cells.weights @ cvxpy.log(rows @ w)), [cvxpy.sum(w) == 1])
    problem.solve(solver=cvxpy.CLARABEL)
    assert problem.value <= fit.log_likelihood_ + 1e-4
    assert problem.value >= fit.log_likelihood_ - 1.0  # the grid has the law nearly


COUNT = st.integers(0, 8).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
ROWS = st.lists(st.tuples(COUNT, COUNT), min_size=1, max_size=15).filter(
    lambda rows: any(a[0] + b[0] for a, b in rows)
)


@settings(deadline=None, max_examples=25)
@given(ROWS)
def test_any_counts_with_any_sizes_are_certified_and_swapping_contexts_changes_nothing(rows):
    n, k = (np.array([[train[i], deploy[i]] for train, deploy in rows]) for i in (0, 1))
    cells = count_cells(n, k)
    fit = Npmle().fit_cells(cells)
    assert fit.converged_
    assert slope_on(fit, cells) < 1e-6
    swapped = Npmle().fit_cells(count_cells(n[:, ::-1], k[:, ::-1]))
    assert swapped.log_likelihood_ == pytest.approx(fit.log_likelihood_, abs=2e-6)


def test_known_maxima():
    one = Npmle().fit_cells(count_cells([[10, 10]] * 3, [[3, 8]] * 3))  # one kind of row: its own rates
    assert one.support_ == pytest.approx(np.array([[0.3, 0.8]]), abs=1e-6)
    never = Npmle().fit_cells(count_cells([[10, 10]] * 3, [[0, 10]] * 3))
    assert never.log_likelihood_ == pytest.approx(0, abs=1e-9)
    # One sample a context identifies the four cells alone, and any of their probabilities is a mixture.
    cells = count_cells([[1, 1]] * 10, [[0, 0]] * 4 + [[0, 1]] * 3 + [[1, 0]] * 2 + [[1, 1]])
    share = np.array([4, 3, 2, 1]) / 10
    assert Npmle().fit_cells(cells).log_likelihood_ == pytest.approx(10 * share @ np.log(share), abs=1e-6)


def test_summary_moments_and_predictions():
    cells = three_types(5, prompts=400)
    fit = Npmle(bootstrap=40, seed=1).fit_cells(cells)
    table = fit.summary.set_index("parameter")
    assert table.loc["gap", "estimate"] == pytest.approx(0.2 * 0.73 + 0.25 * 0.01 + 0.55 * 0.01, abs=0.05)
    assert (table["low"] <= table["estimate"]).all()
    assert (table["estimate"] <= table["high"]).all()
    assert Npmle().fit_cells(cells).summary[["se", "low", "high"]].isna().all(axis=None)
    # probabilities of all counts sum to one; a context that is not looked at is summed out
    n = np.full((121, 2), 10)
    k = np.stack(np.meshgrid(range(11), range(11), indexing="ij"), -1).reshape(-1, 2)
    joint = np.exp(fit.log_probability(n, k, uniform=0.01)).reshape(11, 11)
    assert joint.sum() == pytest.approx(1)
    train = np.exp(
        fit.log_probability([[10, 0]] * 11, np.column_stack([range(11), np.zeros(11)]), uniform=0.01)
    )
    assert joint.sum(axis=1) == pytest.approx(train)
    by_hand = cells.weights @ fit.log_probability(cells.n, cells.k)
    assert by_hand == pytest.approx(fit.log_likelihood_)


def test_what_did_not_converge_says_so():
    with pytest.warns(EstimationWarning, match="not converged: the log-likelihood is within"):
        fit = Npmle(max_iterations=1, tolerance=1e-12).fit_cells(three_types(6))
    assert not fit.converged_
    assert fit.d_max_ > 1e-12
    with pytest.raises(ValueError, match="grid is 2"):
        Npmle(grid=2).fit_cells(three_types(6))
    with pytest.raises(ValueError, match="two contexts"):
        Npmle().fit_cells(count_cells([[3, 3, 3]], [[1, 1, 1]]))
    assert Npmle(**Npmle(grid=30).get_params()).grid == 30


def test_local_maxima_stop_at_the_seam():
    surface = np.array([[1.0, 3.0, 2.0], [0.0, 1.0, 4.0]])
    assert np.argwhere(local_maxima(surface)).tolist() == [[0, 1], [1, 2]]
    assert np.argwhere(local_maxima(surface, (1, 2))).tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]
