"""How often the predicted faking share of a new model holds the true one: ``python -m benchmarks.prediction``."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import measure
from estimators.newton import EstimationWarning
from estimators.observations import Observations
from estimators.pooling import pool
from estimators.population import Population, fit_population
from estimators.prediction import predict_faking
from estimators.scenarios import scenarios
from estimators.shares import PreferenceLaw, faking_share, reply_share, simulate_agreed
from estimators.structural_likelihood import ONE

SEED = 5200
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks" / "prediction.md"
# mu, log sigma and delta: mean and spread, near those of the shipped models; half of the variance is between families.
MEAN, SPREAD = np.array([-1.9, 0.3, 1.3]), np.array([1.5, 0.45, 0.8])
ALIKE = np.array([[1.0, -0.2, -0.4], [-0.2, 1.0, 0.6], [-0.4, 0.6, 1.0]])
"""Correlations of the ten shipped models' estimates."""
DESIGNS = [
    ("5 models", 5, False),
    ("10 models", 10, False),
    ("10 models, correlated", 10, True),
    ("20 models", 20, False),
]
FAMILIES = ("a", "b", "c")
PROMPTS = 92


def population(rng: np.random.Generator, models: int, correlated: bool) -> tuple[Observations, PreferenceLaw]:
    """Counts of models of three families, and the law of a further model of the first family."""
    law = np.outer(SPREAD, SPREAD) * (ALIKE if correlated else np.eye(3)) / 2
    middles = rng.multivariate_normal(MEAN, law, len(FAMILIES))
    names = [FAMILIES[j % 3] for j in range(models)]
    parameters = middles[[FAMILIES.index(name) for name in [*names, "a"]]]
    parameters = parameters + rng.multivariate_normal(np.zeros(3), law, models + 1)
    laws = [PreferenceLaw(mu, np.exp(log_sigma), [delta], [1.0]) for mu, log_sigma, delta in parameters]
    n, ids, parts = np.full((PROMPTS, 2), 10), [str(i) for i in range(PROMPTS)], []
    for j, name in enumerate(names):
        agreed = simulate_agreed(rng, laws[j], n, [1.0, 0.0])
        for context, complied in zip(("train", "deploy"), agreed.T, strict=True):
            part = pd.DataFrame({"prompt_id": ids, "context": context, "n": 10, "complied": complied})
            parts.append(part.assign(model=f"m{j}", family=name))
    return Observations.from_frame(pd.concat(parts), orientation="complied-is-agreement"), laws[-1]


def plug_in(people: Population, rng: np.random.Generator, draws: int) -> np.ndarray:
    """Parameters of a new model with the spreads at their best values, as if those were known."""
    columns = []
    for one in people.parameters:
        pooled = pool(one.estimates, np.sqrt(np.diag(one.errors)), people.groups)
        columns.append(rng.normal(*pooled.families["a"], draws))
    return np.column_stack(columns)


def coverage(given: argparse.Namespace) -> list[str]:
    """The page."""
    lines = [
        "# How often the predicted faking share of a new model holds the true one",
        "",
        f"{given.repeats} populations a row: models of three families, {PROMPTS} prompts and ten samples a context,",
        "parameters about as spread as those of the shipped models, half of the variance between families. A further",
        "model of the first family is predicted at q = 0.3 and informativeness 0.6. The columns say how often its true",
        "share of prompts faked on is inside, in brackets the median length. Monte Carlo error of .95:",
        f"{np.sqrt(0.95 * 0.05 / given.repeats):.3f}, of .50: {0.5 / np.sqrt(given.repeats):.3f}.",
        "",
        "- ours: spreads between families and models integrated out.",
        "- best spreads: those that maximise the restricted likelihood, taken as known (`estimators.pool`).",
        "- mean model: what is uncertain of the family's mean only, as if models did not differ.",
        "- correlated: the three parameters go together over models as they do over the shipped ones; all three ways",
        "  take them as independent.",
        "",
        "| population | ours 50 % | ours 95 % | best spreads 50 % | 95 % | mean model 50 % | 95 % |",
        "|---|---|---|---|---|---|---|",
    ]
    asked = scenarios(0.3, 0.6)
    told = asked["belief_train"].to_numpy(), asked["belief_deploy"].to_numpy()
    lost = 0
    for row, (name, models, correlated) in enumerate(DESIGNS):
        found: dict[str, list[tuple[bool, bool, float]]] = {"ours": [], "best": [], "mean": []}
        for repeat in range(given.repeats):
            rng = np.random.default_rng([SEED, row, repeat])
            obs, law = population(rng, models, correlated)
            try:
                people = fit_population(obs)
            except (ValueError, EstimationWarning):
                lost += 1
                continue
            truth = float(faking_share(law, *told)[0])
            ours = predict_faking(people, asked, group="a", draws=2000, seed=repeat).iloc[0]
            ends = {"ours": [float(ours[c]) for c in ("low_50", "high_50", "low_95", "high_95")]}
            others = {
                "best": plug_in(people, rng, 2000),
                "mean": np.column_stack([one.middle("a").draw(2000, rng) for one in people.parameters]),
            }
            for label, drawn in others.items():
                share = reply_share(*ONE.unpack(drawn), *told)[:, 0]
                ends[label] = np.quantile(share, [0.25, 0.75, 0.025, 0.975]).tolist()
            for label, (a, b, low, high) in ends.items():
                found[label].append((a <= truth <= b, low <= truth <= high, high - low))
        cells = []
        for results in found.values():
            inside, outer, length = zip(*results, strict=True)
            cells += [f"{np.mean(inside):.2f}", f"{np.mean(outer):.3f} ({np.median(length):.2f})"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, "", f"{lost} populations could not be fitted and are left out."]


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.prediction")
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args(arguments)
    lines = coverage(given)
    lines += ["", measure.provenance(measure.machine(), f"seed {SEED}", "prediction"), ""]
    given.page.parent.mkdir(parents=True, exist_ok=True)
    given.page.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
