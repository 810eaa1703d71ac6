"""The peers do the same work, and the page calls a gate missed where it is."""

import numpy as np
import pytest

from benchmarks import estimation_speed as bench
from estimators.structural import CHOICES
from estimators.structural_likelihood import log_likelihood


@pytest.mark.parametrize("candidate", CHOICES["auto"], ids=lambda each: each.name)
def test_the_generic_peer_climbs_the_same_likelihood(candidate):
    cells = bench.three_types(1, prompts=60)[0]
    x = np.random.default_rng(1).normal(0.5, 0.3, candidate.parameters)
    assert bench.plain_log_likelihood(x, cells, candidate) == pytest.approx(
        log_likelihood(x, cells, candidate)[0]
    )


def test_binary_answers_hold_the_counts():
    cells = bench.three_types(1, prompts=50)[0]
    answers = bench.as_answers(cells, np.random.default_rng(0))
    agreed = answers.reshape(50, 2, 10).sum(axis=2)
    np.testing.assert_array_equal(agreed, np.repeat(cells.k, cells.weights.astype(int), axis=0))


def test_a_missed_gate_and_a_faster_peer_are_told():
    taken = {
        bench.CLASSES: np.array([1.0, 1.1]),
        bench.STRUCTURAL: np.array([0.9, 1.0]),
        bench.NPMLE: np.ones(2),
    }
    text = "\n".join(bench.page(taken, {bench.NPMLE: (0.02, "a remark")}, 25, 5))
    assert "0.90 [0.90, 0.91] | at most 1 | yes |" in text
    assert "at most 0.25 | **no** |" in text
    assert (
        "Where we lose: the NPMLE at 0.95 times the latent classes, not 0.25; the NPMLE against its peer, 2.0"
        in text
    )
    assert "Not installed here, hence not measured: the peer of latent classes, structural model" in text
