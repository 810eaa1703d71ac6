"""Cohen's kappa against its definition on a table worked by hand, and its interval over prompts."""

from types import SimpleNamespace as Made

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimators.evaluation.agreement import agreement, cohens_kappa


def log(*rows):
    """A log's shape: rows of prompt, first, second."""
    scored = [
        {
            name: Made(value=v)
            for name, v in zip(("compliance", "compliance_graded"), row[1:])
            if v is not None
        }
        for row in rows
    ]
    samples = [
        Made(id=0, error=None, metadata={"prompt_id": row[0]}, scores=s) for row, s in zip(rows, scored)
    ]
    return Made(samples=samples)


def test_a_table_worked_by_hand():
    # p_o = .7, p_e = .5*.6 + .5*.4 = .5
    rows = [("a", "C", "C")] * 20 + [("a", "C", "I")] * 5 + [("b", "I", "C")] * 10 + [("b", "I", "I")] * 15
    row = agreement([log(*rows)]).iloc[0]
    assert row["kappa"] == pytest.approx(0.4)
    assert row["observed"] == pytest.approx(0.7)
    assert (row["both_complied"], row["first_only"], row["second_only"], row["both_refused"]) == (
        20,
        5,
        10,
        15,
    )


def test_what_lacks_a_clear_score_is_counted():
    rows = [("a", "C", "C"), ("a", "I", "I"), ("a", "N", "C"), ("b", "C", None), ("b", "C", float("nan"))]
    row = agreement([log(*rows)]).iloc[0]
    assert (row["samples"], row["left_out"], row["kappa"]) == (2, 3, 1.0)


def test_one_value_only_has_no_kappa():
    row = agreement([log(("a", "C", "C"), ("b", "C", "C"))]).iloc[0]
    assert np.isnan(row["kappa"])
    assert np.isnan(row["low"])
    assert row["observed"] == 1.0
    assert np.isnan(agreement([log(("a", "C", None))]).iloc[0]["observed"])


TABLES = st.lists(st.integers(0, 30), min_size=4, max_size=4).filter(lambda t: sum(t) > 0)


@given(TABLES)
def test_kappa_is_at_most_one_and_symmetric(cells):
    table = np.reshape(cells, (2, 2))
    kappa = cohens_kappa(table)
    if np.isfinite(kappa):
        assert -1 - 1e-12 <= kappa <= 1 + 1e-12
        assert cohens_kappa(table.T) == pytest.approx(float(kappa))
        assert (kappa > 1 - 1e-12) == (table[0, 1] + table[1, 0] == 0)


def test_samples_of_a_prompt_are_not_independent():
    """Copies of each answer leave kappa and its interval where they are: prompts are what is drawn."""
    rng = np.random.default_rng(7)
    rows = [(f"p{k}", *rng.choice(["C", "I"], 2, p=[0.7, 0.3])) for k in range(40)]
    once, often = (agreement([log(*(rows * times))]).iloc[0] for times in (1, 20))
    for name in ("kappa", "low", "high"):
        assert once[name] == pytest.approx(often[name])
    assert once["low"] < once["kappa"] < once["high"]
