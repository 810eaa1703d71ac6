"""Simulate and recover: known answers of a binomial rate, seeds, resuming, failures, and bounds two ways."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import binom

from estimators.latent_class_law import ClassLaw
from estimators.latent_class_likelihood import log_likelihood
from estimators.latent_class_recovery import ClassRecovery, ClassSelection
from estimators.shares import PreferenceLaw, simulate_agreed
from estimators.simulate import Design, Estimate, Refit, cramer_rao, recover
from estimators.structural_likelihood import ONE
from estimators.structural_likelihood import log_likelihood as structural_likelihood

LAW = ClassLaw((0.25, 0.20, 0.55), (0.93, 0.85, 0.05), (0.92, 0.12, 0.04), 20.0)
THREE = ClassRecovery(LAW, ("complier", "faker", "refuser"))
SMALL = ClassRecovery(ClassLaw((0.4, 0.6), (0.9, 0.1), (0.8, 0.1)), ("high", "low"), "binomial", starts=2)


@dataclass(frozen=True)
class Rate:
    """A binomial rate, whose interval misses by construction when `width` is 0."""

    p: float = 0.3
    width: float = 1.96
    fails: bool = False

    def parameters(self):
        return {"p": self.p}

    def simulate(self, design, rng):
        return design.counted(rng.binomial(design.n, self.p))

    def refit(self, cells, rng):
        n = float((cells.weights @ cells.n).sum())
        p = float((cells.weights @ cells.k).sum()) / n
        if self.fails and p > self.p:
            raise ValueError("too high")
        half = self.width * np.sqrt(p * (1 - p) / n)
        return Refit({"p": Estimate(p, half / 1.96, p - half, p + half)}, {"above": p > self.p})

    def bound(self, design):
        return {"p": np.sqrt(self.p * (1 - self.p) / design.n.sum())}


DESIGN = Design.regular(50, 10, [0.0])


class TestRecover:
    def test_figures_are_those_of_the_sampling_law(self):
        found = recover(Rate(), DESIGN, replicates=400)
        row = found.table.iloc[0]
        assert abs(row["bias"]) < 4 * row["bias_se"]
        assert row["ratio"] == pytest.approx(1, abs=4 * row["ratio_se"])
        assert row["ratio_se"] == pytest.approx(1 / np.sqrt(800), rel=0.25)  # a normal's: 1/√(2R)
        # Coverage in exact terms: sum over the law of the total count.
        k = np.arange(501)
        p = k / 500
        hit = np.abs(p - 0.3) <= 1.96 * np.sqrt(p * (1 - p) / 500)
        assert row["coverage"] == pytest.approx(binom(500, 0.3).pmf(k)[hit].sum(), abs=4 * row["coverage_se"])
        above = found.verdicts.set_index("value").loc["True"]
        assert above["low"] < binom(500, 0.3).sf(150) < above["high"]

    def test_an_interval_without_width_covers_nothing(self):
        assert recover(Rate(p=0.3001, width=0.0), DESIGN, replicates=20).table.loc[0, "coverage"] == 0

    def test_failures_are_counted_with_their_reason_and_left_out(self):
        found = recover(Rate(fails=True), DESIGN, replicates=50)
        assert found.failures["reason"].unique().tolist() == ["ValueError: too high"]
        assert len(found.failures) + found.table.loc[0, "runs"] == found.runs == 50
        assert found.table.loc[0, "bias"] < 0

    def test_more_replicates_begin_with_the_same(self):
        few, many = (recover(Rate(), DESIGN, replicates=r).replicates for r in (5, 9))
        assert few.equals(many.head(5))
        assert not few.equals(recover(Rate(), DESIGN, replicates=5, seed=1).replicates)

    def test_one_worker_and_two_give_the_same(self):
        design = Design.regular(60, 6)
        one, two = (recover(SMALL, design, replicates=6, workers=w) for w in (1, 2))
        assert one.replicates.equals(two.replicates)
        assert one.decisions.equals(two.decisions)

    def test_an_interrupted_run_goes_on_where_it_stopped(self, tmp_path):
        path = tmp_path / "runs.jsonl"
        whole = recover(Rate(), DESIGN, replicates=8, resume=path)
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[:5]) + lines[5][:20])  # killed in the middle of a line
        again = recover(Rate(), DESIGN, replicates=8, resume=path)
        assert again.replicates.equals(whole.replicates)
        assert again.verdicts.equals(whole.verdicts)
        assert path.read_text() == "".join(lines)
        path.write_text(lines[0][:10])
        assert recover(Rate(), DESIGN, replicates=8, resume=path).replicates.equals(whole.replicates)

    @pytest.mark.parametrize(
        "other",
        [
            {"model": Rate(p=0.4)},
            {"seed": 1},
            {"design": Design.regular(50, 11, [0.0])},
        ],
    )
    def test_a_file_of_another_run_is_refused(self, tmp_path, other):
        path = tmp_path / "runs.jsonl"
        recover(Rate(), DESIGN, replicates=1, resume=path)
        with pytest.raises(ValueError, match=r"runs\.jsonl holds another model"):
            recover(**({"model": Rate(), "design": DESIGN} | other), replicates=1, resume=path)

    def test_nothing_to_run_is_refused(self):
        with pytest.raises(ValueError, match="at least 1"):
            recover(Rate(), DESIGN, replicates=0)


class TestBound:
    def test_binomial_rate(self):
        # One class: ψ = logit p, bound of p is √(p(1 − p)/(N n)).
        law = ClassLaw((1.0,), (0.3,), (0.6,))

        def likelihood(x, cells):
            return log_likelihood(x, cells, 1)

        bound = cramer_rao(
            likelihood, law.working, Design.regular(50, 10), law.simulate, lambda x: 1 / (1 + np.exp(-x))
        )
        np.testing.assert_allclose(bound, np.sqrt([0.21 / 500, 0.24 / 500]), rtol=1e-6)

    def test_simulated_information_agrees_with_the_exact(self, monkeypatch):
        design = Design.regular(100, 6)
        law, truth = PreferenceLaw(-0.5, 1.2, [1.5], [1.0]), [-0.5, np.log(1.2), 1.5]

        def likelihood(x, cells):
            return structural_likelihood(x, cells, ONE)

        def simulate(design, rng):
            return design.counted(simulate_agreed(rng, law, design.n, design.beliefs))

        exact = cramer_rao(likelihood, truth, design, simulate)
        monkeypatch.setattr("estimators.information_bound._EXACT_CELLS", 0)
        np.testing.assert_allclose(cramer_rao(likelihood, truth, design, simulate), exact, rtol=0.01)

    def test_designs_with_different_samples(self):
        two = Design(np.vstack([np.full((60, 2), 4), np.full((40, 2), 7)]), [1.0, 0.0])
        parts = [SMALL.bound(Design.regular(*size)) for size in ((60, 4), (40, 7))]
        whole = SMALL.bound(two)
        for name, bound in whole.items():
            assert bound < min(part[name] for part in parts)
        assert set(whole) == set(SMALL.parameters())

    def test_theory_figure_of_the_faker_share(self):
        assert THREE.bound(Design.regular(500, 10))["share[faker]"] == pytest.approx(0.0181, abs=5e-5)
        assert THREE.bound(Design.regular(500, 3))["share[faker]"] == pytest.approx(0.0229, abs=5e-5)

    def test_none_where_the_information_is_singular_or_the_share_is_zero(self):
        assert np.isnan(list(THREE.bound(Design.regular(500, 1)).values())).all()
        none = ClassLaw((0.3, 0.0, 0.7), LAW.train, LAW.deploy, 20.0)
        assert ClassRecovery(none, THREE.names).bound(Design.regular(500, 10)) == {}


class TestLaw:
    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"shares": (0.5, 0.6)}, "sum to one"),
            ({"train": (0.5,)}, "one entry per class"),
            ({"train": (0.0, 0.5)}, "inside"),
            ({"phi": 0.0}, "phi"),
        ],
    )
    def test_wrong_laws_are_refused(self, wrong, message):
        with pytest.raises(ValueError, match=message):
            ClassLaw(**({"shares": (0.5, 0.5), "train": (0.1, 0.9), "deploy": (0.1, 0.9)} | wrong))

    def test_design_of_cells_gives_the_cells_back(self):
        cells = LAW.simulate(Design(np.array([[3, 4], [5, 0], [5, 0]]), [1.0, 0.0]), np.random.default_rng(0))
        again = Design.of(cells)
        assert again.prompts == 3
        assert sorted(map(tuple, again.n)) == [(3, 4), (5, 0), (5, 0)]

    def test_empty_designs_are_refused(self):
        with pytest.raises(ValueError, match="prompts, slots"):
            Design(np.zeros((0, 2)), [1.0, 0.0])


def test_three_classes_are_recovered_at_the_bound():
    found = recover(THREE, Design.regular(500, 10), replicates=60)
    table = found.table.set_index("parameter")
    assert len(found.failures) == 0
    assert found.verdicts["value"].tolist() == ["False"]  # the truth never beats the fit
    assert (np.abs(table["bias"]) < 4 * table["bias_se"]).all()
    assert (np.abs(table["ratio"] - 1) < 4 * table["ratio_se"]).all()
    assert (table["coverage"] > 0.95 - 4 * np.sqrt(0.95 * 0.05 / 60)).all()


def test_selection_reports_a_faker_where_there_is_one_and_none_where_there_is_none():
    there = recover(ClassSelection(LAW, bootstrap=19, max_classes=3), Design.regular(200, 10), replicates=3)
    told = there.decisions.set_index(["verdict", "replicate"])["value"]
    assert told["faker reported"].tolist() == ["True"] * 3
    assert told["classes by ICL"].tolist() == ["3"] * 3
    assert there.replicates["estimate"].between(0.1, 0.3).all()
    none = ClassSelection(PreferenceLaw(-1.0, 0.8, [0.0], [1.0]), bootstrap=19, max_classes=3)
    told = recover(none, Design.regular(92, 10), replicates=5).decisions.set_index(["verdict", "replicate"])
    assert set(told.loc["faker reported", "value"]) == {"False"}
