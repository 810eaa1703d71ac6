"""The binomial latent classes against StepMix (Morin et al. 2025) on the same samples as binary columns.

StepMix gives every column a rate of its own, 20 where we have one per context. Where the columns are made exactly
exchangeable, by taking every cyclic shift of a prompt's samples, its maximum has equal rates and must be ours.
"""

from __future__ import annotations

import numpy as np
import pytest

from estimators.count_cells import count_cells
from estimators.latent_class_fit import fit_classes

stepmix = pytest.importorskip("stepmix", reason="stepmix is not installed (extra test or bench)")

SHARES = np.array([0.25, 0.20, 0.55])
RATES = np.array([[0.93, 0.92], [0.85, 0.12], [0.05, 0.04]])
N = 10


def samples(seed, prompts):
    """Binary answers (prompts, 2, 10)."""
    rng = np.random.default_rng(seed)
    p = RATES[rng.choice(3, prompts, p=SHARES)]
    return (rng.random((prompts, 2, N)) < p[:, :, None]).astype(int)


def peer_weights(rows):
    found = stepmix.StepMix(
        n_components=3,
        measurement="binary",
        n_init=5,
        abs_tol=1e-12,
        rel_tol=1e-12,
        max_iter=2000,
        random_state=0,
        progress_bar=0,
    ).fit(rows)
    return np.sort(found.weights_)


def our_weights(answers):
    cells = count_cells(np.full(answers.shape[:2], N), answers.sum(axis=2))
    fit = fit_classes(cells, 3, "binomial", 10, np.random.default_rng(0))
    return np.sort(fit.shares)


@pytest.mark.parametrize("seed", [0, 1])
def test_weights_agree_on_expanded_answers(seed):
    answers = samples(seed, 1000)
    np.testing.assert_allclose(peer_weights(answers.reshape(1000, -1)), our_weights(answers), atol=1e-3)


def test_weights_agree_closely_where_columns_are_exchangeable():
    answers = samples(2, 120)
    shifted = np.concatenate([np.roll(answers, s, axis=2) for s in range(N)])
    np.testing.assert_allclose(
        peer_weights(shifted.reshape(len(shifted), -1)), our_weights(answers), atol=1e-6
    )
