"""The command line of a benchmark that is one page: measure with a seed, small on request, and write it."""

import argparse
from collections.abc import Callable
from pathlib import Path

from benchmarks import measure

HERE = Path(__file__).parent


def command(
    name: str,
    description: str | None,
    smoke: str,
    compose: Callable[[bool, int], list[str]],
    arguments: list[str] | None,
) -> None:
    """Parse ``--smoke``, ``--seed`` and ``--page``, and write the lines of ``compose(smoke, seed)`` there."""
    parser = argparse.ArgumentParser(description=description, prog=f"python -m benchmarks.{name}")
    parser.add_argument("--smoke", action="store_true", help=smoke)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--page", type=Path, default=None)
    given = parser.parse_args(arguments)
    usual = HERE.parent / "docs" / "benchmarks" / f"{name}.md"
    path = given.page or (HERE / "results" / f"smoke-{name}.md" if given.smoke else usual)
    foot = measure.provenance(measure.machine(), f"seed {given.seed}", name)
    text = "\n".join([*compose(given.smoke, given.seed), "", foot, ""])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    print(text)
