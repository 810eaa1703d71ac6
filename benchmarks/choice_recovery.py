"""The choice model of THEORY 2.3 (iii) recovered from simulated counts: ``python -m benchmarks.choice_recovery``.

Compliers, refusers and strategic types in arms that state different beliefs, refitted R times; with the cue sharpness
known and unknown. Interrupt it and run it again: it goes on where it stopped.
"""

import argparse
from pathlib import Path

import numpy as np

from estimators.choice_likelihood import ChoiceForm
from estimators.choice_recovery import ChoiceRecovery, arms_design
from estimators.simulate import Design, recover

TYPES = ("complier", "refuser", "strategic")
SHARES = np.log(np.array([0.55, 0.20]) / 0.25)
REST = (2.6, -2.9, np.log(6.0), 0.45)
"""Logits of the two constant rates (.93 and .05), log λK, β*."""

BASE = ((0.9, 0.1), (0.7, 0.3), (0.5, 0.1))
# name: arms, prompts, sharpness (None: known to be 1), replicates
DESIGNS = {
    "beliefs as stated": (BASE, 501, None, 1000),
    "sharpness 1, to be estimated": ((*BASE, (0.95, 0.05)), 2000, 1.0, 500),
    "sharpness .8, beliefs up to .99": ((*BASE, (0.99, 0.01)), 2000, 0.8, 500),
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
    parser.add_argument("--replicates", type=int, help="instead of 1000 and 500")
    options = parser.parse_args()
    for name, (_, _, _, replicates) in DESIGNS.items():
        law, design = model(name)
        path = options.results / f"{name.replace(' ', '-').replace(',', '')}.jsonl"
        found = recover(law, design, replicates=options.replicates or replicates, seed=4, resume=path)
        print(f"\n## {name}: {len(found.failures)} failures of {found.runs}\n")
        print(found.table.round(4).to_string(index=False))
        print(found.verdicts.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
