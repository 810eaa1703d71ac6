"""Ten thousand random games against a second opinion: ``python -m benchmarks.agreement``.

Every game is solved by a method of ours, by solve_batch, and by the multiple LPs, whose value the certificate
proves in rationals; in one block of twenty, with too many profiles for those, MIP-p-G on HiGHS takes their place.
Games with odd numbers have small integer payoffs and are full of ties, repeated replies and types, missing
replies and types of prior zero; the others have real payoffs.  Every certificate is checked once more, in fractions,
by the few lines below.  Interrupt it and run it again: it goes on where it stopped.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

import stackelberg as sb
from benchmarks import measure
from benchmarks.methods import fits
from stackelberg.equilibrium import Certificate, Equilibrium, Status
from stackelberg.game import GameError
from stackelberg.solve import METHODS, Method

GAMES = 10_000
BLOCK = 50
"""Games of one shape, which solve_batch takes together."""
TOLERANCE = 1e-7
"""Relative difference of values that counts as a mismatch."""
LARGE_EVERY = 20
"""One block of so many is too large for the multiple LPs."""
SMALL_SHAPES = (
    (2, 2, 2),
    (2, 5, 3),
    (3, 3, 3),
    (3, 2, 5),
    (4, 4, 2),
    (4, 3, 4),
    (5, 3, 3),
    (6, 6, 1),
    (8, 2, 4),
    (48, 3, 3),
)
LARGE_SHAPES = ((2, 4, 8), (3, 5, 6), (4, 4, 6), (5, 5, 5))
"""Leader actions, follower actions, types."""


@dataclass(frozen=True)
class Block:
    """Games of one shape: payoffs (games, types, leader actions, follower actions), priors, who checks them."""

    number: int
    leader: np.ndarray
    follower: np.ndarray
    prior: np.ndarray
    large: bool

    @property
    def games(self) -> Iterator[sb.BayesianStackelbergGame]:
        """The games, one by one."""
        for R, C, p in zip(self.leader, self.follower, self.prior, strict=True):
            played = [~np.isnan(c).any(axis=0) for c in C]
            leader, follower = ([a[:, j] for a, j in zip(A, played, strict=True)] for A in (R, C))
            yield sb.BayesianStackelbergGame(leader, follower, p)


def block(number: int, size: int = BLOCK) -> Block:
    """The games of a number: the same on every machine."""
    large = number % LARGE_EVERY == 3
    rng = np.random.default_rng([11, number])
    m, n, types = (LARGE_SHAPES if large else SMALL_SHAPES)[rng.integers(4 if large else 9)]
    leader, follower = rng.uniform(-10, 10, (2, size, types, m, n))
    weights = rng.random((size, types)) + 0.2
    for g in range(1, size, 2):
        high = rng.choice([1, 2, 3, 10])
        leader[g], follower[g] = rng.integers(-high, high + 1, (2, types, m, n))
        weights[g] = rng.integers(0, 4, types) + (np.arange(types) == 0)
        with_twist(rng, leader[g], follower[g])
    return Block(number, leader, follower, weights / weights.sum(axis=1, keepdims=True), large)


def with_twist(rng: np.random.Generator, R: np.ndarray, C: np.ndarray) -> None:
    """What makes ties, in place: a reply or a type twice, an indifferent type, a row of zeros, a missing reply."""
    l, twist = rng.integers(len(R)), rng.integers(6)
    if twist == 0:
        R[l, :, -1], C[l, :, -1] = R[l, :, 0], C[l, :, 0]
    elif twist == 1:
        R[l], C[l] = R[0], C[0]
    elif twist == 2:
        C[l] = 0
    elif twist == 3:
        R[l, 0], C[l, 0] = 0, 0
    elif twist == 4:
        R[l, :, -1] = C[l, :, -1] = np.nan


def holds(game: sb.BayesianStackelbergGame, certificate: Certificate | None) -> str:
    """What is wrong with a certificate, in words; nothing if it holds.  Shares no code with certify."""
    if certificate is None:
        return "none"
    x = certificate.strategy
    if sum(x) != 1 or min(x) < 0:
        return "strategy is not a mixture"
    value = Fraction(0)
    for l, j in enumerate(certificate.replies):
        R, C = game.payoffs(l)
        own = [sum(Fraction(float(c)) * p for c, p in zip(column, x, strict=True)) for column in C.T]
        gains = [sum(Fraction(float(r)) * p for r, p in zip(column, x, strict=True)) for column in R.T]
        if own[j] != max(own):
            return f"type {l} has a better reply"
        if gains[j] != max(g for g, u in zip(gains, own, strict=True) if u == own[j]):
            return f"type {l} does not break its tie for the leader"
        if certificate.reply_gaps[l] != tuple(own[j] - other for other in own):
            return f"what type {l} loses by other replies is wrong"
        value += Fraction(float(game.prior[l])) * gains[j]
    if value != certificate.value:
        return "value is not the leader's payoff"
    if certificate.upper_bound is not None and certificate.upper_bound < value:
        return "upper bound is below the value"
    return ""


def relative(one: float, other: float) -> float:
    """Difference of two values, relative to the larger where that is above one."""
    return abs(one - other) / max(1.0, abs(one), abs(other))


def compare(games: Block, method: Method) -> measure.Record:
    """Solve a block in every way and count what differs; every finding names its game."""
    record: dict[str, Any] = {"block": games.number, "method": method, "games": len(games.prior)}
    record |= {"large": games.large, "shape": games.leader.shape[1:], "worst": 0.0}
    record |= {"findings": [], "claims": {}, "batch_replies": 0}
    batch = sb.solve_batch(games.leader, games.follower, games.prior, threads=1)
    for g, game in enumerate(games.games):
        second = sb.solve(game, method="strong-milp" if games.large else "multiple-lps")
        answers: dict[str, Equilibrium] = {"reference": second}
        try:
            if method == "auto" or fits(method, game):
                answers[method] = sb.solve(game, method=method)
        except (sb.SolveError, ValueError, GameError) as error:
            record["findings"].append(finding(g, method, "failed", str(error)[:200]))
        for name, answer in answers.items():
            claim = answer.certificate.claim if answer.certificate else "none"
            counted = record["claims"].setdefault(name, {})
            counted[claim] = counted.get(claim, 0) + 1
            if claim == "near-tie":
                record["findings"].append(finding(g, name, "near-tie", answer.message))
            wrong = holds(game, answer.certificate)
            if not wrong and answer.status is not Status.OPTIMAL:
                wrong = f"status is {answer.status}"
            if wrong:
                record["findings"].append(finding(g, name, "certificate", wrong))
        if not games.large and second.certificate and second.certificate.claim not in ("optimal", "near-tie"):
            record["findings"].append(finding(g, "reference", "unproved", second.certificate.message))
        found = {name: a.value for name, a in answers.items() if name != "reference"}
        for name, value in {**found, "solve_batch": float(batch.value[g])}.items():
            apart = relative(value, second.value)
            record["worst"] = max(record["worst"], apart)
            if apart > TOLERANCE:
                record["findings"].append(
                    finding(g, name, "mismatch", f"{value!r} against {second.value!r} by {second.method}")
                )
        by_rule = sb.best_replies(game, batch.strategy[g])
        record["batch_replies"] += int(not np.array_equal(by_rule, batch.replies[g]))
    return record


def finding(game: int, method: str, kind: str, text: str) -> dict[str, Any]:
    """Something to look at."""
    return {"game": game, "method": method, "kind": kind, "text": text}


def page(records: list[measure.Record], method: str, where: measure.Record, total: int) -> str:
    """The page for the docs."""
    findings = [(r["block"], f) for r in records for f in r["findings"]]
    total_done = sum(r["games"] for r in records)
    small, large = (sum(r["games"] for r in records if r["large"] is large) for large in (False, True))

    def number(kind: str, of: str) -> int:
        return sum(f["kind"] == kind and f["method"] == of for _, f in findings)

    def claims(of: str) -> str:
        counted: dict[str, int] = {}
        for r in records:
            for claim, k in r["claims"].get(of, {}).items():
                counted[claim] = counted.get(claim, 0) + k
        return ", ".join(f"{k:,} {claim}" for claim, k in sorted(counted.items(), key=lambda item: -item[1]))

    lines = [
        "# Do the methods agree",
        "",
        f"{total_done:,} of {total:,} random games, half of them integers full of ties: {small:,} against the",
        f"multiple LPs, whose value is proved in rationals, and {large:,} larger ones against MIP-p-G on HiGHS.",
        "Values are compared relative to the larger, or to one where both are below; the worst differ by",
        f"{max((r['worst'] for r in records), default=0.0):.1e}.",
        "",
        "| | mismatches above 1e-7 | near-ties, flagged | certificates that fail | failures | certificates claim |",
        "|---|---|---|---|---|---|",
    ]
    for name, of in ((method, method), ("solve_batch", "solve_batch"), ("second opinion", "reference")):
        batch, reference = of == "solve_batch", of == "reference"
        cells = [
            "–" if reference else str(number("mismatch", of)),
            "–" if batch else str(number("near-tie", of)),
            "–" if batch else str(number("certificate", of)),
            str(number("unproved", of)) + " unproved"
            if reference
            else "–"
            if batch
            else str(number("failed", of)),
            "–" if batch else claims(of),
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"Replies of solve_batch differ from the tie rule at its own strategy in "
        f"{sum(r['batch_replies'] for r in records)} games.",
        "",
        *[
            f"- block {number}, game {f['game']}, {f['method']}, {f['kind']}: {f['text']}"
            for number, f in findings[:50]
        ],
        *(["", f"… and {len(findings) - 50} more findings"] if len(findings) > 50 else []),
        *([""] if findings else []),
        "A game is rebuilt by `list(benchmarks.agreement.block(number).games)[game]`.",
        "",
        measure.provenance(where, "blocks are seeded by their number", "agreement"),
        "",
    ]
    return "\n".join(lines)


def usual_method() -> Method:
    """Our search where this version has it, else the formulation that takes any game."""
    return "branch-and-bound" if "branch-and-bound" in METHODS else "dobss"


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.agreement")
    parser.add_argument("--games", type=int, default=GAMES, help=f"in blocks of {BLOCK}")
    parser.add_argument("--method", choices=METHODS, default=usual_method())
    parser.add_argument("--records", type=Path, default=here / "results" / "agreement.jsonl")
    parser.add_argument("--page", type=Path, default=here.parent / "docs" / "benchmarks" / "agreement.md")
    given = parser.parse_args(arguments)
    done = {r["block"] for r in measure.read(given.records) if r["method"] == given.method}
    numbers = range(-(-given.games // BLOCK))
    where, started = measure.machine(), time.perf_counter()
    for number in numbers:
        if number in done:
            continue
        record = compare(block(number), given.method) | {"machine": where}
        measure.append(given.records, record)
        print(
            f"block {number + 1} of {len(numbers)}, {record['shape']}: worst {record['worst']:.1e}, "
            f"{len(record['findings'])} findings, {time.perf_counter() - started:.0f} s",
            flush=True,
        )
    records = [
        r for r in measure.read(given.records) if r["method"] == given.method and r["block"] in numbers
    ]
    text = page(records, given.method, records[-1]["machine"], len(numbers) * BLOCK)
    given.page.parent.mkdir(parents=True, exist_ok=True)
    given.page.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
