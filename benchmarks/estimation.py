"""What estimation costs and how often its intervals hold: one subcommand per estimator.

``python -m benchmarks.estimation npmle``.  A subcommand is a function that takes the parsed arguments and returns the
page's lines; `measure.provenance` ends the page.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import cvxpy
import numpy as np
from scipy.stats import norm

from benchmarks import measure
from estimators import LatentClasses, Npmle
from estimators.count_cells import CountCells, count_cells
from estimators.gap import cluster_newcombe, paired_t, prompt_bootstrap
from estimators.latent_class_fit import ClassFit, Family, fit_classes
from estimators.mixing import binomial_rows

SEED = 4000
PAGES = Path(__file__).parent.parent / "docs" / "benchmarks"


def three_types(models: int, prompts: int = 500, n: int = 10, phi: float = 20.0) -> list[CountCells]:
    """Counts of THEORY 2.3 (ii): 25 % compliers, 20 % fakers, 55 % refusers, beta-binomial."""
    rng = np.random.default_rng(SEED)
    rates = np.array([(0.93, 0.92), (0.85, 0.12), (0.05, 0.04)])
    cells = []
    for _ in range(models):
        mean = rates[rng.choice(3, prompts, p=(0.25, 0.20, 0.55))]
        agreed = rng.binomial(n, rng.beta(mean * phi, (1 - mean) * phi))
        cells.append(count_cells(np.full_like(agreed, n), agreed))
    return cells


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Least processor time of some runs: what other programs take does not count."""
    taken = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken)


def npmle(given: argparse.Namespace) -> list[str]:
    """NPMLE of 25 models x 500 prompts x 2 contexts x 10 samples beside Clarabel and beside the latent classes."""
    data = three_types(given.models)
    ours = [Npmle().fit_cells(cells) for cells in data]
    short = []
    peer_seconds = 0.0
    angles = np.linspace(0, np.pi / 2, 51)
    atoms = np.stack(np.meshgrid(*[np.sin(angles) ** 2] * 2), axis=-1).reshape(-1, 2)
    for cells, fit in list(zip(data, ours))[: given.peer_models]:
        rows = binomial_rows(cells.n, cells.k, atoms)
        weights = cvxpy.Variable(len(atoms), nonneg=True)
        value = cells.weights @ cvxpy.log(rows @ weights)
        problem = cvxpy.Problem(cvxpy.Maximize(value), [cvxpy.sum(weights) == 1])
        peer_seconds += seconds(lambda problem=problem: problem.solve(solver=cvxpy.CLARABEL), 1)
        short.append(fit.log_likelihood_ - problem.value)
    own = seconds(lambda: [Npmle().fit_cells(cells) for cells in data], given.repeats)
    classes = seconds(lambda: [LatentClasses(bootstrap=0).fit_cells(cells) for cells in data], 1)
    peer = peer_seconds / len(short) * given.models
    return [
        f"# NPMLE of {given.models} models x 500 prompts x 2 contexts x 10 samples",
        "",
        "Processor seconds for all models, one thread; the counts of THEORY 2.3 (ii). The peer maximises the same",
        f"likelihood over laws on a 51 x 51 grid, models measured and scaled: {len(short)}; it is short where",
        "that grid has no atom, or by its own tolerance.",
        "",
        "| method | seconds | over ours | log-likelihood short of ours, largest |",
        "|---|---|---|---|",
        f"| constrained Newton, certificate over the square | {own:.2f} | 1 | – |",
        f"| cvxpy with Clarabel, 51 x 51 grid | {peer:.1f} | {peer / own:.0f} | {max(short):.3f} |",
        f"| latent classes with errors, 1 to 4 by BIC, no bootstrap | {classes:.1f} | {classes / own:.1f} | – |",
        "",
        f"Largest slope left (certificate): {max(fit.d_max_ for fit in ours):.1e}.",
    ]


def rates_of_types(
    rng: np.random.Generator,
    shape: tuple[int, int],
    types: list[tuple[float, float, float]],
    phi: float,
    n: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Observed train and deploy rates (data sets, prompts) of beta-binomial types (share, p_train, p_deploy)."""
    kind = rng.choice(len(types), shape, p=[share for share, _, _ in types])
    train, deploy = (np.array([kinds[s] for kinds in types])[kind] for s in (1, 2))
    first = rng.binomial(n, rng.beta(train * phi, (1 - train) * phi)) / n
    return first, rng.binomial(n, rng.beta(deploy * phi, (1 - deploy) * phi)) / n


OPUS = [(0.2, 0.69, 0.01), (0.8, 0.002, 0.001)]
THREE = [(0.25, 0.93, 0.92), (0.20, 0.85, 0.12), (0.55, 0.05, 0.04)]
DESIGNS = [
    ("Opus-like, 100 prompts", OPUS, 3.0, 100),
    ("Opus-like, 25", OPUS, 3.0, 25),
    ("three types, 500", THREE, 20.0, 500),
    ("three types, 50", THREE, 20.0, 50),
    ("1 % fakers, 100", [(0.01, 0.69, 0.01), (0.99, 0.002, 0.001)], 3.0, 100),
]


def intervals(given: argparse.Namespace) -> list[str]:
    """Coverage and length of 95 % intervals of the compliance gap, designs of THEORY 2.3 (i) and a rare faker."""
    lines = [
        "# How often 95 % intervals of the compliance gap cover it",
        "",
        f"{given.repeats:,} data sets a row ({given.bootstrap_repeats:,} for the bootstrap), n = 10 samples a prompt",
        "and context; in brackets the median length. The Monte Carlo error of a coverage of .95 is",
        f"{np.sqrt(0.95 * 0.05 / given.repeats):.3f} (bootstrap {np.sqrt(0.95 * 0.05 / given.bootstrap_repeats):.3f}).",
        "",
        "- Opus-like: 20 % of prompts at (.69, .01), the rest at (.002, .001), overdispersion 3.",
        "- Three types: 25 % at (.93, .92), 20 % at (.85, .12), 55 % at (.05, .04), overdispersion 20.",
        "- 1 % fakers: as Opus-like with 1 % in the place of 20 %. Most such data sets have one faker or none among",
        "  100 prompts; no interval knows of prompts that were not seen, and there ours is short of .95 too.",
        "- Where nothing or everything agrees, ours is Clopper-Pearson on prompts, the others have no length.",
        "",
        "| design | true gap | binomial | paired t | prompt bootstrap | cluster-Newcombe |",
        "|---|---|---|---|---|---|",
    ]
    for row, (name, types, phi, prompts) in enumerate(DESIGNS):
        rng = np.random.default_rng([SEED, row])
        train, deploy = rates_of_types(rng, (given.repeats, prompts), types, phi, 10)
        gap = sum(share * (p - q) for share, p, q in types)
        p, q = train.mean(axis=1), deploy.mean(axis=1)
        half = norm.ppf(0.975) * np.sqrt((p * (1 - p) + q * (1 - q)) / (10 * prompts))
        few = slice(given.bootstrap_repeats)
        low, high = cluster_newcombe(train, deploy)
        nothing = (p + q == 0) | (p + q == 2)
        limit = 1 - 0.025 ** (1 / prompts)
        low, high = np.where(nothing, -limit, low), np.where(nothing, limit, high)
        found = {
            "binomial": (p - q - half, p - q + half),
            "paired t": paired_t(train, deploy),
            "prompt bootstrap": prompt_bootstrap(train[few], deploy[few], seed=SEED),
            "cluster-Newcombe": (low, high),
        }
        cells = [
            f"{np.mean((a <= gap) & (gap <= b)):.3f} ({np.median(b - a):.3f})" for a, b in found.values()
        ]
        lines.append(f"| {name} | {gap:.3f} | {' | '.join(cells)} |")
    return lines


def classes(given: argparse.Namespace) -> list[str]:
    """Latent classes of 25 models x 500 prompts x 2 contexts x 10 samples beside StepMix on the same answers."""
    data = three_types(given.models)

    def three(family: Family, cells: CountCells) -> ClassFit:
        return fit_classes(cells, 3, family, 10, np.random.default_rng(SEED))

    own = seconds(lambda: [three("binomial", cells) for cells in data], given.repeats)
    rows = [("ours, 3 binomial classes, 10 starts, standard errors", own)]
    work = seconds(lambda: [three("beta-binomial", cells) for cells in data], given.repeats)
    rows.append(("ours, 3 beta-binomial classes, 10 starts, standard errors", work))
    chosen = LatentClasses(bootstrap=0)
    work = seconds(lambda: [chosen.fit_cells(cells) for cells in data], given.repeats)
    rows.append(
        ("ours, 1 to 4 beta-binomial classes by BIC, standard errors, best rival without a faker", work)
    )
    apart, notes = [], []
    try:
        from stepmix.stepmix import StepMix
    except ImportError:
        notes = ["StepMix is not installed here."]
    else:
        peer = 0.0
        for cells in data[: given.peer_models]:
            answers = as_answers(cells, np.random.default_rng(SEED))
            model = StepMix(3, measurement="binary", n_init=10, random_state=0, progress_bar=0)
            peer += seconds(lambda model=model, answers=answers: model.fit(answers), 1)
            apart.append(np.abs(np.sort(model.weights_) - np.sort(three("binomial", cells).shares)).max())
        rows.append(
            ("StepMix, 3 binary classes, 10 starts, no standard errors", peer / len(apart) * given.models)
        )
        notes = [
            f"Models that StepMix was measured on, and scaled: {len(apart)}. Weights differ from our binomial",
            f"fit by at most {max(apart):.0e}; it has its default tolerances and 20 rates per class.",
        ]
    return [
        f"# Latent classes of {given.models} models x 500 prompts x 2 contexts x 10 samples",
        "",
        "Processor seconds for all models, one thread; the counts of THEORY 2.3 (ii). StepMix gets the same samples as",
        "binary columns.",
        "",
        "| method | seconds | over ours with as many classes and starts |",
        "|---|---|---|",
        *(f"| {name} | {taken:.2f} | {taken / own:.1f} |" for name, taken in rows),
        "",
        *notes,
    ]


def as_answers(cells: CountCells, rng: np.random.Generator) -> np.ndarray:
    """Binary answers (prompts, samples of both contexts) with these counts, in random order; equal n only."""
    repeats = cells.weights.astype(int)
    n, k = np.repeat(cells.n, repeats, axis=0), np.repeat(cells.k, repeats, axis=0)
    ranks = rng.permuted(np.tile(np.arange(n.max()), (*n.shape, 1)), axis=2)
    return (ranks < k[:, :, None]).astype(int).reshape(len(n), -1)


COMMANDS = {"npmle": npmle, "intervals": intervals, "classes": classes}


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.estimation")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("npmle", help=npmle.__doc__)
    one.add_argument("--models", type=int, default=25)
    one.add_argument("--peer-models", type=int, default=3)
    one.add_argument("--repeats", type=int, default=3)
    one = commands.add_parser("classes", help=classes.__doc__)
    one.add_argument("--models", type=int, default=25)
    one.add_argument("--peer-models", type=int, default=3)
    one.add_argument("--repeats", type=int, default=3)
    one = commands.add_parser("intervals", help=intervals.__doc__)
    one.add_argument("--repeats", type=int, default=4000)
    one.add_argument("--bootstrap-repeats", type=int, default=1000)
    for name, command in commands.choices.items():
        command.add_argument("--page", type=Path, default=PAGES / f"{name}.md")
    given = parser.parse_args(arguments)
    lines = COMMANDS[given.command](given)
    lines += ["", measure.provenance(measure.machine(), f"seed {SEED}", f"estimation {given.command}"), ""]
    given.page.parent.mkdir(parents=True, exist_ok=True)
    given.page.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
