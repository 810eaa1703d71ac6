"""METHODS' tables of training methods, recomputed beside what it states: ``python -m benchmarks.methods_tables``.

Writes ``docs/benchmarks/training_methods.md``: drifts, modification, outcomes of prompts that do not plan (in
expectation and sampled), strategic rounds, reasoning modes, and the optimal method with its certificate. What is stated
is in ``methods_stated.csv``, a row per number: table, case, method, quantity, stated, digits.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import logit

import stackelberg as sb
from benchmarks.methods_advice import advice, regions, stakes
from stackelberg.faking.training import dynamics, outcomes
from stackelberg.faking.training.flow import unit_dose
from stackelberg.faking.training.modification import crossover_dose, modification, persistence_dose
from stackelberg.faking.training.objectives import BCO, DPO, GRPO, KTO, SFT, Objective

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs/benchmarks/training_methods.md"
METHODS: dict[str, Objective] = {
    "DPO": DPO(), "BCO": BCO(), "KTO": KTO(), "KTO 4/3": KTO(desirable_weight=4 / 3), "SFT": SFT(), "GRPO8": GRPO(),
}  # fmt: skip
STATED = pd.read_csv(HERE / "methods_stated.csv", keep_default_na=False)
FIELDS = {"train": "train_rate", "deploy": "deploy_rate", "log-odds gap": "log_odds_gap",
          "faking share": "faking_share", "deploy spread": "deploy_spread"}  # fmt: skip


def drift(case: str, method: str, quantity: str) -> float:
    """Drift at a rate over that at ½."""
    at = logit(float(case))
    own = METHODS[method]
    return float(own.drift(at, at) / own.drift(0.0, 0.0))


def modified(case: str, method: str, quantity: str) -> float:
    """Modification; the case is generalisation, share of deploy traffic, and dose or until which rate."""
    g, deploy, rule = case.split(", ")
    until = float(rule.removeprefix("until ")) if rule.startswith("until") else None
    dose = {} if until else {"dose": float(rule.removesuffix("×"))}
    run = sb.TrainingRun(generalisation=float(g), train_share=1 - float(deploy), until=until, **dose)
    return modification(METHODS[method], run).modification


def setting(case: str, prompts: int) -> tuple[sb.TrainingRun, np.ndarray]:
    """Run and prompts that do not plan; the case is their mean, generalisation, share of deploy traffic."""
    mean, g, deploy = (float(part) for part in case.partition(":")[0].replace("−", "-").split(", "))
    return sb.TrainingRun(generalisation=g, train_share=1 - deploy), outcomes.prompts(mean, count=prompts)


@cache
def outcome_of(case: str, method: str, prompts: int) -> outcomes.Outcome:
    """Outcome in expectation of such a case."""
    run, start = setting(case, prompts)
    return outcomes.outcome(METHODS[method], start, run)


def compared(
    table: str, found: Callable[[str, str, str], float], corner: str, *, by_method: bool = False
) -> list[str]:
    """A table as Markdown: a cell per number, bold with the stated one beside it where the last digit differs."""
    own = STATED[STATED["table"] == table]
    rows, columns = ("method", "case") if by_method else ("case", "method")
    heads = [corner, *own[columns].unique()]
    lines, differ = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)], 0
    for row, part in own.groupby(rows, sort=False):
        cells = []
        for _, numbers in part.groupby(columns, sort=False):
            texts = []
            for each in numbers.itertuples():
                text, same = beside(
                    found(each.case, each.method, each.quantity), float(each.stated), each.digits
                )
                texts.append(text)
                differ += not same
            cells.append(" / ".join(texts))
        lines.append("| " + " | ".join([str(row), *cells]) + " |")
    return [*lines, "", f"{differ} cells differ."]


def beside(found: float, stated: float, digits: int) -> tuple[str, bool]:
    """A number, bold with the stated one where they differ, and whether they agree."""
    text = f"{found:.{digits}f}"
    same = abs(found - stated) <= 0.51 * 10**-digits
    return (text if same else f"**{text}** (stated {stated:.{digits}f})"), same


def sampled(prompts: int, steps: int, seed: int) -> list[str]:
    lines = [
        "| mean, g, deploy traffic | method | baseline | train | deploy | log-odds gap | faking share |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in ("-4, 0.3, 0", "-4, 0.3, 0.3"):
        run, start = setting(case, prompts)
        for name in ("DPO", "BCO", "KTO", "SFT", "GRPO8"):
            exact = outcome_of(case, name, prompts)
            for pooled in (False, True) if name in ("BCO", "KTO") else (False,):
                rng = np.random.default_rng(seed)
                end = outcomes.summarise(
                    outcomes.sampled_run(METHODS[name], start, run, steps=steps, rng=rng, pooled=pooled)
                )
                gaps = " | ".join(
                    f"{getattr(end, f):.3f} ({getattr(end, f) - getattr(exact, f):+.3f})"
                    for f in ("train_rate", "deploy_rate", "log_odds_gap", "faking_share")
                )
                lines.append(f"| {case} | {name} | {'pooled' if pooled else 'per prompt'} | {gaps} |")
    return lines


def strategic() -> list[str]:
    """First round in which more than half comply in deploy, and rounds that are faked."""
    lines = [
        "| b | method | looks | first round with deploy above ½ | rounds faked of 100 |",
        "|---|---|---|---|---|",
    ]
    differ = 0
    for each in STATED[STATED["table"] == "rounds"].itertuples():
        b, looks = each.case.split(" ", 1)
        run = sb.TrainingRun(dose=0.1, generalisation=0.8, own_logit=-float(b))
        played = dynamics.rounds(
            METHODS[each.method], run, dynamics.StrategicModel(far_sighted=looks == "to the end")
        )
        first, faked = dynamics.first_compliant_round(played), int(played["fakes"].sum())
        shown = "never" if first is None else str(first)
        if shown != each.stated or (faked > 0) != each.quantity.endswith(", fakes"):
            differ += 1
            shown = f"**{shown}** (stated {each.stated})"
        lines.append(f"| {b} | {each.method} | {looks} | {shown} | {faked} |")
    return [*lines, "", f"{differ} cells differ."]


def closed_forms() -> list[str]:
    lines = ["| quantity | found | stated |", "|---|---|---|"]
    large = GRPO(group_size=np.inf)

    def add(what: str, found: float, stated: float, digits: int) -> None:
        mark = "**" if abs(found - stated) > 0.51 * 10**-digits else ""
        lines.append(f"| {what} | {mark}{found:.{digits}f}{mark} | {stated:.{digits}f} |")

    for a, size, stated in ((4, np.inf, 14.5), (7, np.inf, 66), (4, 8, 27.8), (7, 8, 453)):
        found = crossover_dose(large if np.isinf(size) else GRPO(), sb.TrainingRun(plan_logit=a))
        add(f"crossover dose, GRPO, G={size:g}, a={a}", found, stated, 1 if stated < 60 else 0)
    run = sb.TrainingRun(generalisation=0.8)
    for b, stated in ((2, 1.15), (4, 2.47)):
        found = persistence_dose(DPO(), replace(run, own_logit=-b)) / unit_dose(DPO())
        add(f"persistence under DPO, b={b}, unit doses", found, stated, 2)
    for e, stated, digits in ((0.05, 3.3, 1), (0.01, 15, 0), (0.001, 149, 0)):
        explored = replace(run, exploration=e, plan_logit=20.0)
        add(
            f"persistence under GRPO8, tremble {e}",
            persistence_dose(GRPO(), explored) / unit_dose(GRPO()),
            stated,
            digits,
        )
    for beta, stated in ((0.1, 0.18), (0.5, 0.37)):
        change = modification(DPO(beta=beta), sb.TrainingRun(reference="refuse"))
        add(f"K/W under DPO, β={beta}, reference frozen at refusal", change.modification, stated, 2)
    for gradient, penalty, stated in (
        ("natural", 0.0, 0.85), ("hierarchical", 0.0, 0.85), ("softmax", 0.0, 0.98),
        ("hierarchical", 0.1, 0.38), ("natural", 0.1, 0.74),
    ):  # fmt: skip
        modes = dynamics.reasoning_modes([0.86, 0.12, 0.02], 0.99, gradient=gradient, penalty=penalty)  # type: ignore[arg-type]
        add(f"faking reasoning at train .99, {gradient}, penalty {penalty}", modes[1], stated, 2)
    for p_train, deploy, stated in (
        (0.999, 0.028, 0.70),
        (0.999, 0.01, 0.82),
        (0.999, 0.002, 1.01),
        (0.99, 0.028, 0.96),
        (0.99, 0.002, 1.37),
    ):
        g = (logit(0.93) - logit(deploy)) / (logit(p_train) - logit(0.14))
        add(f"g that carries deploy {deploy} to .93 at train {p_train}", g, stated, 2)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--prompts", type=int, default=20_001, help="quantiles of the population in expectation"
    )
    parser.add_argument("--steps", type=int, default=1000, help="steps of sampled training")
    parser.add_argument("--points", type=int, default=9, help="grid of the regions, per axis")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--page", type=Path, default=PAGE)
    args = parser.parse_args()
    tables = {
        "Drift": compared("drift", drift, "drift over that at p = ½", by_method=True),
        "Modification, b = 2, a = 4, own reference": compared(
            "modification", modified, "g, deploy traffic, dose"
        ),
        "Prompts that do not plan: train / deploy / gap / log-odds gap / faking share": compared(
            "outcome",
            lambda case, method, quantity: getattr(
                outcome_of(case, method, args.prompts), FIELDS.get(quantity, quantity)
            ),
            "mean, g, deploy traffic",
        ),
        "Strategic rounds: D = 8, g = 0.8, 0.1 unit doses a round": strategic(),
    }
    text = [
        "# Training methods: the tables of METHODS, recomputed",
        "",
        "`python -m benchmarks.methods_tables`. A number that differs in its last digit from what the project's notes",
        "(METHODS) state is bold, with the stated one beside it. What differs, and why:",
        "",
        "- **Faking shares.** The stated ones come from a few quadrature nodes, which an indicator does not suffer:",
        "  several of them are equal. Here they are shares of 20,001 equally likely prompts. All rates and gaps agree.",
        "- **GRPO far-sighted, b = 2**: round 87, which is what the closed persistence dose says too; 88 was stated.",
        "- **K/W under DPO at β = .5, frozen reference**: .3645, so .36; .37 was stated.",
        "- BCO and KTO flip the preference in at most as many rounds as DPO, as stated: 24 and 23 at b = 4.",
        "",
    ]
    for title, table in tables.items():
        text += [f"## {title}", "", *table, ""]
    text += ["## Closed forms and other single numbers", "", *closed_forms(), ""]
    text += [
        f"## Sampled training, 3,000 prompts, {args.steps:,} steps",
        "",
        "In brackets, what differs from the flow of the same prompts.",
        "",
        *sampled(3000, args.steps, args.seed),
        "",
        "## The answer for the default costs",
        "",
        "Half of the population is willing; guarding types refuse for 0.3 utils and count 2, 4 or 8 deploy",
        "conversations; a tenth pleases the rater. Budget ½; 14 actions: DPO, SFT, GRPO8 at 1 and 10 unit doses, until",
        "0.95, and at one unit dose with 30 % deploy-cue traffic; GRPO8 at 10 unit doses, with an exploration floor",
        "of 5 % or with a tenth of off-policy pairs; all at g = 0.9. The default training value is 0: only deterrence",
        "counts then. Equal methods are listed by the first.",
        "",
        *stakes(),
        "",
        *advice(),
        "",
        f"## Regions of (g, dose), {args.points} by {args.points} points, g from .05 to .95, dose from 0.2 to 20",
        "",
        *regions(args.points),
        "",
    ]
    args.page.write_text("\n".join(text))
    print("\n".join(text))


if __name__ == "__main__":
    main()
