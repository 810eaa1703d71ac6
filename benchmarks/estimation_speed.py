"""What fitting costs, each estimator beside a peer on the same work: ``python -m benchmarks.estimation_speed``.

25 models x 500 prompts x 2 contexts x 10 samples, the counts of THEORY 2.3 (ii). Every round times all of ours one
after the other, so that a ratio compares neighbours; the peers are timed on a few models and scaled. Set
``OPENBLAS_NUM_THREADS=1``: seconds are those of the processor, and idle threads of BLAS would count.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cvxpy
import numpy as np
from scipy.optimize import approx_fprime, minimize
from scipy.special import log_expit, logsumexp

from benchmarks import measure
from estimators import LatentClasses, Npmle, StructuralPayoffs
from estimators.count_cells import CountCells, count_cells
from estimators.latent_class_fit import ClassFit, fit_classes
from estimators.mixing import binomial_rows
from estimators.structural import CHOICES
from estimators.structural_likelihood import Candidate, quadrature

SEED = 4000
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks" / "estimation_speed.md"
CLASSES, STRUCTURAL, NPMLE = "latent classes", "structural model", "NPMLE"
GATES = {CLASSES: None, STRUCTURAL: 1.0, NPMLE: 0.25}
"""Gates of issue 4: at most so many times the latent classes' seconds."""


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


def seconds(work: Callable[[], object]) -> float:
    """Processor time: what other programs take does not count."""
    started = time.process_time()
    work()
    return time.process_time() - started


def three_classes(cells: CountCells) -> ClassFit:
    """What StepMix is asked for: three binomial classes, ten starts."""
    return fit_classes(cells, 3, "binomial", 10, np.random.default_rng(SEED))


OURS: dict[str, Callable[[CountCells], object]] = {
    CLASSES: LatentClasses(bootstrap=0).fit_cells,
    STRUCTURAL: StructuralPayoffs(bootstrap=0).fit_cells,
    NPMLE: Npmle().fit_cells,
    "three binomial classes": three_classes,
}
WORK = {
    CLASSES: "1 to 4 beta-binomial classes by BIC, ten starts each, standard errors",
    STRUCTURAL: "one δ, {0, δ}, two δ and a graded one by BIC, standard errors, intervals of shares",
    NPMLE: "certified to 5e-7 nats over the whole square",
    "three binomial classes": "ten starts, standard errors",
}


def own_rounds(data: Sequence[CountCells], rounds: int) -> dict[str, np.ndarray]:
    """Seconds of each of ours for all models, (rounds,)."""
    for fit in OURS.values():  # imports and caches
        fit(data[0])
    taken = [
        [seconds(lambda fit=fit: [fit(cells) for cells in data]) for fit in OURS.values()]
        for _ in range(rounds)
    ]
    return dict(zip(OURS, np.array(taken).T, strict=True))


def stepmix(data: Sequence[CountCells]) -> tuple[float, str]:
    """Seconds a model of StepMix on the same samples as binary columns, and how far its weights are from ours."""
    taken, apart = 0.0, 0.0
    for cells in data:
        each, (model,) = _stepmix(cells, [3])
        taken += each
        apart = max(
            apart, float(np.abs(np.sort(model.weights_) - np.sort(three_classes(cells).shares)).max())
        )
    return taken / len(data), f"weights differ by at most {apart:.0e}: 20 rates a class, default tolerances"


def stepmix_by_bic(data: Sequence[CountCells]) -> tuple[float, str]:
    """Seconds a model of StepMix with one to four classes, and how many classes its BIC chooses."""
    taken, chosen = 0.0, []
    for cells in data:
        each, models = _stepmix(cells, [1, 2, 3, 4])
        taken += each
        answers = as_answers(cells, np.random.default_rng(SEED))
        chosen.append(1 + int(np.argmin([model.bic(answers) for model in models])))
    remark = f"no overdispersion; chooses {sorted(set(chosen))} classes where 3 are true"
    return taken / len(data), remark


def _stepmix(cells: CountCells, classes: Sequence[int]) -> tuple[float, list]:
    from stepmix.stepmix import StepMix

    answers = as_answers(cells, np.random.default_rng(SEED))
    models = [StepMix(c, measurement="binary", n_init=10, random_state=0, progress_bar=0) for c in classes]
    return seconds(lambda: [model.fit(answers) for model in models]), models


def as_answers(cells: CountCells, rng: np.random.Generator) -> np.ndarray:
    """Binary answers (prompts, samples of both contexts) with these counts, in random order; equal n only."""
    repeats = cells.weights.astype(int)
    n, k = np.repeat(cells.n, repeats, axis=0), np.repeat(cells.k, repeats, axis=0)
    ranks = rng.permuted(np.tile(np.arange(n.max()), (*n.shape, 1)), axis=2)
    return (ranks < k[:, :, None]).astype(int).reshape(len(n), -1)


def clarabel(data: Sequence[CountCells]) -> tuple[float, str]:
    """Seconds a model of cvxpy with Clarabel on a grid of 51 x 51 atoms, and how far it is short of ours."""
    angles = np.linspace(0, np.pi / 2, 51)
    atoms = np.stack(np.meshgrid(*[np.sin(angles) ** 2] * 2), axis=-1).reshape(-1, 2)
    taken, short = 0.0, 0.0
    for cells in data:
        rows = binomial_rows(cells.n, cells.k, atoms)
        weights = cvxpy.Variable(len(atoms), nonneg=True)
        value = cells.weights @ cvxpy.log(rows @ weights)
        problem = cvxpy.Problem(cvxpy.Maximize(value), [cvxpy.sum(weights) == 1])
        taken += seconds(lambda problem=problem: problem.solve(solver=cvxpy.CLARABEL))
        short = max(short, Npmle().fit_cells(cells).log_likelihood_ - problem.value)
    return taken / len(data), f"log-likelihood up to {short:.3f} short of ours: no atoms off its grid"


def generic(data: Sequence[CountCells]) -> tuple[float, str]:
    """Seconds a model of scipy's BFGS with numerical derivatives on the structural likelihood, and how far short."""
    taken, short = 0.0, 0.0
    for cells in data:
        fits = StructuralPayoffs(bootstrap=0).fit_cells(cells).fits_
        for candidate in CHOICES["auto"]:
            # One start, from the smaller fit, where ours has up to six.
            start = np.append(fits["one"].parameters, [0.0] * (candidate.parameters - 3))
            if candidate.types == 2:
                mu, log_sigma, delta = fits["one"].parameters
                deltas = [delta + 2] if candidate.zero else [delta - 1, delta + 1]
                start = np.array([mu, log_sigma, *deltas, 0.0])
            if candidate.parameters == 3:
                start = np.array([0.0, 0.3, 0.0])
            found = []

            def work(start=start, candidate=candidate, cells=cells, found=found) -> None:
                def value(x: np.ndarray) -> float:
                    return -plain_log_likelihood(x, cells, candidate)

                best = minimize(value, start, method="BFGS")
                np.linalg.pinv(approx_fprime(best.x, lambda x: approx_fprime(x, value, 1e-4), 1e-4))
                found.append(-best.fun)

            taken += seconds(work)
            short = max(short, fits[candidate.name].log_likelihood - found[0])
    return taken / len(
        data
    ), f"log-likelihood of a candidate up to {short:.3f} short of ours, from one start each"


def plain_log_likelihood(x: np.ndarray, cells: CountCells, candidate: Candidate) -> float:
    """The structural likelihood as one would write it, values alone, with the nodes of the library's rule."""
    mu, sigma, deltas, shares = candidate.unpack(x)
    kappa = float((candidate.ratio(x) - 1.0) * sigma)
    shifts = np.multiply.outer(deltas, cells.design_beliefs)
    least, most = sorted((float(sigma), float(sigma) + kappa))
    samples = float(cells.design_n.sum(axis=1).max())
    z, log_weights = quadrature(float(mu), most, shifts, samples, narrow=least)
    beliefs = cells.beliefs[0]  # one design
    eta = mu + sigma * z + beliefs[:, None] * (deltas[:, None, None] + kappa * z)  # (J, S, Q)
    rows = cells.k @ log_expit(eta) + (cells.n - cells.k) @ log_expit(-eta) + log_weights  # (J, C, Q)
    with np.errstate(divide="ignore"):
        joint = logsumexp(rows, axis=2) + np.log(shares)[:, None]
    return float(cells.weights @ logsumexp(joint, axis=0)) + cells.log_coefficients


PEERS: dict[str, tuple[str, Callable[[Sequence[CountCells]], tuple[float, str]]]] = {
    CLASSES: ("StepMix, 1 to 4 binary classes, ten starts each, no standard errors", stepmix_by_bic),
    STRUCTURAL: ("the same likelihood by scipy's BFGS, numerical derivatives and standard errors", generic),
    NPMLE: ("cvxpy with Clarabel, weights on a 51 x 51 grid", clarabel),
    "three binomial classes": ("StepMix, three binary classes, ten starts, no standard errors", stepmix),
}


def page(
    taken: dict[str, np.ndarray], peers: dict[str, tuple[float, str]], models: int, peer_models: int
) -> list[str]:
    """The page's lines."""
    classes = taken[CLASSES]
    lines = [
        f"# What fitting {models} models x 500 prompts x 2 contexts x 10 samples costs",
        "",
        "Processor seconds for all models, one thread; the counts of THEORY 2.3 (ii). Seconds are the least of",
        f"{len(classes)} rounds; a ratio to the latent classes is the median over rounds, with its range.",
        "",
        "| estimator | work | seconds | over latent classes | gate | met |",
        "|---|---|---|---|---|---|",
    ]
    lost = []
    for name, own in taken.items():
        ratios, gate = own / classes, GATES.get(name)
        ratio = float(np.median(ratios))
        met = "" if gate is None else "yes" if ratio <= gate else "**no**"
        if met == "**no**":
            lost.append(f"the {name} at {ratio:.2f} times the latent classes, not {gate:g}")
        told = f"{ratio:.2f} [{ratios.min():.2f}, {ratios.max():.2f}]" if name != CLASSES else "1"
        asked = "" if gate is None else f"at most {gate:g}"
        lines.append(f"| {name} | {WORK[name]} | {own.min():.2f} | {told} | {asked} | {met} |")
    lines += [
        "",
        f"Beside a peer on the same work; peers are timed on {peer_models} models and scaled to {models}:",
        "",
        "| estimator | peer | peer's seconds | over ours | remark |",
        "|---|---|---|---|---|",
    ]
    for name, (each, remark) in peers.items():
        own = float(taken[name].min())
        if each * models < own:
            lost.append(f"the {name} against its peer, {own / (each * models):.1f} times slower")
        lines.append(
            f"| {name} | {PEERS[name][0]} | {each * models:.2f} | {each * models / own:.1f} | {remark} |"
        )
    missing = [name for name in PEERS if name not in peers]
    if missing:
        lines += ["", f"Not installed here, hence not measured: the peer of {', '.join(missing)}."]
    return [*lines, "", f"Where we lose: {'; '.join(lost) if lost else 'nowhere in these tables'}."]


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.estimation_speed")
    parser.add_argument("--models", type=int, default=25)
    parser.add_argument("--peer-models", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args(arguments)
    data = three_types(given.models)
    few = data[: given.peer_models]
    peers = {}
    for name, (_, peer) in PEERS.items():
        try:
            peers[name] = peer(few)
        except ImportError:
            continue
    lines = page(own_rounds(data, given.rounds), peers, len(data), len(few))
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "not set")
    where = measure.provenance(measure.machine(), f"seed {SEED}", "estimation_speed")
    lines += ["", f"OPENBLAS_NUM_THREADS: {threads}. {where}", ""]
    given.page.parent.mkdir(parents=True, exist_ok=True)
    given.page.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
