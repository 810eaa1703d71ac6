"""Latent classes recovered from simulated counts, against the Cramér–Rao bound: ``python -m benchmarks.recover``.

Every run is simulated, refitted and compared R times by `estimators.recover`; the designs are those of THEORY 2.3 (ii),
and harder ones. Interrupt it and run it again: it goes on where it stopped. ``--only`` takes the runs whose name holds
the words; ``--replicates`` caps R, and then the page says so.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import measure
from estimators import Design, PreferenceLaw, Recoverable, Recovery, recover
from estimators.latent_class_law import ClassLaw
from estimators.latent_class_recovery import ClassRecovery, ClassSelection

SEED = 5
HERE = Path(__file__).parent
NAMES = ("complier", "faker", "refuser")
USUAL = Design.regular(prompts=500, samples=10)
SMALL = Design.regular(prompts=92, samples=10)
"""As large as a model of the shipped data."""
RATIO, LOG_PHI_RATIO, COVERAGE = (0.93, 1.07), 1.10, (0.93, 0.97)
"""Gates of issue 4 for regular designs."""


def law(faker: float = 0.20, phi: float = 20.0, train: float = 0.85, deploy: float = 0.12) -> ClassLaw:
    """THEORY 2.3 (ii) with another share or other rates of the faker; the refuser takes what is left."""
    shares = (0.25, faker, 0.75 - faker)
    return ClassLaw(shares, (0.93, train, 0.05), (0.92, deploy, 0.04), phi)


@dataclass(frozen=True)
class Run:
    """A model, its design, and how often."""

    name: str
    model: Recoverable
    design: Design = USUAL
    replicates: int = 1000
    regular: bool = False


RECOVERIES = (
    Run("beta-binomial", ClassRecovery(law(), NAMES), regular=True),
    Run("binomial", ClassRecovery(law(phi=np.inf), NAMES, "binomial"), regular=True),
    Run("n = 3", ClassRecovery(law(), NAMES), Design.regular(500, 3)),
    Run("faker near the refuser: rates (.35, .12) against (.05, .04)", ClassRecovery(law(train=0.35), NAMES)),
    Run("faker near the refuser: rates (.20, .08) against (.05, .04)", ClassRecovery(law(0.2, 20, 0.20, 0.08), NAMES)),
    *(Run(f"faker share {s:.0%}, three classes", ClassRecovery(law(s), NAMES)) for s in (0.05, 0.02, 0.01, 0.0)),
)  # fmt: skip
NUMBERS = tuple(
    Run(f"{truth} truth, {family} fit", ClassSelection(law(phi=phi), family, 5, 0), USUAL, 200)
    for truth, phi in (("beta-binomial", 20.0), ("binomial", np.inf))
    for family in ("beta-binomial", "binomial")
)
FAKERS = (
    Run("no faker: compliers and refusers", ClassSelection(law(0.0), bootstrap=39)),
    *(
        Run(f"no incentive: preferences N({mu:g}, {sigma:g}²), 92 prompts",
            ClassSelection(PreferenceLaw(mu, sigma, [0.0], [1.0]), bootstrap=39), SMALL)
        for mu, sigma in ((0.0, 0.8), (-1.0, 0.8), (-2.0, 2.0))
    ),
    *(
        Run(f"faker share {s:.0%}", ClassSelection(law(s), bootstrap=39), USUAL, 100)
        for s in (0.01, 0.02, 0.05)
    ),
)  # fmt: skip
RUNS = (*RECOVERIES, *NUMBERS, *FAKERS)


def within(run: Run, row: "pd.Series[float]") -> str:
    """Whether a row of a regular design meets its gates; a miss is told in Monte Carlo errors."""
    if not run.regular:
        return ""
    low, high = RATIO[0], LOG_PHI_RATIO if row["parameter"] == "log_phi" else RATIO[1]
    misses = [
        (max(low - row["ratio"], row["ratio"] - high), row["ratio_se"]),
        (max(COVERAGE[0] - row["coverage"], row["coverage"] - COVERAGE[1]), row["coverage_se"]),
    ]
    if all(miss <= 0 for miss, _ in misses):
        return "yes"
    return f"no, by {max(miss / max(se, 1e-9) for miss, se in misses):.1f} standard errors"


def recovery_lines(run: Run, found: Recovery) -> list[str]:
    """One table of a run."""
    truth_wins = int((found.decisions["value"] == "True").sum())
    lines = [
        f"### {run.name}",
        "",
        f"R = {found.runs}, {len(found.failures)} failures; runs in which the truth beats the fit: {truth_wins}.",
        "",
        "| parameter | truth | bias | RMSE | bound | RMSE/bound | coverage | runs | without interval |"
        + (" within the gates |" if run.regular else ""),
        "|---" * (9 + run.regular) + "|",
    ]
    for _, row in found.table.iterrows():
        bound = "–" if np.isnan(row["bound"]) else f"{row['bound']:.4f}"
        ratio = "–" if np.isnan(row["bound"]) else f"{row['ratio']:.3f} ± {row['ratio_se']:.3f}"
        cells = [
            row["parameter"],
            f"{row['truth']:.3f}",
            f"{row['bias']:.4f} ± {row['bias_se']:.4f}",
            f"{row['rmse']:.4f}",
            bound,
            ratio,
            f"{row['coverage']:.3f} ± {row['coverage_se']:.3f}",
            str(row["runs"]),
            str(row["no_interval"]),
            *([within(run, row)] if run.regular else []),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def number_lines(found: dict[str, Recovery]) -> list[str]:
    """How often BIC and ICL find which number of classes."""
    lines = ["| truth and fit | R | criterion | 1 | 2 | 3 | 4 | 5 |", "|---|---|---|---|---|---|---|---|"]
    for name, recovery in found.items():
        for criterion in ("BIC", "ICL"):
            chosen = recovery.decisions[recovery.decisions["verdict"] == f"classes by {criterion}"]["value"]
            counts = [int((chosen == str(j)).sum()) for j in range(1, 6)]
            cells = " | ".join(str(c) if c else "·" for c in counts)
            lines.append(f"| {name} | {recovery.runs} | {criterion} | {cells} |")
    return [*lines, ""]


def faker_lines(found: dict[str, Recovery]) -> list[str]:
    """How often a faker is in the fit, asked for by BIC, and reported."""
    told = ("a faker in the fit", "BIC asks for a faker", "faker reported")
    lines = [
        "| truth | R | " + " | ".join(told) + " [95 %] | median share reported |",
        "|---" * 6 + "|",
    ]
    for name, recovery in found.items():
        table = recovery.verdicts.set_index(["verdict", "value"])
        shares = []
        for verdict in told:
            rate = table.loc[(verdict, "True")] if (verdict, "True") in table.index else None
            shares.append("0" if rate is None else f"{rate['share']:.3f}")
        reported = table.loc[(told[-1], "True")] if (told[-1], "True") in table.index else None
        false = table.loc[(told[-1], "False")] if (told[-1], "False") in table.index else None
        low = 0.0 if reported is None else reported["low"]
        high = 1.0 if false is None else 1.0 - false["low"]
        median = recovery.replicates["estimate"].median()
        share = "–" if np.isnan(median) else f"{median:.3f}"
        lines.append(f"| {name} | {recovery.runs} | {' | '.join(shares)} [{low:.3f}, {high:.3f}] | {share} |")
    return [*lines, ""]


def page(found: dict[str, Recovery], where: measure.Record) -> str:
    """The page for the docs, of the runs that are there."""
    recoveries = [run for run in RECOVERIES if run.name in found]
    numbers = {run.name: found[run.name] for run in NUMBERS if run.name in found}
    fakers = {run.name: found[run.name] for run in FAKERS if run.name in found}
    lines = [
        "# Are latent classes recovered",
        "",
        "Counts are simulated from a stated law, refitted, and compared with it. 500 prompts with 10 samples per",
        "context unless said otherwise; compliers, fakers and refusers with shares .25, .20, .55, train rates .93,",
        ".85, .05, deploy rates .92, .12, .04 and φ = 20 (THEORY 2.3 ii). ± is one Monte Carlo standard error;",
        "intervals are the reported 95 % intervals from the observed information. An estimate without an interval (at",
        f"a bound) counts as not covering. Gates of regular designs: RMSE/bound in {list(RATIO)} (log φ at most",
        f"{LOG_PHI_RATIO}), coverage in {list(COVERAGE)}.",
        "",
        "## Estimates and intervals, the number of classes known",
        "",
    ]
    for run in recoveries:
        lines += recovery_lines(run, found[run.name])
    lines += [
        "## The number of classes",
        "",
        "How often each number was chosen, of 1 to 5.",
        "",
        *number_lines(numbers),
    ]
    lines += [
        "## Fakers reported",
        "",
        "A faker class is reported where BIC prefers the fit to the best one without a faker class, and a bootstrap of",
        "39 data sets from that one rejects it at 5 %.",
        "",
        *faker_lines(fakers),
        measure.provenance(where, f"seed {SEED}", "recover"),
        "",
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.recover")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "recover")
    parser.add_argument("--page", type=Path, default=HERE.parent / "docs" / "benchmarks" / "recover.md")
    parser.add_argument("--only", default="", help="runs whose name holds these words; no page is written")
    parser.add_argument("--replicates", type=int, help="at most so many per run")
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args(arguments)
    found = {}
    for run in RUNS:
        if given.only not in run.name:
            continue
        path = given.results / f"{_slug(run.name)}.jsonl"
        replicates = min(run.replicates, given.replicates or run.replicates)
        found[run.name] = recover(
            run.model,
            run.design,
            replicates=replicates,
            seed=SEED,
            workers=given.workers,
            resume=path,
            progress=True,
        )
        print(f"{run.name}: {len(found[run.name].failures)} failures of {replicates}", flush=True)
        shown = found[run.name].table if run in RECOVERIES else found[run.name].verdicts
        print(shown.round(4).to_string(index=False), flush=True)
    if not given.only:
        given.page.parent.mkdir(parents=True, exist_ok=True)
        given.page.write_text(page(found, measure.machine()))


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name).strip("-")


if __name__ == "__main__":
    main()
