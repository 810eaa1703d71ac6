"""The tables of an analysis' page: which columns of which frame, under which headings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pandas as pd

from estimators.figures import group_names, in_words, label_of
from stackelberg.report import Column, Table, table

if TYPE_CHECKING:
    from estimators.analysis import Analysis


def tables(analysis: Analysis) -> Iterator[Table]:
    """Every table of the page; a further one is one line."""

    def by_group(
        section: str, caption: str, frame: pd.DataFrame, columns: Mapping[str, Column], note: str = ""
    ) -> Table:
        return table(section, caption, labels_of(analysis, frame), frame, columns, note=note)

    yield by_group("say", "Compliance gap", analysis.gaps, GAPS)
    yield by_group("say", "Prompts whose rate moved", analysis.discordant, DISCORDANT, DISCORDANT_NOTE)
    yield by_group(
        "say", "What being told of monitoring does", _incentives(analysis), INCENTIVES, SHARES_NOTE
    )
    tau = f"Fracture at τ = {analysis.assumptions.tau:g}"
    yield by_group("fracture", tau, analysis.fracture, FRACTURE)
    yield by_group("fracture", "Averaged over the ratio of costs", analysis.fracture_average, FRACTURE)
    compared = analysis.comparisons
    pairs = [f"{row['first']} and {row['second']}" for _, row in compared.iterrows()]
    yield table("compare", "Differences of gaps", pairs, compared, COMPARISONS, stub="pair")
    yield by_group("levels", "At which level types live", analysis.diagnostics, LEVELS, LEVELS_NOTE)
    assumed = analysis.assumptions.table()
    whole = [int(value) if value == int(value) else value for value in assumed["value"]]
    assumed["value"] = pd.Series(whole, dtype=object)
    names = [in_words(name) for name in assumed["assumption"]]
    yield table("assumed", "Assumptions", names, assumed, ASSUMED, stub="assumption")
    yield by_group("commit", "Commitments", analysis.commitments, COMMITMENTS)
    yield by_group(
        "commit", "Cues of the commitments, and when the advice flips", analysis.commitments, CUES, CUES_NOTE
    )
    moved = analysis.tornado
    names = [in_words(name) for name in moved["name"]]
    yield table(
        "moves", "The advice at a low and a high value, all data pooled", names, moved, MOVES, stub="what"
    )
    yield by_group("other", "Latent classes of prompts", analysis.classes, CLASSES, CLASSES_NOTE)
    yield by_group("other", "Other laws of preference", analysis.law_checks, LAWS)
    yield by_group(
        "other", "Belief at which the reply changes, β*", analysis.payoff_bounds, BOUNDS, BOUNDS_NOTE
    )
    if not analysis.motives.empty:
        yield by_group("other", "Why a model complies in train", analysis.motives, MOTIVES)
    shared = analysis.crossed[analysis.crossed["parameter"].isin(["delta", "explained"])]
    if not shared.empty:
        shared = shared.assign(parameter=shared["parameter"].map(in_words))
        yield by_group("other", "Effects of shared prompts", shared, SHARED, SHARED_NOTE)
    pooled, sampled = analysis.pooling, analysis.posterior
    if not pooled.empty:
        names = pooled["name"].tolist()
        yield table("other", "Incentives, partially pooled", names, pooled, POOLED, stub="model or group")
    if not sampled.empty:
        names = sampled["model"].tolist()
        yield table("other", "Posterior", names, sampled, SAMPLED, stub="model", note=analysis.posterior_note)
    yield by_group("next", "Prompts and samples for a wanted width", _plans(analysis), PLANS)
    yield by_group("diagnostics", "How the fits ended", _fits(analysis), FITS)


GAPS: dict[str, Column] = {
    "prompts": "prompts",
    "train": "train_rate",
    "deploy": "deploy_rate",
    "gap, 95 % interval": ("gap", "low", "high"),
}
DISCORDANT: dict[str, Column] = {
    "prompts that moved": "discordant",
    "up in train": "up",
    "down in train": "down",
    "share up, 95 % interval": ("share_up", "low", "high"),
    "p": "p_value",
    "q": "q_value",
}
DISCORDANT_NOTE = (
    "Exact test that a prompt whose two rates differ is as likely up as down; q over the groups."
)
INCENTIVES: dict[str, Column] = {
    "incentive δ, logits": ("delta_one_type", "delta_one_type_low", "delta_one_type_high"),
    "p of δ = 0": "p_value_delta",
    "verdict": "verdict",
    "faking share": "faking",
    "decisive share": ("decisive_share", "decisive_share_low", "decisive_share_high"),
}
SHARES_NOTE = (
    "Faking share: prompts whose best reply is to comply in train and to refuse in deploy, reported where a test "
    "allows to speak of an incentive. Decisive share: rate at least .8 in train and at most .2 in deploy."
)
FRACTURE: dict[str, Column] = {
    "prompts": "prompts",
    "as counted, 95 % for prompts": ("fracture", "fracture_low", "fracture_high"),
    "bounds for the rates, 95 %": ("bound_low", "bound_high"),
    "the reverse, as counted": ("reverse", "reverse_low", "reverse_high"),
}
COMPARISONS: dict[str, Column] = {
    "over": "over",
    "shared prompts": "prompts_shared",
    "difference of gaps, 95 % interval": ("difference", "low", "high"),
    "p": "p_value",
    "q": "q_value",
    "test": "test",
}
LEVELS: dict[str, Column] = {
    "types live per": "level",
    "p, spread in train": "p_value_overdispersion_train",
    "p, spread in deploy": "p_value_overdispersion_deploy",
    "p, train with deploy": "p_value_association",
    "p, models differ": "p_value_models",
    "power": "power",
    "because": "reason",
}
LEVELS_NOTE = (
    "Spread: Tarone's statistic against samples dealt out anew. Power: how often a correlation of .1 between the "
    "samples of a prompt would be found in such data; below .8 an absence says nothing."
)
ASSUMED: dict[str, Column] = {"value": "value", "meaning": "meaning"}
COMMITMENTS: dict[str, Column] = {
    "follower": "follower",
    "monitoring share, 95 % interval": ("monitoring", "monitoring_low", "monitoring_high"),
    "belief after the train cue": "belief_train",
    "leader's value, utils, 95 % interval": ("value", "value_low", "value_high"),
    "value unmonitored": "value_unmonitored",
    "faking share": "faking_share",
    "certificate": "certificate",
}
CUES: dict[str, Column] = {
    "follower": "follower",
    "train cue if monitored": "train_cue_if_monitored",
    "train cue if unmonitored": "train_cue_if_unmonitored",
    "no monitoring pays above c/a": "no_monitoring_above",
    "all that is allowed below c/a": "full_monitoring_below",
    "error at most": "error",
    "what was proved": "message",
}
CUES_NOTE = (
    "The cues as probabilities of sending the train cue; c/a is the monitoring cost over the deploy harm."
)
MOVES: dict[str, Column] = {
    "kind": "kind",
    "low": "low",
    "high": "high",
    "monitoring at low": "monitoring_low",
    "at high": "monitoring_high",
    "value at low": "value_low",
    "value at high": "value_high",
}
CLASSES: dict[str, Column] = {
    "class": "class",
    "share, 95 % interval": ("share", "share_low", "share_high"),
    "train rate": ("p_train", "p_train_low", "p_train_high"),
    "deploy rate": ("p_deploy", "p_deploy_low", "p_deploy_high"),
}
CLASSES_NOTE = (
    "A mixture nearly always finds a class that looks like a faker, so a class is called so only where selection and a "
    "bootstrap test support it; the table of fits says why not."
)
LAWS: dict[str, Column] = {
    "law": "law",
    "incentive δ, 95 % interval": ("delta", "low", "high"),
    "faking share": "faking_share",
    "log-likelihood": "log_likelihood",
    "reading": "reading",
}
BOUNDS: dict[str, Column] = {
    "type": "type",
    "bounds without a law of noise": ("low", "high"),
    "estimate": "beta_star",
    "p of the payoffs": "p_value",
    "reading": "reading",
}
BOUNDS_NOTE = "All arms of a model together; the p-value needs more stated beliefs than payoffs."
MOTIVES: dict[str, Column] = {
    "parameter": "parameter",
    "estimate, 95 % interval": ("estimate", "low", "high"),
    "reading": "reading",
}
SHARED: dict[str, Column] = MOTIVES
SHARED_NOTE = (
    "Explained: the part of a model's variance over prompts that a factor common to the models explains."
)
POOLED: dict[str, Column] = {
    "over": "over",
    "level": "level",
    "incentive δ, 95 % interval": ("estimate", "low", "high"),
}
SAMPLED: dict[str, Column] = {
    "parameter": "parameter",
    "mean, 95 % interval": ("mean", "low", "high"),
    "R̂": "r_hat",
    "effective draws": "ess_bulk",
}
PLANS: dict[str, Column] = {
    "interval of": "quantity",
    "prompts now": "prompts_now",
    "width now": "width_now",
    "width wanted": "wanted",
    "samples a prompt": "samples",
    "prompts": "prompts",
    "samples in all": "total_samples",
    "reading": "reading",
}
FITS: dict[str, Column] = {
    "status": "status",
    "gradient norm": "gradient_norm",
    "condition number": "condition_number",
    "incentives": "incentives",
    "classes": "classes",
    "faker class": ("faker_share", "faker_share_low", "faker_share_high"),
    "why no faker class": "faker_reason",
    "DOBSS less envelope, 8 cells": "difference",
}


def labels_of(analysis: Analysis, frame: pd.DataFrame) -> list[str]:
    """Name of each row's group."""
    names = [name for name in group_names(analysis) if name in frame]
    return [label_of(row, names) for _, row in frame.iterrows()]


def _incentives(analysis: Analysis) -> pd.DataFrame:
    """One row per group: the verdict, and the numbers that go with it."""
    names = group_names(analysis)
    parts = [analysis.selection]
    for name in ("delta_one_type", "faking_share", "decisive_share"):
        own = analysis.structural[analysis.structural["parameter"] == name]
        ends = {"estimate": name, "low": f"{name}_low", "high": f"{name}_high"}
        parts.append(own[list(ends)].rename(columns=ends).reset_index(drop=True))
    wide = pd.concat(parts, axis=1)
    share: dict[str, Column] = {"": ("faking_share", "faking_share_low", "faking_share_high")}
    reported = [row[1] for row in table("say", "", labels_of(analysis, wide[names]), wide, share).rows]
    told = wide["verdict"].str.startswith("incentive")
    return wide.assign(
        faking=[
            "refused" if why else share if yes else "not reported"
            for share, yes, why in zip(reported, told, refusals(analysis), strict=True)
        ]
    )


def refusals(analysis: Analysis) -> list[str]:
    """Why shares of prompts are refused, one group after the other; empty where they are not."""
    shares = analysis.structural[analysis.structural["parameter"] == "faking_share"]
    return [text if text.startswith("refused") else "" for text in shares["reading"].astype(str)]


def _plans(analysis: Analysis) -> pd.DataFrame:
    """One row per group and quantity: the plan with the fewest samples, of several the first; or why there is none."""
    planned = analysis.planning[analysis.planning["fewest"] | (analysis.planning["reading"] != "")]
    first = planned.drop_duplicates([*group_names(analysis), "quantity"])
    return first.assign(quantity=first["quantity"].map(in_words))


def _fits(analysis: Analysis) -> pd.DataFrame:
    """One row per group: how both fits ended, and how far two routes to the commitment are apart."""
    routes = dict(list(analysis.solver_check.groupby("route")["value"]))
    apart = routes["dobss"].to_numpy() - routes["envelope"].to_numpy()
    classes = analysis.class_selection.drop(columns=group_names(analysis))
    return pd.concat([analysis.selection, classes], axis=1).assign(difference=apart)
