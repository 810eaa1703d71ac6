"""What the counts of one group say, table by table: gap, types, payoffs, predictions, advice, and what more would tell.

Where models share the group's prompts the numbers of types and payoffs are clustered by prompt (`estimators.clusters`);
where the counts speak against types of prompts, or do not bound the incentive, they are refused
(`estimators.refusals`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import lognorm, norm

from estimators.clusters import clustered_classes, clustered_payoffs, shares_prompts
from estimators.count_cells import belief_cells
from estimators.diagnostics import Diagnostics, diagnose
from estimators.discordant import discordant_test
from estimators.fit_planning import plan_fit
from estimators.fracture import fracture, fracture_average, fracture_curve
from estimators.gap import compliance_gap
from estimators.latent_class import LatentClasses
from estimators.law_check import check_law
from estimators.newton import EstimationWarning
from estimators.policy import Assumptions, policy_plane, recommend, solver_check, strategic_cells
from estimators.preference import distribution
from estimators.refusals import reason_of, refused_classes, with_one_sided_incentive, without_types
from estimators.shares import PreferenceLaw, faking_share
from estimators.structural import StructuralPayoffs

if TYPE_CHECKING:
    from estimators.observations import Observations

_CURVE = np.unique(
    [*norm.cdf(np.linspace(-3.1, 3.1, 124)), 0.25, 0.5, 0.75]
)  # dense in the tails, where the line bends
_POOLED_CLASSES = (
    "not tested: models share these prompts, and a bootstrap would take them as so many prompts more"
)


def group_tables(
    group: Observations, given: Assumptions, *, bootstrap: int, draws: int, seed: int, interval: float
) -> dict[str, pd.DataFrame]:
    """Every table of one group that has pairs, by the names of `estimators.analysis.Analysis`, without labels."""
    level = diagnose(group, seed=seed)
    refused, shared = reason_of(level), shares_prompts(group)
    fit, messages = _payoffs(group, given, refused, shared, bootstrap, seed)
    classes, selection, more = _classes(group, refused, shared, bootstrap, seed)
    law = fit.law_
    gaps = compliance_gap(group)
    # Costs are known within a factor e either way; a free miss is next to free.
    ratio = lognorm(s=1.0, scale=given.false_alarm_cost / max(given.missed_harm_cost, 1e-9))
    return {
        "gaps": gaps,
        "discordant": discordant_test(group),
        "diagnostics": level.table(),
        "fracture": fracture(group, given.tau, bounds=True),
        "fracture_curve": fracture_curve(group, bounds=True),
        "fracture_average": fracture_average(group, cost_ratio=ratio, bounds=True),
        "structural": fit.summary,
        "selection": _selection(fit),
        "classes": classes,
        "class_selection": selection,
        "law_checks": _law_checks(group, fit, refused, shared),
        "planning": _planning(fit, gaps, interval, refused, shared),
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


def _payoffs(
    obs: Observations, given: Assumptions, refused: str, shared: bool, bootstrap: int, seed: int
) -> tuple[StructuralPayoffs, list[str]]:
    """The structural fit as far as the counts allow it, and what must be said beside it."""
    incentives: Any = "one" if refused or shared else "auto"
    model = StructuralPayoffs(given.beliefs, incentives, bootstrap=bootstrap, seed=seed)
    fit, messages = _caught("structural", lambda: model.fit(obs))
    if fit.status_ != "converged" and not messages:
        messages = [f"structural: {fit.status_}: {fit.message_}"]
    cells, _ = belief_cells(obs, given.beliefs)
    if refused:
        return without_types(fit, cells, refused), []  # what the law over prompts came to is no news
    if shared:
        fit = clustered_payoffs(fit, obs, given.beliefs)
    fit, note = with_one_sided_incentive(fit, cells)
    return fit, [f"structural: {note}"] if note else messages


def _classes(
    obs: Observations, refused: str, shared: bool, bootstrap: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Table of classes, their selection, and warnings."""
    if refused:
        nothing = dict.fromkeys(
            ("bic", "icl", "phi", "faker_share", "faker_share_low", "faker_share_high"), np.nan
        )
        row = {"classes": 0} | nothing | {"faker_p_value": np.nan, "faker_reason": refused}
        return refused_classes(refused), pd.DataFrame([row]), []
    model = LatentClasses(bootstrap=0 if shared else bootstrap, seed=seed)
    fit, messages = _caught("classes", lambda: model.fit(obs))
    reason = fit.faker_reason_
    if shared:
        fit = clustered_classes(fit, obs)
        reason = _POOLED_CLASSES if reason.startswith("not tested") else reason
    low, high = fit.faker_share_interval_
    row = {
        "classes": fit.n_classes_,
        "bic": fit.bic_,
        "icl": fit.icl_,
        "phi": fit.phi_,
        "faker_share": fit.faker_share_,
        "faker_share_low": low,
        "faker_share_high": high,
        "faker_p_value": fit.faker_test_.p_value,
        "faker_reason": reason,
    }
    unsupported = fit.class_table_["class"].str.contains("unsupported")
    return fit.class_table_.assign(reading=np.where(unsupported, reason, "")), pd.DataFrame([row]), messages


def _caught[Fit](name: str, fitted: Callable[[], Fit]) -> tuple[Fit, list[str]]:
    """A fit, and its warnings as notes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", EstimationWarning)
        fit = fitted()
    return fit, [f"{name}: {w.message}" for w in caught if issubclass(w.category, EstimationWarning)]


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
    return [
        f"types: no types of prompts: {level.reason}; one logit stands for all, and shares of prompts are refused"
    ]


def _law_checks(obs: Observations, fit: StructuralPayoffs, refused: str, shared: bool) -> pd.DataFrame:
    """The incentive under other laws of preference; one row that says why where there is no such law."""
    columns = ["law", "delta", "se", "low", "high", "log_likelihood", "faking_share", "reading"]
    if refused or shared:
        why = refused or "not checked: models that share these prompts have a law each"
        return pd.DataFrame([("none", *[np.nan] * 6, why)], columns=columns)
    table = check_law(obs, fit.level, fit.beliefs)
    graded = fit.fits_["graded"]
    if np.isfinite(se := float(np.sqrt(graded.covariance[2, 2]))):
        delta, half = float(graded.law.deltas[0]), norm.ppf(0.5 + fit.level / 2) * se
        own = delta, se, delta - half, delta + half, graded.log_likelihood, float(faking_share(graded.law))
        table = pd.concat([table, pd.DataFrame([("graded", *own)], columns=columns[:-1])], ignore_index=True)
    unknown = table["low"].isna()
    readings = ["not bounded: every prompt that moved moved one way", "at its bound, not identified"]
    return table.assign(reading=np.select([np.isinf(table["delta"]), unknown], readings, ""))


def _planning(
    fit: StructuralPayoffs, gaps: pd.DataFrame, interval: float, refused: str, shared: bool
) -> pd.DataFrame:
    """`plan_fit`, with the prompts and the width that there are."""
    own = fit.summary.set_index("parameter")
    widths = {name: own["high"][name] - own["low"][name] for name in ("delta_one_type", "faking_share")}
    now = {
        "gap": float((gaps["high"] - gaps["low"]).iloc[0]),
        "delta": widths["delta_one_type"],
        "faking_share": widths["faking_share"],
    }
    if shared:
        nothing = {
            "wanted": np.nan,
            "samples": 0,
            "prompts": 0,
            "total_samples": 0,
            "se": np.nan,
            "width": np.nan,
        }
        rows = [{"quantity": name} | nothing | {"fewest": False} for name in now]
        table = pd.DataFrame(rows).assign(reading="not planned: plan for one model at a time")
    else:
        table = plan_fit(fit, interval, shares=not refused)
    table.insert(2, "prompts_now", int(gaps["prompts"].iloc[0]))
    table.insert(3, "width_now", table["quantity"].map(now))
    return table


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
