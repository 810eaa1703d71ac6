"""Newton steps on atoms: peaks are peaks, joint steps regain a maximum that was disturbed, merging keeps the means."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimators.mixing import local_maxima
from estimators.npmle_fit import fit_law, grid_angles
from estimators.npmle_newton import HALF_TURN, Rows, merged, polish, settle

SEEDS = st.integers(0, 10_000)


def drawn(seed, prompts=60, most=12):
    """Random counts and a random law of five atoms."""
    rng = np.random.default_rng(seed)
    n = rng.integers(1, most + 1, (prompts, 2))
    k = rng.binomial(n, rng.beta(1.0, 2.0, (prompts, 2)))
    return n, k, rng.uniform(0.05, HALF_TURN - 0.05, (5, 2)), rng.dirichlet(np.ones(5))


@settings(deadline=None, max_examples=20)
@given(SEEDS)
def test_peaks_of_the_grid_are_polished_to_level_places_no_lower(seed):
    n, k, atoms, weights = drawn(seed)
    rows, angles = Rows.of(n, k, np.ones(len(n))), grid_angles(12)
    ratios = 1.0 / (rows.values(atoms) @ weights)

    def height(places):
        return ratios @ rows.values(places)

    grid = np.stack(np.meshgrid(angles, angles, indexing="ij"), axis=-1)
    surface = height(grid.reshape(-1, 2)).reshape(len(angles), -1)
    start = grid[local_maxima(surface)]
    ends, top = polish(rows, ratios, start, height(start), angles[1], steps=12)
    np.testing.assert_allclose(top, height(ends), rtol=1e-9)
    assert np.all(top[: len(start)] >= height(start))
    best, step = ends[np.argmax(top)], 1e-4
    for move in step * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]):
        assert height(np.clip(best + move, 0.0, HALF_TURN)[None])[0] <= top.max() * (1 + 1e-9)


@settings(deadline=None, max_examples=20)
@given(SEEDS)
def test_a_disturbed_maximum_is_regained_in_atoms_and_weights(seed):
    n, k, _, _ = drawn(seed)
    found = fit_law(n, k, np.ones(len(n)))
    rng, rows = np.random.default_rng(seed), Rows.of(n, k, np.ones(len(n)))
    angles = np.arcsin(np.sqrt(found.atoms))
    inside = (angles > 0) & (angles < HALF_TURN - 1e-9)
    moved = np.where(inside, np.clip(angles + 0.01 * rng.standard_normal(angles.shape), 1e-3, 1.5), angles)
    share = found.weights * np.exp(0.1 * rng.standard_normal(len(angles)))
    share /= share.sum()

    def log_likelihood(atoms, weights):
        return float(np.log(rows.values(atoms) @ weights).sum())

    atoms, weights = settle(rows, moved, share, 0.1, 1e-9)
    assert weights.sum() == pytest.approx(1.0)
    assert weights.min() > 0
    lost = found.log_likelihood - log_likelihood(moved, share)
    # An atom that a step drops does not come back here: that is left to `climb`.
    short = 1e-7 if len(weights) == len(share) else 0.02 * lost
    assert found.log_likelihood - log_likelihood(atoms, weights) <= short


def test_merging_keeps_mass_and_mean_and_leaves_distant_and_edge_atoms():
    atoms = np.array([[0.5, 0.5], [0.5004, 0.5], [0.9, 0.5], [0.0, 0.5], [0.0004, 0.5]])
    weights = np.array([0.1, 0.3, 0.2, 0.15, 0.25])
    ends, mass = merged(atoms, weights)
    assert len(ends) == 4
    assert mass.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(mass @ ends, weights @ atoms)
    assert [0.9, 0.5] in ends.tolist()
    assert [0.0, 0.5] in ends.tolist()
