"""Counts of models trained with each method, simulated by the library's own model of training: a table, and no data.

No shipped data have one base model trained with several methods, as the source paper has (arXiv 2511.17937). This table
has its form: models of four families, each as the base model and after SFT, BCO, DPO, KTO and GRPO, on three axes.
Model m has on axis a the deploy log-odds  η_i = μ_m + μ_a + a f_i + e_i  of complying with prompt i, f the same for all
models, and the train log-odds γ_m above. A method moves each by the flow of its drift over one unit dose, of which a
share g carries over between the cues (`stackelberg.faking.training`), with the base policy as its reference; samples
are binomial.

In words: what would a comparison say if training did exactly what the library's theory says? Prompts do not plan here,
so a method differs from another only by whom it moves. BCO is DPO at half its β, so their rows differ by chance alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from estimators.method_comparison import SIMULATED, TITLES
from estimators.observations import Observations
from stackelberg.faking.training.flow import flow, unit_dose
from stackelberg.faking.training.objectives import BCO, DPO, GRPO, KTO, SFT, Objective

METHODS: Mapping[str, Objective | None] = {
    "base": None,
    "SFT": SFT(),
    "BCO": BCO(),
    "DPO": DPO(),
    "KTO": KTO(),
    "GRPO": GRPO(),
}
AXES = {"safety": -1.0, "harmlessness": -0.5, "helpfulness": 0.5}
"""How much more willingly models comply on an axis, in log-odds."""
FAMILIES = {"A": 4, "B": 4, "C": 4, "D": 3}


@dataclass(frozen=True, eq=False)
class SimulatedMethods:
    """A simulated table.

    Attributes
    ----------
    title : str
        Says that it is simulated.
    observations : Observations
        With the setting "simulated" in every row, so that a file of it says so too.
    truth : DataFrame
        axis, model, family, method, gap, faking_share (prompts with log-odds above 0 in train and below in deploy):
        means over the table's own prompts without the noise of sampling.
    """

    title: str
    observations: Observations
    truth: pd.DataFrame


def simulate_methods(
    *,
    families: Mapping[str, int] = FAMILIES,
    axes: Mapping[str, float] = AXES,
    methods: Mapping[str, Objective | None] = METHODS,
    prompts: int = 30,
    samples: int = 10,
    dose: float = 1.0,
    generalisation: float = 0.6,
    seed: int = 0,
) -> SimulatedMethods:
    """Simulate the table of the module's text.

    Parameters
    ----------
    families : mapping from a name to its number of models
    axes : mapping from a name to μ_a
    methods : mapping from a name to an objective, or None for the base model
    prompts, samples : int
        Prompts per axis, samples per prompt and context.
    dose : float
        In unit doses, each of which moves an indifferent prompt from 50 % to 90 % under its method.
    generalisation : float in [0, 1]
        g; all training is on the train cue.
    seed : int

    Raises
    ------
    ValueError
        No family, axis, method, prompt or sample.

    Examples
    --------
    >>> table = simulate_methods(families={"A": 2}, axes={"safety": -1.0}, prompts=20)
    >>> table.title
    "Methods on each axis, simulated by the library's own model of training (no data)"
    >>> table.truth.groupby("method", sort=False)["gap"].mean().round(2).to_dict()
    {'base': 0.08, 'SFT': 0.46, 'BCO': 0.27, 'DPO': 0.27, 'KTO': 0.27, 'GRPO': 0.22}
    """
    models = [(f"{family}{j + 1}", family) for family, count in families.items() for j in range(count)]
    if not models or not axes or not methods or prompts < 1 or samples < 1:
        raise ValueError(
            "give at least one family with a model, one axis, one method, one prompt and one sample"
        )
    rng = np.random.default_rng([seed, 8])
    by_family = {family: rng.normal(-1.5, 0.7) for family in families}
    mean = np.array([by_family[family] for _, family in models]) + rng.normal(0.0, 0.5, len(models))
    shift = rng.normal(1.0, 0.3, len(models))  # the base model's gap in log-odds
    common = rng.normal(0.0, 1.0, (len(axes), prompts))
    own = rng.normal(0.0, 1.1, (len(axes), len(models), prompts))
    deploy = mean[:, None] + np.array(list(axes.values()))[:, None, None] + common[:, None, :] + own
    start = np.stack([deploy + shift[:, None], deploy])  # (contexts, axes, models, prompts)
    ids = [[f"{axis} {i + 1}" for i in range(prompts)] for axis in axes]
    index = pd.MultiIndex.from_product([axes, range(len(models))], names=["axis", "model"])
    counts, truth = [], []
    for method, objective in methods.items():
        end = start
        if objective is not None:
            amount = dose * unit_dose(objective)
            end = flow(objective, start, start, amount, generalisation=generalisation)
        rates, faked = expit(end), (end[0] > 0) & (end[1] < 0)
        gap, share = (rates[0] - rates[1]).mean(axis=-1), faked.mean(axis=-1)
        truth.append(
            pd.DataFrame({"method": method, "gap": gap.ravel(), "faking_share": share.ravel()}, index)
        )
        for context, complied in zip(("train", "deploy"), rng.binomial(samples, rates), strict=True):
            rows = pd.DataFrame({"method": method, "context": context}, index.repeat(prompts))
            named = np.repeat(ids, len(models), axis=0).ravel()
            counts.append(rows.assign(prompt_id=named, n=samples, complied=complied.ravel()))

    def labelled(parts: list[pd.DataFrame]) -> pd.DataFrame:
        whole = pd.concat(parts).reset_index()
        names, family = (whole["model"].map(dict(enumerate(column))) for column in zip(*models, strict=True))
        return whole.assign(model=names, family=family)

    frame = labelled(counts).assign(setting=SIMULATED)
    obs = Observations.from_frame(frame, orientation="complied-is-agreement")
    return SimulatedMethods(TITLES[SIMULATED], obs, labelled(truth))
