"""The first answer of a fresh process, with an empty cache of machine code and with a full one.

``python -m benchmarks.cold_start``.  Every figure is a process of its own, so it includes what the first call
imports; ``NUMBA_CACHE_DIR`` points to a folder that is empty, or that holds all compiled kernels.  Files of Python byte
code are there in both cases.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import measure
from benchmarks.instances import Size
from stackelberg.solve import METHODS

SEED = 3000
GOAL = 3.0
"""Most that an empty cache may cost, as a ratio, where interpreted kernels can solve the game."""

CHILD = """
import sys, time
begun = time.perf_counter()
import json
import numpy as np
import stackelberg as sb
imported = time.perf_counter()
{preparation}
started = time.perf_counter()
{call}
ended = time.perf_counter()
print(json.dumps({{"import": imported - begun, "first": ended - started, "numba": "numba" in sys.modules}}))
"""


@dataclass(frozen=True)
class Case:
    """What a fresh process is asked first."""

    label: str
    size: Size
    method: str
    games: int = 1
    compiles: bool = False

    @property
    def code(self) -> str:
        """The process, as a program."""
        s = self.size
        if self.method == "solve_batch":
            shape = (2, self.games, s.types, s.leader_actions, s.follower_actions)
            return CHILD.format(
                preparation=f"R, C = np.random.default_rng({SEED}).random({shape})",
                call=f"sb.solve_batch(R, C, np.full({s.types}, 1 / {s.types}))",
            )
        sizes = f"{s.leader_actions}, {s.follower_actions}, {s.types}"
        return CHILD.format(
            preparation=f"game = sb.examples.uniform({sizes}, {SEED})",
            call=f"sb.solve(game, method={self.method!r})",
        )


SMALL = Size("uniform", 3, 3, 3)
CASES = (
    Case("solve, as it chooses, 3×3×3", SMALL, "auto"),
    Case("solve, branch and bound, 3×3×3", SMALL, "branch-and-bound"),
    Case("solve, cells, 3×3×3", SMALL, "cells"),
    Case("solve_batch, one game of 3×3×3", SMALL, "solve_batch"),
    Case("solve_batch, 20 games of 3×3×3", SMALL, "solve_batch", 20),
    Case("solve, branch and bound, 10×10×4", Size("uniform", 10, 10, 4), "branch-and-bound"),
    Case("solve, branch and bound, 10×10×10", Size("uniform", 10, 10, 10), "branch-and-bound", compiles=True),
    Case("solve, cells, 3×5×100", Size("uniform", 3, 5, 100), "cells", compiles=True),
    Case("solve_batch, 20,000 games of 3×3×3", SMALL, "solve_batch", 20_000, compiles=True),
)
"""Small games first, which must not wait for the compiler, then games that need it."""


def fresh(case: Case, cache: Path) -> measure.Record:
    """Ask a fresh process; what it says of itself, and whether it announced a compilation."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", case.code], env=environment, capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise RuntimeError(f"{case.label}: {run.stderr.strip().splitlines()[-1]}")
    said: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return said | {"compiled": "stackelberg: compiling" in run.stderr}


def measured(cases: list[Case], repeats: int, folder: Path) -> dict[str, tuple[list[measure.Record], ...]]:
    """Per case the processes that found an empty cache, each its own, and those that found a full one.

    The full cache holds what every case that compiles left behind, so that small games find compiled kernels too,
    and could be tempted to load them.
    """
    full = folder / "full"
    full.mkdir()
    cold: dict[str, list[measure.Record]] = {}
    for case in sorted(cases, key=lambda case: not case.compiles):
        cold[case.label] = []
        for k in range(1 if case.compiles else repeats):
            cache = folder / f"{len(cold)}-{k}"
            cache.mkdir()
            cold[case.label].append(fresh(case, cache))
            shutil.copytree(cache, full, dirs_exist_ok=True)
    return {case.label: (cold[case.label], [fresh(case, full) for _ in range(repeats)]) for case in cases}


def row(case: Case, cold: list[measure.Record], warm: list[measure.Record]) -> str:
    """One line of the table: medians.  The goal is on the call alone: with the import it is easier to meet."""

    def first(records: list[measure.Record]) -> float:
        return median(r["first"] for r in records)

    ratio = first(cold) / first(warm)
    compiled = any(r["compiled"] for r in cold)
    verdict = "compiles" if case.compiles else "met" if ratio <= GOAL and not compiled else "MISSED"
    imports = median(r["import"] for r in cold + warm)
    return (
        f"| {case.label} | {imports:.2f} | {first(cold):.3f} | {first(warm):.3f} | {ratio:.1f} "
        f"| {'yes' if compiled else 'no'} | {verdict} |"
    )


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.cold_start")
    parser.add_argument("--repeats", type=int, default=5, help="processes per figure; one where it compiles")
    parser.add_argument("--page", type=Path, default=here.parent / "docs" / "benchmarks" / "cold_start.md")
    given = parser.parse_args(arguments)
    known = [case for case in CASES if case.method in (*METHODS, "solve_batch")]
    lines = [
        "# The first answer of a fresh process",
        "",
        "Seconds, medians over fresh processes, one process where it compiles. The first call imports what it",
        f"needs; `import stackelberg` comes before it. The goal: an empty cache of machine code costs at most {GOAL:g}",
        "times a full one, and no game that interpreted kernels can solve waits for the compiler.",
        "",
        "| first call | import | empty cache | full cache | ratio | compiled | goal |",
        "|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        found = measured(known, given.repeats, Path(folder))
    lines += [row(case, *found[case.label]) for case in known]
    lines += ["", measure.provenance(measure.machine(), f"seed {SEED}", "cold_start"), ""]
    given.page.parent.mkdir(parents=True, exist_ok=True)
    given.page.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
