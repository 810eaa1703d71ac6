"""METHODS' tables of training methods, recomputed beside what it states: ``python -m benchmarks.methods_tables``.

Writes ``docs/benchmarks/training_methods.md``: drifts, modification, outcomes of prompts that do not plan (in
expectation and sampled), strategic rounds, reasoning modes, and the optimal method with its certificate.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.special import logit

import stackelberg as sb
from stackelberg.faking import choice
from stackelberg.faking.training import dynamics, outcomes
from stackelberg.faking.training.flow import unit_dose
from stackelberg.faking.training.modification import crossover_dose, modification, persistence_dose
from stackelberg.faking.training.objectives import BCO, DPO, GRPO, KTO, SFT, Mixture, Objective

PAGE = Path(__file__).parent.parent / "docs/benchmarks/training_methods.md"
TILTED = KTO(desirable_weight=4 / 3)
METHODS: dict[str, Objective] = {
    "DPO": DPO(), "BCO": BCO(), "KTO": KTO(), "KTO 4/3": TILTED, "SFT": SFT(), "GRPO8": GRPO(),
}  # fmt: skip

DRIFTS = {
    "DPO": (1, 1, 1, 1, 1, 1), "BCO": (1, 1, 1, 1, 1, 1), "KTO": (1, 1, 1, 1, 1, 1),
    "KTO 4/3": (1.14, 1.14, 1.10, 0.90, 0.86, 0.86), "SFT": (2.00, 1.96, 1.72, 0.28, 0.04, 0.002),
    "GRPO8": (0.006, 0.11, 0.58, 0.58, 0.11, 0.006),
}  # fmt: skip
RATES = (0.001, 0.02, 0.14, 0.86, 0.98, 0.999)

MODIFICATIONS = [  # generalisation, share of deploy traffic, dose; DPO, BCO, KTO, KTO 4/3, SFT, GRPO8
    (0.3, 0.0, 1.0, (0, 0, 0.000, 0.031, 0.292, 0.003)),
    (0.9, 0.0, 1.0, (0, 0, 0.001, 0.138, 0.816, 0.009)),
    (0.9, 0.0, 10.0, (0, 0, 0.000, 0.000, 0.739, 0.676)),
    (0.9, 0.3, 1.0, (0, 0, 0.001, 0.094, 0.412, 0.024)),
    (0.9, 0.3, 10.0, (0, 0, 0.000, 0.000, 0.034, 0.034)),
]
UNTIL = 0.867

OUTCOMES = [  # mean, generalisation, share of deploy traffic; DPO, SFT, GRPO8: train, deploy, gap, log-odds gap, faking
    (
        -4,
        0.3,
        0.0,
        (0.361, 0.075, 0.287, 2.54, 0.289),
        (0.842, 0.105, 0.737, 4.29, 0.989),
        (0.298, 0.074, 0.224, 1.88, 0.289),
    ),
    (
        -4,
        0.3,
        0.3,
        (0.292, 0.107, 0.185, 1.62, 0.164),
        (0.804, 0.409, 0.395, 1.89, 0.699),
        (0.239, 0.091, 0.148, 1.45, 0.164),
    ),
    (
        -4,
        0.9,
        0.0,
        (0.361, 0.187, 0.174, 1.22, 0.190),
        (0.842, 0.555, 0.287, 1.47, 0.300),
        (0.298, 0.176, 0.122, 1.13, 0.190),
    ),
    (
        -4,
        0.9,
        0.3,
        (0.351, 0.196, 0.155, 1.09, 0.190),
        (0.870, 0.686, 0.183, 1.12, 0.011),
        (0.267, 0.165, 0.102, 1.06, 0.190),
    ),
    (
        -1,
        0.3,
        0.0,
        (0.832, 0.440, 0.392, 2.54, 0.512),
        (0.902, 0.436, 0.466, 2.60, 0.569),
        (0.833, 0.429, 0.404, 2.35, 0.512),
    ),
    (
        -1,
        0.9,
        0.3,
        (0.825, 0.678, 0.147, 1.09, 0.133),
        (0.921, 0.807, 0.114, 1.03, 0.000),
        (0.823, 0.682, 0.141, 1.07, 0.081),
    ),
]
SPREADS = {"DPO": 1.50, "SFT": 0.39, "GRPO8": 2.30}

ROUNDS = [  # conviction b, method, far-sighted; first round with deploy above one half, whether it fakes
    (2, "DPO", False, 12, False),
    (2, "DPO", True, 12, False),
    (4, "DPO", False, 25, False),
    (4, "DPO", True, 25, False),
    (2, "SFT", False, 4, False),
    (2, "SFT", True, None, True),
    (4, "SFT", False, 8, False),
    (4, "SFT", True, None, True),
    (2, "GRPO8", False, 11, False),
    (2, "GRPO8", True, 88, True),
    (4, "GRPO8", False, 45, False),
    (4, "GRPO8", True, None, True),
]


class Table:
    """Rows of a page and the largest difference from what METHODS states, in units of its last digit."""

    def __init__(self, header: str) -> None:
        self.lines = [header, "|" + "---|" * (header.count("|") - 1)]
        self.differences: list[tuple[str, float, float]] = []

    def cell(self, where: str, found: float, stated: float, digits: int) -> str:
        if abs(found - stated) > 0.51 * 10**-digits:
            self.differences.append((where, stated, found))
            return f"**{found:.{digits}f}** (stated {stated:.{digits}f})"
        return f"{found:.{digits}f}"

    def row(self, *cells: str) -> None:
        self.lines.append("| " + " | ".join(cells) + " |")


def drifts() -> Table:
    table = Table("| drift over that at p = ½ | " + " | ".join(map(str, RATES)) + " |")
    at = logit(np.array(RATES))
    for name, stated in DRIFTS.items():
        found = METHODS[name].drift(at, at) / METHODS[name].drift(0.0, 0.0)
        cells = [
            table.cell(f"{name}, {p}", f, s, 3 if s < 0.01 else 2)
            for p, f, s in zip(RATES, found, stated, strict=True)
        ]
        table.row(name, *cells)
    return table


def modifications() -> Table:
    table = Table("| g, deploy traffic, dose | " + " | ".join(METHODS) + " |")
    for g, deploy, dose, stated in MODIFICATIONS:
        run = sb.TrainingRun(dose=dose, generalisation=g, train_share=1 - deploy)
        cells = [
            table.cell(f"{name}, g={g}, {deploy:g}, {dose:g}×", modification(o, run).modification, s, 3)
            for (name, o), s in zip(METHODS.items(), stated, strict=True)
        ]
        table.row(f"{g}, {deploy:g}, {dose:g}×", *cells)
    run = sb.TrainingRun(until=0.95)
    cells = [table.cell(name, modification(o, run).modification, UNTIL, 3) for name, o in METHODS.items()]
    table.row("0.9, 0, until 0.95", *cells)
    return table


def outcome_table(prompts: int) -> Table:
    names = ("DPO", "SFT", "GRPO8")
    table = Table("| mean, g, deploy traffic | " + " | ".join(names) + " |")
    for mean, g, deploy, *stated in OUTCOMES:
        run = sb.TrainingRun(generalisation=g, train_share=1 - deploy)
        cells = []
        for name, numbers in zip(names, stated, strict=True):
            found = outcomes.outcome(METHODS[name], outcomes.prompts(mean, count=prompts), run)
            where = f"{name}, {mean}, {g}, {deploy:g}"
            values = (found.train_rate, found.deploy_rate, found.gap, found.log_odds_gap, found.faking_share)
            parts = [
                table.cell(f"{where}: {what}", v, s, d)
                for what, v, s, d in zip(
                    ("train", "deploy", "gap", "log-odds gap", "faking share"), values, numbers, (3, 3, 3, 2, 3),
                    strict=True,
                )
            ]  # fmt: skip
            cells.append(" / ".join(parts))
        table.row(f"{mean}, {g}, {deploy:g}", *cells)
    run = sb.TrainingRun(generalisation=0.9)
    spreads = [
        table.cell(
            f"{n}: spread",
            outcomes.outcome(METHODS[n], outcomes.prompts(-4, count=prompts), run).deploy_spread,
            SPREADS[n],
            2,
        )
        for n in names
    ]
    table.row("−4, 0.9, 0: deploy spread, 1.50 before", *spreads)
    return table


def sampled(prompts: int, steps: int, seed: int) -> list[str]:
    lines = [
        "| mean, g, deploy traffic | method | baseline | train | deploy | log-odds gap | faking share |",
        "|---|---|---|---|---|---|---|",
    ]
    for mean, g, deploy, *_ in OUTCOMES[:2]:
        run = sb.TrainingRun(generalisation=g, train_share=1 - deploy)
        start = outcomes.prompts(mean, count=prompts)
        for name in ("DPO", "BCO", "KTO", "SFT", "GRPO8"):
            exact = outcomes.outcome(METHODS[name], start, run)
            for pooled in (False, True) if name in ("BCO", "KTO") else (False,):
                rng = np.random.default_rng(seed)
                end = outcomes.summarise(
                    outcomes.sampled_run(METHODS[name], start, run, steps=steps, rng=rng, pooled=pooled)
                )
                gaps = " | ".join(
                    f"{getattr(end, f):.3f} ({getattr(end, f) - getattr(exact, f):+.3f})"
                    for f in ("train_rate", "deploy_rate", "log_odds_gap", "faking_share")
                )
                lines.append(
                    f"| {mean}, {g}, {deploy:g} | {name} | {'pooled' if pooled else 'per prompt'} | {gaps} |"
                )
    return lines


def strategic() -> Table:
    table = Table("| b | method | looks | first round with deploy above ½ | rounds faked of 100 |")
    for b, name, far, first, fakes in ROUNDS:
        run = sb.TrainingRun(dose=0.1, generalisation=0.8, own_logit=-b)
        played = dynamics.rounds(METHODS[name], run, dynamics.StrategicModel(far_sighted=far))
        found, faked = dynamics.first_compliant_round(played), int(played["fakes"].sum())
        said = "never" if first is None else str(first)
        shown = "never" if found is None else str(found)
        if shown != said or (faked > 0) != fakes:
            table.differences.append(
                (f"{name}, b={b}, far-sighted={far}", float(first or 0), float(found or 0))
            )
            shown = f"**{shown}** (stated {said})"
        table.row(str(b), name, "to the end" if far else "one round", shown, str(faked))
    return table


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


def population() -> list[sb.FollowerType]:
    """The population of the advice: half willing, some guard their goals, some please the rater."""
    guards = [
        sb.FollowerType(name=f"guarding, D={d}", prior=p, preference=0.3, goal_guarding=0.3 * d)
        for d, p in ((2, 0.15), (4, 0.15), (8, 0.1))
    ]
    willing = sb.FollowerType(name="willing", prior=0.5, preference=-0.5)
    sycophant = sb.FollowerType(name="sycophant", prior=0.1, preference=0.3, sycophancy=0.6)
    return [willing, *guards, sycophant]


def menu() -> list[sb.Method]:
    """Three methods under four dose rules and remedies, and two remedies of GRPO."""
    runs = (
        sb.TrainingRun(dose=1.0),
        sb.TrainingRun(dose=10.0),
        sb.TrainingRun(until=0.95),
        sb.TrainingRun(dose=1.0, train_share=0.7),
    )
    plain = [make(run=run) for run in runs for make in (sb.Method.dpo, sb.Method.sft, sb.Method.grpo)]
    pairs = Mixture(((GRPO(), 0.9), (DPO(), 0.1 * unit_dose(DPO()) / unit_dose(GRPO()))))
    return [
        *plain,
        sb.Method.grpo(run=sb.TrainingRun(dose=10.0, exploration=0.05)),
        sb.Method.trained(pairs, sb.TrainingRun(dose=10.0), name="GRPO with a tenth of pairs, dose 10"),
    ]


def stakes() -> list[str]:
    lines = ["| action | δ | M_R | M_F |", "|---|---|---|---|"]
    rows = ((m.name, m.modification, m.refused_change, m.complied_change) for m in menu())
    return lines + [f"| {name} | {a:.3f} | {b:.3f} | {c:.3f} |" for name, a, b, c in rows]


def advice() -> list[str]:
    lines = [
        "| cues | training value | answer | its share of monitored | monitor | value | faking share | claim "
        "| least faking | what that costs |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for cues, name in ((sb.CuePolicy.free(), "free"), (sb.CuePolicy.informative(1.0), "revealing")):
        for worth in (0.0, 0.5, 2.0):
            game = sb.FakingGame(
                types=population(),
                methods=menu(),
                cues=cues,
                budget=0.5,
                costs=sb.LeaderCosts(training_value=worth),
            )
            best, least = game.optimal_commitment(), choice.least_faking(game)
            monitored = best.shares[:, 0].sum(axis=1)
            used = int(np.argmax(monitored))
            assert best.certificate is not None
            lines.append(
                f"| {name} | {worth:g} | {game.methods[used].name} | {monitored[used] / monitored.sum():.0%} "
                f"| {best.monitoring:.3f} | {best.value:.4f} | {choice.faking_share(best):.2f} "
                f"| {best.certificate.claim} | {least['method']} ({least['faking_share']:.2f}) | {least['costs']:.4f} |"
            )
    return lines


def regions(points: int) -> list[str]:
    lines = [
        "| cues | training value | " + " | ".join(["answer in how much of the plane"]) + " |",
        "|---|---|---|",
    ]
    for cues, name in ((sb.CuePolicy.free(), "free"), (sb.CuePolicy.informative(1.0), "revealing")):
        for worth in (0.0, 0.5, 2.0):
            game = sb.FakingGame(
                types=population(), cues=cues, budget=0.5, costs=sb.LeaderCosts(training_value=worth)
            )
            frame = choice.method_regions(
                game,
                {"DPO": DPO(), "SFT": SFT(), "GRPO8": GRPO()},
                generalisation=np.linspace(0.05, 0.95, points),
                dose=np.geomspace(0.2, 20, points),
            )
            shares = frame["method"].value_counts(normalize=True)
            lines.append(
                f"| {name} | {worth:g} | " + ", ".join(f"{m} {s:.0%}" for m, s in shares.items()) + " |"
            )
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
        "Drift": drifts(),
        "Modification, b = 2, a = 4, own reference": modifications(),
        "Prompts that do not plan: train / deploy / gap / log-odds gap / faking share": outcome_table(
            args.prompts
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
        text += [f"## {title}", "", *table.lines, "", f"{len(table.differences)} cells differ.", ""]
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
