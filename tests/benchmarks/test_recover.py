"""The page of the recovery benchmark says what its runs showed."""

from benchmarks import recover as bench
from estimators.latent_class_recovery import ClassRecovery, ClassSelection
from estimators.simulate import Design, recover


def test_page_of_small_runs():
    small = Design.regular(120, 10)
    found = {
        "beta-binomial": recover(ClassRecovery(bench.law(), bench.NAMES), small, replicates=4),
        "faker share 5%": recover(
            ClassSelection(bench.law(), max_classes=3, bootstrap=19), small, replicates=2
        ),
    }
    text = bench.page(found, {})
    assert "R = 4, 0 failures" in text
    assert "| share[faker] | 0.200 |" in text
    assert "| faker share 5% | 2 | 1.000 | 1.000 | 1.000 [0.342, 1.000] |" in text


def test_a_miss_is_told_in_monte_carlo_errors():
    run = bench.RECOVERIES[0]
    row = {
        "parameter": "share[faker]",
        "ratio": 1.0,
        "ratio_se": 0.02,
        "coverage": 0.95,
        "coverage_se": 0.007,
    }
    assert bench.within(run, row) == "yes"
    assert bench.within(run, row | {"ratio": 1.09}) == "no, by 1.0 standard errors"
    assert bench.within(run, row | {"parameter": "log_phi", "ratio": 1.09}) == "yes"
    assert bench.within(run, row | {"coverage": 0.916}) == "no, by 2.0 standard errors"
