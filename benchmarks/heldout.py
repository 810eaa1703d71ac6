"""Who predicts held-out prompts best: ``python -m benchmarks.heldout`` writes docs/benchmarks/heldout.md.

Shipped VLAF counts, ten models on the same 92 prompts, ten samples a context.  Repeats of five folds over the prompts:
each method sees the train and deploy counts of four folds, and of the fifth the train count only; its score is the log
predictive probability of the deploy count.  Means over repeats, prompts and models; differences are paired by prompt
and model, averaged over the models, and their intervals are over the 92 prompts, which the models share.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import logsumexp, softmax
from scipy.stats import t

from benchmarks import heldout_peers as peers
from benchmarks.heldout_peers import SAMPLES, Floats, Ints
from benchmarks.measure import machine, provenance
from estimators.count_cells import CountCells, count_cells
from estimators.crossed import CrossedFit, fit_crossed, fit_on_known_prompts, log_given_factor
from estimators.datasets import load_vlaf
from estimators.pooling import draw_new_model
from estimators.structural import CHOICES
from estimators.structural_fit import (
    StructuralFit,
    bootstrap_ratios,
    fit_all,
    selected_ratio,
)
from estimators.structural_likelihood import ONE, log_probabilities

LATTICE = np.array([(a, b) for a in range(SAMPLES + 1) for b in range(SAMPLES + 1)])
EVERY = np.full(LATTICE.shape, SAMPLES)
BELIEFS = np.array([1.0, 0.0])


@dataclass(frozen=True, eq=False)
class Shipped:
    """Counts on common prompts: k (models, prompts, 2), train first; `SAMPLES` everywhere."""

    models: list[str]
    families: list[str]
    prompts: list[str]
    k: Ints

    @property
    def n(self) -> Ints:
        """Samples, in the shape of k."""
        return np.full(self.k.shape, SAMPLES)


def shipped() -> Shipped:
    """The VLAF counts as arrays; every model has every prompt."""
    pairs = load_vlaf().pairs()
    assert set(pairs["n_train"]) == set(pairs["n_deploy"]) == {SAMPLES}
    models, prompts = list(dict.fromkeys(pairs["model"])), sorted(set(pairs["prompt_id"]))
    wide = pairs.set_index(["model", "prompt_id"]).loc[
        [(m, p) for m in models for p in prompts], ["agreed_train", "agreed_deploy"]
    ]
    families = [pairs.loc[pairs["model"] == m, "family"].iloc[0] for m in models]
    return Shipped(models, families, prompts, wide.to_numpy().reshape(len(models), len(prompts), 2))


_CHOSEN: dict[bytes, StructuralFit] = {}


def choose(k: Ints) -> StructuralFit:
    """The structural model as shipped: one incentive, unless BIC and a bootstrap (here of 19) ask for more."""
    if (key := k.tobytes()) in _CHOSEN:  # crossed effects ask for the same folds
        return _CHOSEN[key]
    cells = count_cells(np.full(k.shape, SAMPLES), k)
    fits = fit_all(cells, CHOICES["auto"])
    one = fits["one"]
    best = min((fit for name, fit in fits.items() if name != "no incentive"), key=lambda fit: fit.bic)
    if best is not one:
        # p = 1/20 only where none of the 19 ratios reaches the observed one: the first that does ends it.
        found, rng = selected_ratio(one, [best]), np.random.default_rng(0)
        simulated = (bootstrap_ratios(cells, one, [best.candidate], 1, rng)[0] for _ in range(19))
        best = one if any(ratio >= found for ratio in simulated) else best
    _CHOSEN[key] = best
    return best


# Each takes counts (N, 2) and returns log P(train, deploy) up to a function of train: (11, 11), rows by train count.
def default(k: Ints) -> Floats:
    """What `choose` chooses."""
    best = choose(k)
    return _on_lattice(lambda every: log_probabilities(best.parameters, every, best.candidate))


def one_incentive(k: Ints) -> Floats:
    """The structural model with one incentive, no selection."""
    fit = fit_all(count_cells(np.full(k.shape, SAMPLES), k), [ONE])["one"]
    return _on_lattice(lambda every: log_probabilities(fit.parameters, every, ONE))


def _on_lattice(log_probability: Callable[[CountCells], Floats]) -> Floats:
    every = count_cells(EVERY, LATTICE)
    return log_probability(every)[every.cell].reshape(SAMPLES + 1, -1)


METHODS: dict[str, Callable[[Ints], Floats]] = {
    "default structural": default,
    "structural, one incentive": one_incentive,
    "pooled binomial": peers.pooled_binomial,
    "marginal beta-binomial": peers.marginal_beta_binomial,
    "latent classes (BIC)": peers.latent_classes,
    "logistic regression": peers.logistic_regression,
    "NPMLE": peers.npmle,
    "bivariate logit-normal": peers.bivariate_logit_normal,
}
CROSSED = "crossed effects"


def conditional(joint: Floats) -> Floats:
    """log P(deploy | train) from log P(train, deploy), (11, 11)."""
    return np.asarray(joint - logsumexp(joint, axis=1, keepdims=True))


def folds(prompts: int, seed: int) -> list[Ints]:
    """Held-out prompts of each of five folds."""
    return np.array_split(np.random.default_rng(seed).permutation(prompts), 5)


def score(data: Shipped, method: Callable[[Ints], Floats], repeats: int) -> Floats:
    """Mean over repeats of the log predictive probability of each model and prompt, (M, N)."""
    total = np.zeros(data.k.shape[:2])
    for m, k in enumerate(data.k):
        for seed in range(repeats):
            for out in folds(len(k), seed):
                table = conditional(method(np.delete(k, out, axis=0)))
                total[m, out] += table[k[out, 0], k[out, 1]]
    return total / repeats


def score_crossed(data: Shipped, repeats: int) -> Floats:
    """The same for crossed effects: what the other nine models do on all prompts, in both contexts, is known.

    Each model takes what BIC prefers on its own training prompts: the default without crossed effects, or crossed
    effects with an incentive that is graded or not.
    """
    total, every = np.zeros(data.k.shape[:2]), count_cells(EVERY, LATTICE)
    for m, k in enumerate(data.k):
        others = np.arange(len(data.k)) != m
        theirs = fit_crossed(data.n[others], data.k[others], BELIEFS, graded=True)
        starts: list[Floats | None] = [None, None]
        for seed in range(repeats):
            for out in folds(len(k), seed):
                kept = np.setdiff1d(np.arange(len(k)), out)
                apart = choose(k[kept])
                known = data.n[m, kept], k[kept], BELIEFS, theirs.factor[kept]
                found = [fit_on_known_prompts(*known, graded=g, start=starts[g]) for g in (False, True)]
                starts = [each.x for each in found]
                coefficients = count_cells(*known[:2]).log_coefficients
                bics = [p * np.log(len(kept)) - 2 * (f.value + coefficients) for p, f in zip((4, 5), found)]
                if apart.bic < min(bics):
                    table = conditional(
                        _on_lattice(lambda c, fit=apart: log_probabilities(fit.parameters, c, fit.candidate))
                    )
                    total[m, out] += table[k[out, 0], k[out, 1]]
                    continue
                own = found[int(np.argmin(bics))].x
                given = log_given_factor(own, every)[every.cell].reshape(SAMPLES + 1, SAMPLES + 1, -1)
                joint = logsumexp(given[k[out, 0]], axis=2, b=theirs.factor[out][:, None, :])  # (n, 11)
                total[m, out] += conditional(joint)[np.arange(len(out)), k[out, 1]]
    return total / repeats


def score_new_model(data: Shipped, repeats: int, draws: int) -> dict[str, Floats]:
    """Mean log probability of the deploy counts of a model that joins the other nine, (M,) by method.

    Without any data of it, and with train and deploy counts of ten of its prompts (the first of a permutation per
    seed) for the other 82. No method sees the train count of a prompt that it is to predict.
    """
    names = (
        "pooling, no data",
        "pooled marginal of the others",
        "pooling, 10 prompts",
        "own marginal, 10 prompts",
    )
    result = {name: np.zeros(len(data.k)) for name in names}
    for m, k in enumerate(data.k):
        others = np.arange(len(data.k)) != m
        families = [name for name, known in zip(data.families, others, strict=True) if known]
        theirs = fit_crossed(data.n[others], data.k[others], BELIEFS)
        drawn = draw_new_model(theirs, families, data.families[m], draws, np.random.default_rng(m))
        # Every train-deploy pair once, so that ten prompts of any seed reweight the draws by a look-up.
        every = count_cells(EVERY, LATTICE)
        given = np.stack([log_given_factor(own, every)[every.cell] for own in drawn]).reshape(
            draws, 11, 11, -1
        )
        deploy = np.exp(given).sum(axis=1)  # (draws, 11, F)

        def log_score(
            weights: Floats, prompts: Ints, deploy: Floats = deploy, k: Ints = k, theirs: CrossedFit = theirs
        ) -> float:
            table = np.tensordot(weights, deploy, axes=1) @ theirs.factor[prompts].T  # (11, n)
            return float(np.mean(np.log(table[k[prompts, 1], np.arange(len(prompts))])))

        result[names[0]][m] = log_score(np.full(draws, 1 / draws), np.arange(len(k)))
        pooled = peers.marginal_beta_binomial(data.k[others].reshape(-1, 2))
        result[names[1]][m] = pooled[0, k[:, 1]].mean()
        for seed in range(repeats):
            order = np.random.default_rng(seed).permutation(len(k))
            seen, rest = order[:10], order[10:]
            of_seen = given[:, k[seen, 0], k[seen, 1]]  # (draws, 10, F)
            log_weights = logsumexp(of_seen, axis=2, b=theirs.factor[seen]).sum(axis=1)
            result[names[2]][m] += log_score(softmax(log_weights), rest) / repeats
            result[names[3]][m] += peers.marginal_beta_binomial(k[seen])[0, k[rest, 1]].mean() / repeats
    return result


def interval(difference: Floats) -> tuple[float, float, float]:
    """Mean over models and prompts (M, N), and its 95 % interval over the prompts."""
    by_prompt = difference.mean(axis=0)
    half = t.ppf(0.975, len(by_prompt) - 1) * by_prompt.std(ddof=1) / np.sqrt(len(by_prompt))
    return float(by_prompt.mean()), float(by_prompt.mean() - half), float(by_prompt.mean() + half)


def page(
    data: Shipped, scores: dict[str, Floats], new: dict[str, Floats], seconds: dict[str, float], repeats: int
) -> str:
    """The page in Markdown."""
    ours = scores["default structural"]
    lines = ["# Held-out prompts", "", *INTRODUCTION, ""]
    lines += ["| method | mean score | default minus method | 95 % interval over prompts | seconds |"]
    lines += ["|---|---|---|---|---|"]
    for name, each in scores.items():
        mean, low, high = interval(ours - each)
        paired = "– | –" if name == "default structural" else f"{mean:+.3f} | [{low:+.3f}, {high:+.3f}]"
        lines.append(f"| {name} | {each.mean():.3f} | {paired} | {seconds[name]:.0f} |")
    mean, low, high = interval(scores[CROSSED] - ours)
    says = "improve the prediction" if low > 0 else "do not improve the prediction beyond doubt"
    if high < 0:
        says = "make the prediction worse"
    lines += ["", f"**Crossed effects {says}**: {mean:+.3f} [{low:+.3f}, {high:+.3f}] over the default.", ""]
    lines += ["## Model by model", "", f"| model | {' | '.join(scores)} |", "|---" * (len(scores) + 1) + "|"]
    for m, model in enumerate(data.models):
        best = max(each[m].mean() for each in scores.values())
        cells = [_marked(each[m].mean(), best) for each in scores.values()]
        lines.append(f"| {model} | {' | '.join(cells)} |")
    lines += ["", "## A new model on known prompts", "", *NEW_MODEL, ""]
    lines += [f"| model | {' | '.join(new)} |", "|---" * (len(new) + 1) + "|"]
    for m, model in enumerate(data.models):
        lines.append(f"| {model} | {' | '.join(f'{each[m]:.3f}' for each in new.values())} |")
    lines.append(f"| **mean** | {' | '.join(f'**{each.mean():.3f}**' for each in new.values())} |")
    first, second = (list(new.values())[i] - list(new.values())[i + 1] for i in (0, 2))
    lines += [
        "",
        *(_wins(text, gain) for text, gain in (("Without data", first), ("After 10 prompts", second))),
    ]
    return "\n".join([*lines, "", provenance(machine(), f"seeds 0 to {repeats - 1}", "heldout"), ""])


def _marked(value: float, best: float) -> str:
    return f"**{value:.3f}**" if value == best else f"{value:.3f}"


def _wins(text: str, gain: Floats) -> str:
    half = t.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain))
    return (
        f"{text} the gain is {gain.mean():+.3f} [{gain.mean() - half:+.3f}, {gain.mean() + half:+.3f}] over models, "
        f"{int((gain > 0).sum())} of {len(gain)} better."
    )


INTRODUCTION = [
    "`python -m benchmarks.heldout`: the shipped VLAF counts, ten models on the same 92 prompts, ten samples each.",
    "Repeats of five folds over the prompts (20, seeds 0 to 19, unless the command said otherwise). A method sees the",
    "train and deploy counts of four folds, and of the fifth the train counts only. Its score is the log predictive",
    "probability of a deploy count, in nats a prompt; higher is better. Differences are paired by prompt and model and",
    "averaged over the models; their intervals are over the 92 prompts, which the models share, and not over models.",
    "",
    "The default takes one incentive unless BIC and a bootstrap ask for another candidate (19 data sets here, 199 as",
    "shipped). Crossed effects also know what the other nine models do on all prompts. NPMLE has 2 % of its mass",
    "spread evenly, without which it gives probability near zero to what it has not seen.",
]
NEW_MODEL = [
    "The law of parameters of the other nine models, partially pooled over families, and the prompts' factor from",
    "their answers (`estimators.pooling`, `estimators.crossed`), against beta-binomials that know no prompt: of the",
    "nine models' deploy counts, and of the new model's own ten prompts. Score: deploy counts of the prompts not seen,",
    "train count unknown.",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--page", type=Path, default=Path("docs/benchmarks/heldout.md"))
    arguments = parser.parse_args()
    data, scores, seconds = shipped(), {}, {}
    for name, method in {**METHODS, CROSSED: None}.items():
        started = time.process_time()
        repeats = arguments.repeats
        scores[name] = score(data, method, repeats) if method else score_crossed(data, repeats)
        seconds[name] = time.process_time() - started
        print(f"{name}: {scores[name].mean():.4f}, {seconds[name]:.0f} s", flush=True)
    new = score_new_model(data, arguments.repeats, arguments.draws)
    arguments.page.write_text(page(data, scores, new, seconds, arguments.repeats))
    print(f"written to {arguments.page}")


if __name__ == "__main__":
    main()
