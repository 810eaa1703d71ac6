"""Which method should the trainer commit to: one by one, all together, and over generalisation and dose.

The optimal commitment chooses among the game's methods, and so among dose rules and remedies, together with
monitoring and cues.  The functions here say what that choice rests on: what every method alone would give, which
of them breeds the least faking and what insisting on it costs, and where in the plane of generalisation and dose
each method is the answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from stackelberg.faking.game import FakingGame
from stackelberg.faking.methods import Method, TrainingRun
from stackelberg.faking.thresholds import behaviour

if TYPE_CHECKING:
    import pandas as pd

    from stackelberg.faking.commitment import Commitment
    from stackelberg.faking.training.objectives import Objective


SAME = 1e-9
"""Leader utils below which doing without a method costs nothing."""


def faking_share(commitment: "Commitment") -> float:
    """Share of types, by prior, that comply where the belief of being monitored is high and refuse where it is low.

    Examples
    --------
    >>> import stackelberg as sb
    >>> types = [sb.FollowerType(name="guarding", prior=1.0, preference=0.4, goal_guarding=1.0)]
    >>> faking_share(sb.FakingGame(types=types, cues=sb.CuePolicy.free(), budget=0.2).optimal_commitment())
    1.0
    """
    game = commitment.game
    complies = np.nan_to_num(commitment.compliance) > 0.5
    names = behaviour(complies, np.tile(commitment.beliefs, (len(complies), 1)))
    return float(sum(t.prior for t, name in zip(game.types, names, strict=True) if name == "faker"))


def trained_change(commitment: "Commitment") -> float:
    """Rise of deploy compliance that training brings about, over all conversations, types by prior.

    A monitored conversation counts with its method's change for what the type does there; a type without a
    positive preference has nothing to be changed.
    """
    game = commitment.game
    total = 0.0
    for member, row in zip(game.types, commitment.compliance, strict=True):
        for method, shares in zip(game.methods, commitment.shares, strict=True):
            change = np.where(np.nan_to_num(row) > 0.5, method.complied_change, method.refused_change)
            total += member.prior * (member.preference > 0) * float(shares[0] @ change)
    return total


def compare_methods(game: FakingGame) -> "pd.DataFrame":
    """The best commitment with each method alone, best first, and with the whole menu in the first row.

    Returns
    -------
    DataFrame
        method ("all" for the menu), modification, refused_change, complied_change, value, costs (what insisting on
        this method loses against the menu, in leader utils per conversation), monitoring, faking_share,
        trained_change, deploy_refusal (share of unmonitored conversations that are refused), claim (of the
        certificate).

    Examples
    --------
    >>> import stackelberg as sb
    >>> types = [sb.FollowerType(name="guarding", prior=1.0, preference=0.3, goal_guarding=1.2)]
    >>> game = sb.FakingGame(types=types, methods=[sb.Method.dpo(), sb.Method.sft()], cues=sb.CuePolicy.free())
    >>> compare_methods(game)[["method", "value", "monitoring", "claim"]].round(3)
            method  value  monitoring    claim
    0          all -0.031       0.306  optimal
    1  SFT, dose 1 -0.031       0.306  optimal
    2  DPO, dose 1 -0.100       1.000  optimal
    """
    import pandas as pd

    menu = game.optimal_commitment()
    alone = [(m, replace(game, methods=[m], method_mix=None).optimal_commitment()) for m in game.methods]
    rows = [_row("all", None, menu, menu.value)]
    rows += sorted((_row(m.name, m, c, menu.value) for m, c in alone), key=lambda row: -row["value"])
    return pd.DataFrame(rows)


def _row(name: str, method: Method | None, commitment: "Commitment", best: float) -> dict[str, Any]:
    unmonitored = commitment.shares[:, 1].sum(axis=0)
    refused = 1 - commitment.game.parameters("prior") @ np.nan_to_num(commitment.compliance, nan=1.0)
    share = float(unmonitored.sum())
    claim = commitment.certificate.claim if commitment.certificate else "none"
    return {
        "method": name,
        "modification": method.modification if method else np.nan,
        "refused_change": method.refused_change if method else np.nan,
        "complied_change": method.complied_change if method else np.nan,
        "value": commitment.value,
        "costs": best - commitment.value,
        "monitoring": commitment.monitoring,
        "faking_share": faking_share(commitment),
        "trained_change": trained_change(commitment),
        "deploy_refusal": float(unmonitored @ refused) / share if share else np.nan,
        "claim": claim,
    }


def least_faking(game: FakingGame) -> "pd.Series":
    """The method with the least faking under its own best commitment, and what that advice costs (``costs``).

    Ties go to the greater value.
    """
    alone = compare_methods(game).iloc[1:]
    return alone.sort_values(["faking_share", "value"], ascending=[True, False], kind="stable").iloc[0]


def method_regions(
    game: FakingGame,
    objectives: "Mapping[str, Objective] | Sequence[Objective]",
    *,
    generalisation: ArrayLike,
    dose: ArrayLike,
    run: TrainingRun | None = None,
    cost: float = 0.0,
) -> "pd.DataFrame":
    """Which method is the answer over generalisation and dose: one optimal commitment per point.

    Parameters
    ----------
    game : FakingGame
        Types, cues, budget and costs; its methods are not used.
    objectives : mapping of name to Objective, or sequence of them
    generalisation : array_like, shape (g,)
    dose : array_like, shape (doses,)
        Unit doses, ascending: equal doses are equally useful on an indifferent prompt.
    run : TrainingRun
        The rest of the run.
    cost : float
        Of every method, in leader utils per monitored conversation.

    Returns
    -------
    DataFrame
        generalisation, dose, method (the most used one; "any" where another does as
        well, "none" where nothing is monitored), method_share (of the
        monitored conversations), value, margin (what doing without that method loses), monitoring, faking_share,
        claim.
    """
    import pandas as pd

    plane = modification_plane(objectives, generalisation=generalisation, dose=dose, run=run)
    rows = []
    for (g, amount), point in plane.groupby(["generalisation", "dose"], sort=False):
        methods = [
            Method(str(name), float(delta), complied_change=float(complied), cost=cost)
            for name, delta, complied in zip(
                point["method"], point["modification"], point["complied_change"], strict=True
            )
        ]
        rows.append({"generalisation": g, "dose": amount, **_answer(game, methods)})
    return pd.DataFrame(rows)


def modification_plane(
    objectives: "Mapping[str, Objective] | Sequence[Objective]",
    *,
    generalisation: ArrayLike,
    dose: ArrayLike,
    run: TrainingRun | None = None,
) -> "pd.DataFrame":
    """What every method puts at stake over generalisation and dose.

    Returns
    -------
    DataFrame
        method, generalisation, dose (unit doses), refused_change, complied_change, modification.

    Examples
    --------
    >>> from stackelberg.faking.training.objectives import SFT
    >>> modification_plane([SFT()], generalisation=[0.9], dose=[1, 10])["modification"].round(3).tolist()
    [0.816, 0.739]
    """
    import pandas as pd

    from stackelberg.faking.methods import label
    from stackelberg.faking.training.modification import modification_path

    named = objectives if isinstance(objectives, Mapping) else {label(o): o for o in objectives}
    doses, base = np.asarray(dose, dtype=float), run or TrainingRun()
    parts = []
    for name, objective in named.items():
        for g in np.asarray(generalisation, dtype=float):
            refused, complied = modification_path(objective, replace(base, generalisation=float(g)), doses)
            columns = {
                "method": name,
                "generalisation": float(g),
                "dose": doses,
                "refused_change": refused,
                "complied_change": complied,
                "modification": refused - complied,
            }
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def _answer(game: FakingGame, methods: list[Method]) -> dict[str, object]:
    commitment = replace(game, methods=methods, method_mix=None).optimal_commitment()
    monitored = commitment.shares[:, 0].sum(axis=1)
    total = float(monitored.sum())
    best = int(np.argmax(monitored))
    others = [m for k, m in enumerate(methods) if k != best]
    margin = np.nan
    if total > 0 and others:
        margin = commitment.value - replace(game, methods=others, method_mix=None).optimal_commitment().value
    return {
        "method": "none" if total == 0 else methods[best].name if margin > SAME else "any",
        "method_share": float(monitored[best] / total) if total > 0 else np.nan,
        "value": commitment.value,
        "margin": margin,
        "monitoring": commitment.monitoring,
        "faking_share": faking_share(commitment),
        "claim": commitment.certificate.claim if commitment.certificate else "none",
    }
