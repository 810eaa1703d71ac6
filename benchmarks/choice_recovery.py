"""The choice model of THEORY 2.3 (iii) recovered from simulated counts: ``python -m benchmarks.choice_recovery``.

Compliers, refusers and strategic types in arms that state different beliefs, refitted R times; with the cue sharpness
known and unknown. Interrupt it and run it again: it goes on where it stopped.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks import measure
from estimators.choice_likelihood import ChoiceForm
from estimators.choice_recovery import ChoiceRecovery, arms_design
from estimators.simulate import Design, recover

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks" / "choice_recovery.md"
HEAD = """# The choice model finds its parameters again

Compliers (.25 of prompts, rate .93), refusers (.55, rate .05) and a strategic type (.20, λK = 6, β* = .45), φ = 20, ten
samples per prompt and context, each arm put to an equal part of the prompts: THEORY 2.3 (iii). The bound is Cramér and
Rao's; ± is one Monte Carlo standard error. Wanted: RMSE/bound in [.93, 1.07] (log φ at most 1.10), coverage in
[.93, .97].

Where cues of moderate strength are to tell a dull cue (κ = .8) from a weak incentive, 2,000 prompts are too few for the
bound to hold: λK and κ trade off against each other (last table). An arm that states .99 and .01 mends it.
"""

TYPES = ("complier", "refuser", "strategic")
SHARES = np.log(np.array([0.55, 0.20]) / 0.25)
REST = (2.6, -2.9, np.log(6.0), 0.45)
"""Logits of the two constant rates (.93 and .05), log λK, β*."""

BASE = ((0.9, 0.1), (0.7, 0.3), (0.5, 0.1))
# name: arms, prompts, sharpness (None: known to be 1), replicates
DESIGNS = {
    "beliefs as stated": (BASE, 501, None, 2000),
    "sharpness 1, to be estimated": ((*BASE, (0.95, 0.05)), 2000, 1.0, 2000),
    "sharpness .8, beliefs up to .99": ((*BASE, (0.99, 0.01)), 2000, 0.8, 1000),
    "sharpness .8, beliefs up to .9": ((*BASE, (0.8, 0.2)), 2000, 0.8, 500),
}
"""The last is there to show what a weak design does: dull cues of moderate strength hardly move the belief."""


def model(name: str) -> tuple[ChoiceRecovery, Design]:
    arms, prompts, kappa, _ = DESIGNS[name]
    design, beliefs = arms_design(arms, prompts, 10)
    form = ChoiceForm(TYPES, len(beliefs), sharpness=kappa is not None)
    tail = [] if kappa is None else [np.log(kappa)]
    working = tuple(float(x) for x in (*SHARES, *REST, *tail, np.log(20.0)))
    return ChoiceRecovery(form, working, beliefs), design


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/choice_recovery"))
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--replicates", type=int, help="instead of 500 to 2000")
    options = parser.parse_args()
    lines = [*HEAD.splitlines(), ""]
    for name, (arms, prompts, kappa, replicates) in DESIGNS.items():
        law, design = model(name)
        path = options.results / f"{name.replace(' ', '-').replace(',', '')}.jsonl"
        found = recover(law, design, replicates=options.replicates or replicates, seed=4, resume=path)
        told = ", ".join(f"({', '.join(f'{b:g}' for b in arm)})" for arm in arms)
        beaten = int((found.decisions["value"] == "True").sum())
        lines += [
            f"## {name[0].upper()}{name[1:]}",
            "",
            f"Arms {told}; {prompts} prompts; κ {'known to be 1' if kappa is None else f'= {kappa:g}, estimated'}. "
            f"{found.runs} runs, {len(found.failures)} failures; in {beaten} the truth was likelier than the fit.",
            "",
            "| parameter | truth | bias | RMSE | RMSE/bound | coverage of 95 % |",
            "|---|---|---|---|---|---|",
        ]
        for row in found.table.itertuples():
            lines.append(
                f"| `{row.parameter}` | {row.truth:.3f} | {row.bias:.4f} | {row.rmse:.4f} "
                f"| {row.ratio:.3f} ± {row.ratio_se:.3f} | {row.coverage:.3f} ± {row.coverage_se:.3f} |"
            )
        lines.append("")
    lines += [measure.provenance(measure.machine(), "seed 4", "choice_recovery"), ""]
    options.page.parent.mkdir(parents=True, exist_ok=True)
    options.page.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
