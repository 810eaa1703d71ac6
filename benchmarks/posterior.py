"""Which sampler takes the posterior to 400 effective draws soonest, and whether its ranks are uniform.

``python -m benchmarks.posterior samplers`` runs each sampler in a process of its own on the same density of the shipped
counts; ``python -m benchmarks.posterior calibration`` is simulation-based calibration (Talts et al. 2018,
arXiv:1804.06788).  NumPyro and BlackJAX need the likelihood written again in JAX (below, checked against ours); nutpie,
PyMC and emcee take ours.  Needs ``pip install nutpie arviz numpyro blackjax emcee pymc``.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from estimators.count_cells import belief_cells, count_cells
from estimators.datasets import load_vlaf
from estimators.posterior_models import BayesModel, choice_model, class_model, structural_model
from estimators.posterior_target import Target

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks" / "posterior.md"
SAMPLERS = ("nutpie", "pymc", "numpyro", "blackjax", "emcee")
POSTERIORS = {"one model": 1, "ten models, pooled": 10}
CHAINS, TUNE, DRAWS = 2, 400, 400


def shipped(models: int) -> Target:
    """The default structural model of the last `models` of the shipped counts."""
    groups = list(load_vlaf().groups(["model", "family"]))[-models:]
    family = np.unique([labels["family"] for labels, _ in groups], return_inverse=True)[1]
    cells = tuple(belief_cells(group, {"train": 1.0, "deploy": 0.0})[0] for _, group in groups)
    return Target(structural_model(), cells, family.astype(np.int64))


def jax_density(target: Target) -> Any:
    """`Target.log_density` of the structural model with one incentive, written in JAX on a fixed rule."""
    import jax
    import jax.numpy as jnp
    from jax.scipy.special import gammaln, logsumexp

    jax.config.update("jax_enable_x64", True)
    most = max(len(cells.k) for cells in target.cells)

    def padded(part: str) -> Any:
        parts = [getattr(cells, part) for cells in target.cells]
        return jnp.array(
            [np.pad(p, [(0, most - len(p)), *[(0, 0)] * (p.ndim - 1)]) for p in parts], dtype=float
        )

    n, k, weights, beliefs = padded("n"), padded("k"), padded("weights"), padded("beliefs")
    z = jnp.linspace(-9.5, 9.5, 191)
    log_rule = jnp.log(z[1] - z[0]) - z**2 / 2 - jnp.log(2 * jnp.pi) / 2
    model, count, parameters = target.model, len(target.cells), len(target.model.names)
    mean, sd = jnp.array(model.prior_mean), jnp.array(model.prior_sd)
    coefficient = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    places, roots = (jnp.array(part) for part in target.modes)
    family, w = jnp.array(target.family), jnp.array(target.reliability) if target.pooled else 0.0

    def likelihood(theta: Any) -> Any:
        x = jnp.clip(theta, mean - model.reach * sd, mean + model.reach * sd)
        eta = x[:, 0, None, None, None] + jnp.exp(x[:, 1, None, None, None]) * z
        eta = eta + (x[:, 2, None, None] * beliefs)[..., None]
        each = k[..., None] * eta - n[..., None] * jnp.logaddexp(0.0, eta) + coefficient[..., None]
        return jnp.sum(weights * logsumexp(each.sum(axis=2) + log_rule, axis=-1))

    def density(x: Any) -> Any:
        own = x[: count * parameters].reshape(count, parameters)
        if not target.pooled:
            theta = places + jnp.einsum("gpq,gq->gp", roots, own)
            return likelihood(theta) - 0.5 * jnp.sum(((theta - mean) / sd) ** 2)
        middle = x[count * parameters : -parameters].reshape(-1, parameters)
        log_spread = x[-parameters:]
        centre = middle[family]
        away = own - w * centre
        theta = centre + jnp.exp((1 - w) * log_spread) * away
        return (
            likelihood(theta)
            + jnp.sum(-0.5 * away**2 * jnp.exp(-2 * w * log_spread) - w * log_spread)
            - 0.5 * jnp.sum(((middle - mean) / sd) ** 2)
            + jnp.sum(-2.0 * jnp.exp(2 * log_spread) / sd**2 + log_spread)
        )

    return jax.jit(density)


def check_jax(target: Target) -> float:
    """Largest difference of the JAX density and gradient from ours, up to a constant, at three points."""
    import jax

    density = jax_density(target)
    points = [target.start(np.random.default_rng(seed)) for seed in range(3)]
    ours, theirs = (
        [target.log_density(x) for x in points],
        [(density(x), jax.grad(density)(x)) for x in points],
    )
    values = np.ptp([float(a[0]) - float(b[0]) for a, b in zip(ours, theirs)])
    return max(values, max(float(np.abs(a[1] - b[1]).max()) for a, b in zip(ours, theirs)))


def by_nutpie(target: Target, seed: int) -> np.ndarray:
    from estimators.posterior import sample

    return sample(target, CHAINS, DRAWS, TUNE, seed)["posterior"]["vector"].to_numpy()


def by_pymc(target: Target, seed: int) -> np.ndarray:
    import pymc as pm
    import pytensor.tensor as pt
    from pytensor.graph.op import Apply, Op

    class Slope(Op):
        def make_node(self, x: Any) -> Apply:
            return Apply(self, [x], [pt.dvector()])

        def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
            outputs[0][0] = target.log_density(inputs[0])[1]

    class Density(Op):
        def make_node(self, x: Any) -> Apply:
            return Apply(self, [x], [pt.dscalar()])

        def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
            outputs[0][0] = np.array(target.log_density(inputs[0])[0])

        def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
            return [cotangents[0] * Slope()(inputs[0])]

        grad = pullback_l_op = pullback

    with pm.Model():
        x = pm.Flat("vector", shape=target.size, initval=target.start(np.random.default_rng(seed)))
        pm.Potential("density", Density()(x))
        trace = pm.sample(
            DRAWS,
            tune=TUNE,
            chains=CHAINS,
            cores=1,
            random_seed=seed,
            progressbar=False,
            compute_convergence_checks=False,
        )
    return trace.posterior["vector"].to_numpy()


def by_numpyro(target: Target, seed: int) -> np.ndarray:
    import jax
    from numpyro.infer import MCMC, NUTS

    density = jax_density(target)
    kernel = NUTS(potential_fn=lambda x: -density(x))
    mcmc = MCMC(
        kernel,
        num_warmup=TUNE,
        num_samples=DRAWS,
        num_chains=CHAINS,
        chain_method="sequential",
        progress_bar=False,
    )
    start = np.array([target.start(np.random.default_rng([seed, c])) for c in range(CHAINS)])
    mcmc.run(jax.random.PRNGKey(seed), init_params=start)
    return np.asarray(mcmc.get_samples(group_by_chain=True))


def by_blackjax(target: Target, seed: int) -> np.ndarray:
    import blackjax
    import jax

    density, chains = jax_density(target), []
    for c in range(CHAINS):
        key, warm = jax.random.split(jax.random.PRNGKey(seed + c))
        adapt = blackjax.window_adaptation(blackjax.nuts, density)
        (state, tuned), _ = adapt.run(warm, target.start(np.random.default_rng([seed, c])), num_steps=TUNE)
        kernel = blackjax.nuts(density, **tuned)

        def one(state: Any, key: Any, kernel: Any = kernel) -> Any:
            state, _ = kernel.step(key, state)
            return state, state.position

        chains.append(jax.lax.scan(one, state, jax.random.split(key, DRAWS))[1])
    return np.asarray(chains)


def by_emcee(target: Target, seed: int) -> np.ndarray:
    import emcee

    walkers = max(2 * target.size + 2, 16)
    rng = np.random.default_rng(seed)
    sampler = emcee.EnsembleSampler(walkers, target.size, lambda x: target.log_density(x)[0])
    sampler.random_state = np.random.RandomState(seed).get_state()
    start = np.array([target.start(rng) for _ in range(walkers)])
    # As many sweeps as the others have draws times the usual length of their paths.
    sampler.run_mcmc(start, 4 * (TUNE + DRAWS))
    return np.asarray(sampler.get_chain(discard=4 * TUNE).transpose(1, 0, 2))


def measure_one(name: str, models: int, seed: int) -> dict[str, Any]:
    """Processor seconds, compilation included, and how many effective draws they bought."""
    from arviz_stats.base import array_stats

    target = shipped(models)
    target.log_density(target.start(np.random.default_rng(0)))  # finds the modes, which all samplers use
    started, cpu = time.perf_counter(), time.process_time()
    draws = globals()[f"by_{name}"](target, seed)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    ess = [float(array_stats.ess(draws[..., d])) for d in range(target.size)]
    r_hat = [float(array_stats.rhat(draws[..., d])) for d in range(target.size)]
    return {"seconds": seconds, "cpu": cpu, "ess": min(ess), "r_hat": max(r_hat), "dimensions": target.size}


def samplers(given: argparse.Namespace) -> list[str]:
    rows = []
    for label, models in POSTERIORS.items():
        for name in given.only or SAMPLERS:
            command = [sys.executable, "-W", "ignore", "-m", "benchmarks.posterior", "one", name, str(models)]
            try:
                done = subprocess.run(
                    command,
                    capture_output=True,
                    text=True,
                    timeout=given.limit,
                    env=os.environ | {"JAX_PLATFORMS": "cpu"},
                )
            except subprocess.TimeoutExpired:
                rows.append(f"| {label} | {name} | > {given.limit:.0f} | – | – | – |")
                continue
            if done.returncode:
                rows.append(
                    f"| {label} | {name} | failed: {done.stderr.strip().splitlines()[-1][:80]} | – | – | – |"
                )
                continue
            r = json.loads(done.stdout.splitlines()[-1])
            rows.append(
                f"| {label} ({r['dimensions']}) | {name} | {r['cpu']:.1f} | {r['ess']:.0f} | {r['r_hat']:.3f} "
                f"| {400 * r['cpu'] / r['ess']:.1f} |"
            )
            print(rows[-1], flush=True)
    head = "| posterior (dimensions) | sampler | processor seconds | least bulk ESS | largest R̂ | seconds to ESS 400 |"
    return [head, "|---|---|---|---|---|---|", *rows]


def calibration_models() -> dict[str, tuple[BayesModel, np.ndarray, np.ndarray]]:
    """Models with the n (N, S) and beliefs that they are asked at."""
    from estimators.choice_likelihood import ChoiceForm, Situations

    told = Situations.at([0.9, 0.7, 0.5, 0.1])
    arms = np.tile([[8, 0, 0, 8], [0, 8, 0, 8], [0, 0, 8, 8]], (30, 1))
    pairs, revealing = np.full((92, 2), 10), np.array([1.0, 0.0])
    return {
        "structural, one incentive": (structural_model(), pairs, revealing),
        "classes": (class_model(), pairs, revealing),
        "choice": (
            choice_model(ChoiceForm(("complier", "refuser", "strategic"), 4), told),
            arms,
            told.belief,
        ),
    }


def calibration(given: argparse.Namespace) -> list[str]:
    """Draw parameters from the prior, counts from them, and ask where the truth ranks among the posterior's draws."""
    from scipy.stats import chisquare

    from estimators.posterior import sample

    bins, kept = 10, 99
    lines = ["| model | parameter | runs | p of uniform ranks | mean rank |", "|---|---|---|---|---|"]
    for name, (model, n, beliefs) in calibration_models().items():
        if given.only and name not in given.only:
            continue
        path = given.results / f"{name.replace(', ', '-').replace(' ', '-')}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        done = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        for run in range(len(done), given.runs):
            rng = np.random.default_rng([9, run])
            truth = rng.normal(model.prior_mean, model.prior_sd)
            told = np.broadcast_to(beliefs, n.shape)
            target = Target(
                model, (count_cells(n, model.simulate(rng, truth, n, told), beliefs),), np.zeros(1, np.int64)
            )
            vectors = sample(target, 2, 2 * (kept + 1), 200, seed=run)["posterior"]["vector"].to_numpy()
            theta = target.unpack(vectors)[0].reshape(-1, len(truth))[::4][:kept]
            done.append((theta < truth).sum(axis=0).tolist())
            with path.open("a") as file:
                file.write(json.dumps(done[-1]) + "\n")
        ranks = np.array(done[: given.runs])
        for p, parameter in enumerate(model.names):
            observed = np.histogram(ranks[:, p], np.linspace(0, kept + 1, bins + 1))[0]
            mean = f"{ranks[:, p].mean() / kept:.3f} ± {np.sqrt(1 / 12 / len(ranks)):.3f}"
            lines.append(
                f"| {name} | {parameter} | {len(ranks)} | {chisquare(observed).pvalue:.3f} | {mean} |"
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    every = commands.add_parser("samplers")
    every.add_argument("--only", nargs="*", choices=SAMPLERS)
    every.add_argument("--limit", type=float, default=900.0)
    every.set_defaults(run=samplers)
    one = commands.add_parser("one")
    one.add_argument("name", choices=SAMPLERS)
    one.add_argument("models", type=int)
    one.add_argument("--seed", type=int, default=1)
    one.set_defaults(run=lambda given: [json.dumps(measure_one(given.name, given.models, given.seed))])
    check = commands.add_parser("check")
    check.set_defaults(run=lambda given: [str(check_jax(shipped(models))) for models in POSTERIORS.values()])
    ranks = commands.add_parser("calibration")
    ranks.add_argument("--runs", type=int, default=200)
    ranks.add_argument("--only", nargs="*")
    ranks.add_argument("--results", type=Path, default=Path("benchmarks/results/calibration"))
    ranks.set_defaults(run=calibration)
    given = parser.parse_args()
    print("\n".join(given.run(given)))


if __name__ == "__main__":
    main()
