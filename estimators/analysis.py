"""The main job: from observed counts to what they say, what they predict, and what the trainer should commit to.

Every table is tidy and starts with the label columns of its groups.  Groups are those of ``by``, and, where the data
have axes, each axis pooled over everything else; a label that was pooled over is "all".
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import lognorm, norm
from tqdm import tqdm

from estimators.compare import COLUMNS, compare, q_values
from estimators.diagnostics import Diagnostics, diagnose
from estimators.discordant import discordant_test
from estimators.fracture import fracture, fracture_average, fracture_curve
from estimators.gap import compliance_gap
from estimators.latent_class import LatentClasses
from estimators.newton import EstimationWarning
from estimators.observations import ObservationError, Observations
from estimators.policy import (
    Assumptions,
    advice,
    policy_plane,
    recommend,
    solver_check,
    strategic_cells,
)
from estimators.preference import distribution
from estimators.shares import PreferenceLaw
from estimators.structural import StructuralPayoffs

DEFAULT_BY = ("model", "method", "setting", "arm")
POOLED = "all"
_CURVE = np.unique(
    [*norm.cdf(np.linspace(-3.1, 3.1, 124)), 0.25, 0.5, 0.75]
)  # dense in the tails, where the line bends


@dataclass(frozen=True, eq=False)
class Analysis:
    """What :func:`analyze` found, as tidy frames.

    Attributes
    ----------
    assumptions : Assumptions
    by : tuple of str
    orientation, safety : str
    prompts, rows : int
        Prompt pairs and rows that were analysed.
    gaps : DataFrame
        :func:`estimators.compliance_gap` per group.
    discordant : DataFrame
        :func:`estimators.discordant_test` per group, q-values over the groups.
    comparisons : DataFrame
        :func:`estimators.compare` over models, families, methods and axes; no rows where there is nothing to compare.
    diagnostics : DataFrame
        At which level types live in each group, with the tests: :func:`estimators.diagnose`.
    fracture, fracture_curve : DataFrame
        :func:`estimators.fracture` at the assumed threshold, and over thresholds, with bounds.
    fracture_average : DataFrame
        :func:`estimators.fracture_average`, log-normal about the assumed ratio of costs.
    structural : DataFrame
        Labels, parameter, estimate, se, low, high, reading.
    selection : DataFrame
        One row per group: incentives chosen, p-values, verdict, status and numbers of the fit, BIC by candidate.
    classes : DataFrame
        Labels, class, share, p_train, p_deploy with standard errors and intervals; the second reading.
    class_selection : DataFrame
        One row per group: classes, bic, icl, phi, faker_share with low and high, faker_p_value, faker_reason.
    rates : DataFrame
        Labels, belief, rate, se, low, high: predicted rate of agreement at beliefs from 0 to 1.
    plane : DataFrame
        Labels and :func:`estimators.policy_plane`.
    commitments : DataFrame
        Labels and :func:`estimators.recommend`.
    solver_check : DataFrame
        Labels and :func:`estimators.policy.solver_check`: an 8-cell approximation by two routes.
    tornado : DataFrame
        All data pooled: name, kind ("assumption" or "estimate"), low, high, base, and the advice at each.
    prompt_rates, curves : DataFrame
        Distinct pairs of rates with their number of prompts, and the fitted model's rates, for the figure.
    law : DataFrame
        Labels, mu, sigma, incentive, share: the fitted law of preferences, one row per incentive, in logits.
    game_types : DataFrame
        Labels, prior, preference, incentive: the follower types of the game behind the best-reply advice, in logits.
    dropped : DataFrame
        Rows left out, counted by reason.
    notes : DataFrame
        Labels and note: what a reader of a group's numbers must know.
    """

    assumptions: Assumptions
    by: tuple[str, ...]
    orientation: str
    safety: str
    prompts: int
    rows: int
    gaps: pd.DataFrame
    discordant: pd.DataFrame
    comparisons: pd.DataFrame
    diagnostics: pd.DataFrame
    fracture: pd.DataFrame
    fracture_curve: pd.DataFrame
    fracture_average: pd.DataFrame
    structural: pd.DataFrame
    selection: pd.DataFrame
    classes: pd.DataFrame
    class_selection: pd.DataFrame
    rates: pd.DataFrame
    plane: pd.DataFrame
    commitments: pd.DataFrame
    solver_check: pd.DataFrame
    tornado: pd.DataFrame
    prompt_rates: pd.DataFrame
    curves: pd.DataFrame
    law: pd.DataFrame
    game_types: pd.DataFrame
    dropped: pd.DataFrame
    notes: pd.DataFrame

    def tables(self) -> dict[str, pd.DataFrame]:
        """Every frame by name, the assumptions among them, in the order in which a reader wants them."""
        frames = {name: value for name, value in vars(self).items() if isinstance(value, pd.DataFrame)}
        return {"assumptions": self.assumptions.table(), **frames}


def analyze(
    obs: Observations,
    by: Sequence[str] | None = None,
    assumptions: Assumptions | None = None,
    *,
    bootstrap: int = 199,
    draws: int = 100,
    seed: int = 0,
    progress: bool = False,
) -> Analysis:
    """Analyse observed train-versus-deploy counts.

    Parameters
    ----------
    obs : Observations
    by : sequence of str, optional
        Label columns whose groups are analysed apart; those of model, method, setting and arm that the data have, where
        not given.
    assumptions : Assumptions, optional
    bootstrap : int
        Simulated data sets per test of no incentive, for more than one incentive, and for a faker class.
    draws : int
        Draws behind the intervals of the advice.
    seed : int
        Same seed, same result.
    progress : bool
        Whether to show a bar on standard error.

    Returns
    -------
    Analysis

    Raises
    ------
    ObservationError
        If ``by`` names a column that the data lack, or there is no pair of train and deploy rows.
    """
    given = assumptions or Assumptions()
    columns = tuple(name for name in DEFAULT_BY if name in obs.frame) if by is None else tuple(by)
    pairs = obs.pairs()
    if pairs.empty:
        raise ObservationError(
            "there is no prompt with both a train and a deploy row: nothing can be compared"
        )
    labels = tuple(dict.fromkeys([*columns, *(["axis"] if "axis" in obs.frame else [])]))
    groups = list(_groups(obs, columns, labels))
    # Costs are known within a factor e either way; a free miss is next to free.
    ratio = lognorm(s=1.0, scale=given.false_alarm_cost / max(given.missed_harm_cost, 1e-9))
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in Analysis.__annotations__}
    for label, group in tqdm(groups, desc="groups", disable=not progress, leave=False):
        if group.pairs().empty:
            parts["notes"].append(_labelled(_without_pairs(group), label))
            continue
        level = diagnose(group, seed=seed)
        fit, messages = _fitted(group, given, bootstrap, seed)
        classes, more = _classes(group, bootstrap, seed)
        law = fit.law_
        tables = {
            "gaps": compliance_gap(group),
            "discordant": discordant_test(group),
            "diagnostics": level.table(),
            "fracture": fracture(group, given.tau, bounds=True),
            "fracture_curve": fracture_curve(group, bounds=True),
            "fracture_average": fracture_average(group, cost_ratio=ratio, bounds=True),
            "structural": fit.summary,
            "selection": _selection(fit),
            "classes": classes.class_table_,
            "class_selection": _class_selection(classes, level),
            "rates": fit.rates(np.linspace(0, 1, 21)),
            "plane": policy_plane(law),
            "commitments": recommend(fit, given, draws=draws),
            "solver_check": solver_check(law, given),
            "prompt_rates": _prompt_rates(group),
            "curves": _curves(fit),
            "law": _law(law),
            "game_types": pd.DataFrame(strategic_cells(law, given.cells)._asdict()),
            "notes": pd.DataFrame({"note": [*_level_note(level), *messages, *more]}, dtype=object),
        }
        for name, table in tables.items():
            parts[name].append(_labelled(table, label))
    frames = {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items() if tables}
    frames["discordant"]["q_value"] = q_values(frames["discordant"]["p_value"])
    frames["comparisons"] = _comparisons(obs)
    return Analysis(
        assumptions=given,
        by=columns,
        orientation=obs.orientation,
        safety=obs.safety,
        prompts=len(pairs),
        rows=len(obs.frame),
        tornado=tornado(obs, given, seed=seed),
        dropped=obs.dropped,
        **frames,
    )


def _groups(
    obs: Observations, columns: tuple[str, ...], labels: tuple[str, ...]
) -> Iterator[tuple[dict[str, str], Observations]]:
    """The groups of `columns`, then each axis pooled over the rest, with "all" for what was pooled over."""
    for own, group in obs.groups(columns):
        yield {name: own.get(name, POOLED) for name in labels}, group
    if "axis" in obs.frame and set(columns) != {"axis"}:
        for own, group in obs.groups(["axis"]):
            yield {name: own.get(name, POOLED) for name in labels}, group


def _without_pairs(obs: Observations) -> pd.DataFrame:
    """The note of a group that has no train and deploy rows to compare: an arm without a cue."""
    agreed, n = obs.agreed().sum(), obs.frame["n"].sum()
    return pd.DataFrame({"note": [f"no pair to compare; agreed in {agreed} of {n} samples"]}, dtype=object)


def _labelled(table: pd.DataFrame, label: dict[str, str]) -> pd.DataFrame:
    front = pd.DataFrame(
        {name: [value] * len(table) for name, value in label.items()}, index=table.index, dtype=object
    )
    return pd.concat([front, table], axis=1)


def _fitted(
    obs: Observations, given: Assumptions, bootstrap: int, seed: int
) -> tuple[StructuralPayoffs, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", EstimationWarning)
        fit = StructuralPayoffs(beliefs=given.beliefs, bootstrap=bootstrap, seed=seed).fit(obs)
    messages = [f"structural: {w.message}" for w in caught if issubclass(w.category, EstimationWarning)]
    if fit.status_ != "converged" and not messages:
        messages = [f"structural: {fit.status_}: {fit.message_}"]
    return fit, messages


def _classes(obs: Observations, bootstrap: int, seed: int) -> tuple[LatentClasses, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", EstimationWarning)
        fit = LatentClasses(bootstrap=bootstrap, seed=seed).fit(obs)
    return fit, [f"classes: {w.message}" for w in caught if issubclass(w.category, EstimationWarning)]


def _selection(fit: StructuralPayoffs) -> pd.DataFrame:
    bic = {f"bic_{row['candidate'].replace(' ', '_')}": row["bic"] for _, row in fit.candidates_.iterrows()}
    row = {
        "incentives": fit.chosen_,
        "p_value_delta": fit.p_value_delta_,
        "p_value_types": fit.p_value_types_,
        "verdict": fit.verdict_,
        "status": fit.status_,
        "converged": fit.converged_,
        "gradient_norm": fit.gradient_norm_,
        "condition_number": fit.condition_number_,
        "log_likelihood": fit.log_likelihood_,
        **bic,
    }
    return pd.DataFrame([row])


def _level_note(level: Diagnostics) -> list[str]:
    """What must be known where the data do not show types of prompts."""
    if level.level == "prompt":
        return []
    if level.level == "undetermined":
        return [f"types: whether they live on prompts is undetermined: {level.reason}"]
    return [f"types: no types of prompts: {level.reason}; no faker class, and read no shares of prompts"]


def _comparisons(obs: Observations) -> pd.DataFrame:
    try:
        return compare(obs)
    except ObservationError:  # one model, family, method and axis
        return pd.DataFrame(columns=list(COLUMNS))


def _class_selection(fit: LatentClasses, level: Diagnostics) -> pd.DataFrame:
    low, high = fit.faker_share_interval_
    share, reason = fit.faker_share_, fit.faker_reason_
    if level.level in ("sample", "model"):
        share = low = high = float("nan")
        reason = f"no types of prompts: {level.reason}"
    row = {
        "classes": fit.n_classes_,
        "bic": fit.bic_,
        "icl": fit.icl_,
        "phi": fit.phi_,
        "faker_share": share,
        "faker_share_low": low,
        "faker_share_high": high,
        "faker_p_value": fit.faker_test_.p_value,
        "faker_reason": reason,
    }
    return pd.DataFrame([row])


def _prompt_rates(obs: Observations) -> pd.DataFrame:
    pairs = obs.pairs()
    rates = pd.DataFrame(
        {
            "deploy_rate": pairs["agreed_deploy"] / pairs["n_deploy"],
            "train_rate": pairs["agreed_train"] / pairs["n_train"],
        }
    )
    return rates.value_counts(sort=False).rename("prompts").reset_index()


def _law(law: PreferenceLaw) -> pd.DataFrame:
    told = {"mu": law.mu, "sigma": law.sigma, "incentive": law.deltas, "share": law.shares}
    return pd.DataFrame(told | {"preference": law.preference, "ratio": law.ratio})


def _curves(fit: StructuralPayoffs) -> pd.DataFrame:
    """The model's (deploy, train) rates at quantiles of the preference, one curve per incentive."""
    law, train, deploy = fit.law_, fit.beliefs["train"], fit.beliefs["deploy"]
    spread = law.sigma * distribution(law.preference).ppf(_CURVE)
    preference, graded = law.mu + spread, (law.ratio - 1) * spread
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "incentive": delta,
                    "share": share,
                    "quantile": _CURVE,
                    "deploy_rate": expit(preference + deploy * (delta + graded)),
                    "train_rate": expit(preference + train * (delta + graded)),
                }
            )
            for delta, share in zip(law.deltas, law.shares, strict=True)
        ],
        ignore_index=True,
    )


def tornado(obs: Observations, assumptions: Assumptions, *, seed: int = 0) -> pd.DataFrame:
    """How far each assumption, and each estimate within its interval, moves the advice; all data pooled, one incentive.

    Returns
    -------
    DataFrame
        name, kind, low, high, base (values tried), and monitoring and value (best reply, in leader utils) with suffixes
        _low, _high, _base.
    """
    fit, _ = _pooled_fit(obs, assumptions, seed)
    base = advice(fit.law_, assumptions)
    rows: list[dict[str, object]] = []

    def record(
        name: str, kind: str, tried: tuple[float, float, float], at: list[tuple[float, float]]
    ) -> None:
        row: dict[str, object] = {
            "name": name,
            "kind": kind,
            **dict(zip(("low", "high", "base"), tried, strict=True)),
        }
        for k, outcome in enumerate(("monitoring", "value")):
            row |= {f"{outcome}_low": at[0][k], f"{outcome}_high": at[1][k], f"{outcome}_base": base[k]}
        rows.append(row)

    for name, low, high in _assumption_ranges(assumptions):
        outcomes = []
        for value in (low, high):
            changed = assumptions.changed(name, value)
            told = name.startswith("belief_")
            law = _pooled_fit(obs, changed, seed)[0].law_ if told else fit.law_
            outcomes.append(advice(law, changed))
        record(name, "assumption", (low, high, assumptions.values()[name]), outcomes)
    law = fit.law_
    for name in ("mu", "sigma", "delta"):
        own = fit.summary[fit.summary["parameter"] == name].iloc[0]
        low, high, middle = float(own["low"]), float(own["high"]), float(own["estimate"])
        if not np.isfinite([low, high]).all():
            continue
        outcomes = []
        for end in (low, high):
            moved = {"mu": law.mu, "sigma": law.sigma, "delta": float(law.deltas[0]), name: end}
            ends = PreferenceLaw(moved["mu"], moved["sigma"], np.array([moved["delta"]]), law.shares)
            outcomes.append(advice(ends, assumptions))
        record(name, "estimate", (low, high, middle), outcomes)
    return pd.DataFrame(rows)


def _pooled_fit(
    obs: Observations, assumptions: Assumptions, seed: int
) -> tuple[StructuralPayoffs, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", EstimationWarning)
        fit = StructuralPayoffs(assumptions.beliefs, "one", bootstrap=0, seed=seed).fit(obs)
    return fit, [str(w.message) for w in caught]


def _assumption_ranges(given: Assumptions) -> Iterator[tuple[str, float, float]]:
    """What is tried for each assumption: half and double a cost, up to half the harm for those that are zero."""
    costs = given.costs
    yield "deploy_harm", costs.deploy_harm / 2, costs.deploy_harm * 2
    yield "monitoring_cost", costs.monitoring_cost / 2, costs.monitoring_cost * 2
    for name in ("train_disagreement", "refusal_value"):
        value = getattr(costs, name)
        yield name, value / 2, value * 2 if value else costs.deploy_harm / 2
    yield "budget", given.budget / 2, min(1.0, given.budget * 2)
    yield (
        "belief_train",
        max(given.belief_deploy + 0.1, given.belief_train - 0.2),
        min(1.0, given.belief_train + 0.2),
    )
    yield (
        "belief_deploy",
        max(0.0, given.belief_deploy - 0.2),
        min(given.belief_train - 0.1, given.belief_deploy + 0.2),
    )
