"""The commitment for a mixed population and a menu of training methods, for the page of `benchmarks.methods_tables`."""

from collections.abc import Iterator

import numpy as np

import stackelberg as sb
from stackelberg.faking import choice
from stackelberg.faking.training.flow import unit_dose
from stackelberg.faking.training.objectives import DPO, GRPO, SFT, Mixture


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


def games(methods: list[sb.Method] | None = None) -> Iterator[tuple[str, float, sb.FakingGame]]:
    """Name of the cues, value of training, and the game of the population."""
    options = {} if methods is None else {"methods": methods}
    for cues, name in ((sb.CuePolicy.free(), "free"), (sb.CuePolicy.informative(1.0), "revealing")):
        for worth in (0.0, 0.5, 2.0):
            costs = sb.LeaderCosts(training_value=worth)
            yield (
                name,
                worth,
                sb.FakingGame(types=population(), cues=cues, budget=0.5, costs=costs, **options),
            )


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
    for name, worth, game in games(menu()):
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
    for name, worth, game in games():
        frame = choice.method_regions(
            game,
            {"DPO": DPO(), "SFT": SFT(), "GRPO8": GRPO()},
            generalisation=np.linspace(0.05, 0.95, points),
            dose=np.geomspace(0.2, 20, points),
        )
        shares = frame["method"].value_counts(normalize=True)
        lines.append(f"| {name} | {worth:g} | " + ", ".join(f"{m} {s:.0%}" for m, s in shares.items()) + " |")
    return lines
