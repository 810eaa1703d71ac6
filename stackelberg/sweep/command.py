"""``stackelberg sweep``: a game file and axes in, a table out."""

import argparse
import json
import multiprocessing
import re
import sys
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stackelberg.faking import FakingGame, status_quo
from stackelberg.faking.file import read_faking_game
from stackelberg.files import read_game
from stackelberg.game import BayesianStackelbergGame, GameError
from stackelberg.solve import solve
from stackelberg.sweep.run import sweep

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 12
"""Rows that are printed of a longer table."""

EPILOG = """GAME.json is a game, as for solve, or a faking game, with the names of the Python classes:
{"types": [{"name": "guarding", "prior": 1, "preference": 0.4, "goal_guarding": 1}], "cues": {"informativeness": 0.6}}.
SPEC is 0:1:11 (from, to, how many), 0.1,0.2,0.4 (values), or with --draws uniform(0, 1), normal(0, 1), lognormal(0, 1)
(of the logarithm) or beta(2, 3).  Axes cross; all distributions together are one axis.
Example: stackelberg sweep GAME.json --set monitoring=0:1:101 --set "preference[guarding]=0.2,0.4" --status-quo"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("game", type=Path, metavar="GAME.json")
    parser.add_argument(
        "--set", action="append", default=[], dest="axes", metavar="NAME=SPEC", help="one axis"
    )
    parser.add_argument(
        "--points", type=Path, metavar="FILE", help="CSV or Parquet with one row per point instead"
    )
    parser.add_argument("--draws", type=int, metavar="N", help="draws from the distributions")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--status-quo", action="store_true", help="predict the replies to the status quo, and solve nothing"
    )
    parser.add_argument(
        "--certify", action="store_true", help="solve each point by itself, with a certificate"
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default: 1)")
    parser.add_argument(
        "--resume", type=Path, metavar="DIR", help="keep finished chunks here, and go on from them"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the table, .csv or .parquet")
    parser.add_argument("--json", action="store_true", help="print all rows as JSON instead of a summary")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; raises ``GameError`` for bad input."""
    template = _template(options.game)
    grid = _points(options)
    if options.output and options.output.suffix not in (".csv", ".parquet"):
        raise GameError(f"{options.output}: name a .csv or .parquet file")
    if options.workers < 1:
        raise GameError(f"--workers {options.workers}: give at least 1")
    with _executor(options.workers) as executor:
        frame = sweep(
            template,
            grid,
            status_quo if options.status_quo else solve,
            executor=executor,
            resume=options.resume,
            progress=sys.stderr.isatty(),
            draws=options.draws,
            seed=options.seed,
            batch=False if options.certify else None,
        )
    if options.output:
        try:
            frame.to_csv(
                options.output, index=False
            ) if options.output.suffix == ".csv" else frame.to_parquet(options.output, index=False)
        except OSError as error:
            raise GameError(f"{options.output}: cannot be written ({error.strerror or error})") from None
    failed = frame[~frame["status"].isin(["ok", "optimal"])]
    counts = {str(word): int(n) for word, n in frame["status"].value_counts().items()}
    if options.json:
        rows = json.loads(frame.to_json(orient="records", double_precision=15))
        print(json.dumps({"points": len(frame), "status": counts, "rows": rows}, indent=1))
    else:
        print(f"{len(frame):,} points: " + ", ".join(f"{n:,} {word}" for word, n in counts.items()))
        shown = frame.drop(columns="message").head(SHOWN)
        print(shown.to_string(index=False, float_format="{:.6g}".format))
        if len(frame) > SHOWN:
            print(f"… {len(frame) - SHOWN:,} more" + ("" if options.output else "; -o FILE writes them all"))
    if len(failed):
        first = failed.iloc[0]
        print(f"{len(failed):,} points failed, the first since {first['message']}", file=sys.stderr)
    return 0


def _executor(workers: int) -> Any:
    if workers == 1:
        return nullcontext()
    pool: Executor = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    return pool


def _template(path: Path) -> FakingGame | BayesianStackelbergGame:
    """A faking game where the file has no payoffs."""
    try:
        faking = "leader_payoffs" not in json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        faking = False  # the reader says what is wrong
    return read_faking_game(path) if faking else read_game(path)


def _points(options: argparse.Namespace) -> "dict[str, Any] | pd.DataFrame":
    import pandas as pd

    if bool(options.axes) == (options.points is not None):
        raise GameError("give the axes with --set NAME=SPEC, or a table with --points FILE")
    if options.points is None:
        return dict(axis(text) for text in options.axes)
    reader: Any = {".csv": pd.read_csv, ".parquet": pd.read_parquet}.get(options.points.suffix)
    if reader is None:
        raise GameError(f"{options.points}: name a .csv or .parquet file")
    try:
        table: pd.DataFrame = reader(options.points)
    except (OSError, ValueError) as error:
        raise GameError(f"{options.points}: cannot be read ({error})") from None
    return table


def axis(text: str) -> tuple[str, Any]:
    """Name and values, or distribution, of ``NAME=SPEC``.

    Raises
    ------
    GameError
        Where it is no such thing.

    Examples
    --------
    >>> axis("monitoring=0:1:3")
    ('monitoring', array([0. , 0.5, 1. ]))
    """
    from scipy import stats

    name, equals, spec = text.rpartition("=")
    if not equals or not name:
        raise GameError(f"--set {text!r}: write NAME=SPEC, such as monitoring=0:1:11")
    law = re.fullmatch(r"\s*([a-z]+)\s*\(([^()]*)\)\s*", spec)
    try:
        if law:
            a, b = (float(part) for part in law[2].split(","))
            laws = {
                "uniform": lambda: stats.uniform(a, b - a),
                "normal": lambda: stats.norm(a, b),
                "lognormal": lambda: stats.lognorm(b, scale=np.exp(a)),
                "beta": lambda: stats.beta(a, b),
            }
            if law[1] not in laws:
                raise GameError(f"--set {text!r}: unknown distribution; choose one of {', '.join(laws)}")
            return name, laws[law[1]]()
        if ":" in spec:
            low, high, count = spec.split(":")
            return name, np.linspace(float(low), float(high), int(count))
        return name, np.array([float(part) for part in spec.split(",")])
    except ValueError as error:
        if isinstance(error, GameError):
            raise
        raise GameError(
            f"--set {text!r}: the values are not 0:1:11, 0.1,0.2 or a distribution of two numbers"
        ) from None
