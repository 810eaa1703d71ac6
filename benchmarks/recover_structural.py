"""The structural model recovered from simulated counts: ``python -m benchmarks.recover_structural``.

Laws near those fitted to the shipped models, R replicates against the Cramér–Rao bound; and how often an incentive is
reported where there is none, and where there is. Interrupt it and run it again: it goes on where it stopped.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest, norm

from benchmarks import measure
from benchmarks.recover import HERE, SMALL, USUAL, Run, recovery_lines
from estimators import Recovery, recover
from estimators.structural_recovery import StructuralRecovery, StructuralTest

SEED = 6
LAWS = (
    Run("as OLMo 2 32B base", StructuralRecovery((-0.987, np.log(0.835), 1.169)), regular=True),
    Run("as OLMo 2 32B SFT", StructuralRecovery((-2.737, np.log(0.717), 1.101)), regular=True),
    Run("as OLMo 2 32B DPO", StructuralRecovery((-4.542, np.log(2.327), 1.730)), regular=True),
    Run("as OLMo 2 32B GRPO", StructuralRecovery((-3.779, np.log(2.048), 2.200)), regular=True),
    Run("as Qwen2.5 32B Instruct, graded", StructuralRecovery((0.91, 0.84, 1.61, 0.55), "graded"), regular=True),
    Run("as OLMo 2 32B GRPO, 92 prompts", StructuralRecovery((-3.779, np.log(2.048), 2.200)), SMALL),
    Run("as Qwen3 8B, two incentives", StructuralRecovery((-1.6, 0.75, 0.9, 4.3, 0.2), "two")),
)  # fmt: skip
AROUND_ZERO = tuple((0.5 * norm.ppf((np.arange(20) + 0.5) / 20)).tolist())
NULLS = tuple(
    Run(f"no incentive, N({mu:g}, {sigma:g}²), 92 prompts", StructuralTest(mu, sigma), SMALL)
    for mu, sigma in ((0.0, 0.8), (-1.5, 0.8), (-3.0, 2.0))
)
POWERS = (
    *(Run(f"incentive 3 on {s:.0%} of prompts", StructuralTest(-1.5, 1.0, (0.0, 3.0), (1 - s, s)), USUAL, 100)
      for s in (0.01, 0.02, 0.05)),
    Run("incentive 0.15 on all prompts", StructuralTest(-1.5, 1.0, (0.15,)), USUAL, 100),
    Run("incentive N(0, 0.5²) over prompts", StructuralTest(-1.5, 1.0, AROUND_ZERO, (0.05,) * 20), USUAL, 100),
)  # fmt: skip
TOLD = (
    "positive faking share in the fit",
    "more than one incentive",
    "faking reported",
    "any incentive reported",
)


def test_lines(found: dict[str, Recovery]) -> list[str]:
    """How often each is reported, the last two with their 95 % intervals."""
    lines = ["| truth | R | " + " | ".join(TOLD) + " |", "|---" * (2 + len(TOLD)) + "|"]
    for name, recovery in found.items():
        table = recovery.verdicts.set_index(["verdict", "value"])
        cells = []
        for told in TOLD:
            rate = table.loc[(told, "True")] if (told, "True") in table.index else None
            ends = "" if rate is None or told in TOLD[:2] else f" [{rate['low']:.3f}, {rate['high']:.3f}]"
            cells.append("0" if rate is None else f"{rate['share']:.3f}{ends}")
        lines.append(f"| {name} | {recovery.runs} | {' | '.join(cells)} |")
    return [*lines, ""]


def pooled_lines(nulls: dict[str, Recovery]) -> list[str]:
    """What the runs without an incentive say together."""
    if not nulls:
        return []
    decisions = pd.concat([recovery.decisions for recovery in nulls.values()])
    parts = []
    for told in TOLD[2:]:
        values = decisions.loc[decisions["verdict"] == told, "value"] == "True"
        interval = binomtest(int(values.sum()), len(values)).proportion_ci(method="wilson")
        parts.append(f"{told} in {values.mean():.1%} [{interval.low:.1%}, {interval.high:.1%}]")
    return [f"All {len(values)} runs together: {'; '.join(parts)}.", ""]


def page(found: dict[str, Recovery], where: measure.Record) -> str:
    """The page for the docs, of the runs that are there."""
    lines = [
        "# Is the structural model recovered",
        "",
        "Counts are simulated from a stated law, refitted by maximum likelihood and compared with it: 500 prompts with",
        "10 samples per context unless said otherwise. ± is one Monte Carlo standard error; intervals are the reported",
        "95 % intervals. Gates of regular designs: RMSE/bound in [.93, 1.07], coverage in [.93, .97].",
        "",
    ]
    for run in LAWS:
        if run.name in found:
            lines += recovery_lines(run, found[run.name])
    nulls, powers = (
        {run.name: found[run.name] for run in runs if run.name in found} for runs in (NULLS, POWERS)
    )
    lines += [
        "## No incentive, no faking",
        "",
        "A fit often has a positive faking share where there is no incentive. Something is reported only where a",
        "bootstrap of the whole choice, between no incentive, one, and one on some prompts only, rejects no incentive",
        "at 5 %, and more than one incentive only where a second test agrees. 39 data sets a test here; the level is",
        "that of any number B with (B + 1)/20 whole, the power a little lower than with the default 199. Gate: faking",
        "is reported in at most 5 % of runs without an incentive. Any incentive, the mirror one included, should be",
        "reported in 5 %.",
        "",
        *test_lines(nulls),
        *pooled_lines(nulls),
        "The power of the same procedure. In the last row the incentive of a prompt is as often negative as positive.",
        "",
        *test_lines(powers),
        measure.provenance(where, f"seed {SEED}", "recover_structural"),
        "",
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.recover_structural")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "recover_structural")
    parser.add_argument(
        "--page", type=Path, default=HERE.parent / "docs" / "benchmarks" / "recover_structural.md"
    )
    parser.add_argument("--replicates", type=int, default=1000, help="at most so many a run")
    parser.add_argument("--only", default="", help="runs whose name holds these words")
    asked = parser.parse_args(arguments)
    asked.results.mkdir(parents=True, exist_ok=True)
    found = {}
    for k, run in enumerate((*LAWS, *NULLS, *POWERS)):
        if asked.only not in run.name:
            continue
        many = min(run.replicates, asked.replicates)
        resume = asked.results / f"{k}.jsonl"
        found[run.name] = recover(run.model, run.design, replicates=many, seed=SEED, resume=resume)
        print(run.name, flush=True)
        asked.page.write_text(page(found, measure.machine()))


if __name__ == "__main__":
    main()
