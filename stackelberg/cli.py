"""The command line: `stackelberg analyze` from counts to advice, `stackelberg solve` from a game to its equilibrium.

Results go to standard output, progress and errors to standard error.  Bad input ends with exit code 2 and one sentence.
"""

import argparse
import json
import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stackelberg.equilibrium import SolveError
from stackelberg.files import equilibrium_record, read_game
from stackelberg.game import GameError
from stackelberg.solve import METHODS, solve

if TYPE_CHECKING:
    from estimators import Assumptions, Observations

SHIPPED = ("vlaf", "gemini", "published")

ORIENTATION_HELP = (
    "--orientation complied-is-agreement: complying is what the announced objective asks (VLAF); or "
    "--orientation complied-is-disagreement: complying goes against it"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, 2 for bad input, 130 where interrupted."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        code: int = options.run(options)
    except (GameError, SolveError, ValueError) as error:
        print(f"stackelberg {options.command}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"stackelberg {options.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left; say nothing at exit
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stackelberg", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    one = commands.add_parser(
        "solve", help="the strong Stackelberg equilibrium of a game in a JSON file, certified"
    )
    one.add_argument("game", type=Path, metavar="GAME.json")
    one.add_argument("--method", choices=METHODS, default="auto")
    one.add_argument(
        "--solver", default="highs", help="MILP solver for dobss, where PuLP finds it (default: highs)"
    )
    one.add_argument("--time-limit", type=float, metavar="SECONDS")
    one.add_argument("--json", action="store_true", help="print the record of schemas/equilibrium.json")
    one.set_defaults(run=_solve)

    counts = commands.add_parser(
        "analyze",
        help="from train-versus-deploy counts to predictions and a commitment",
        epilog="COUNTS.csv has columns prompt_id, context (train, deploy, none), n, complied, and optionally model, "
        "family, method, axis, setting, arm, stated_belief, trained, rated, reasoning. " + ORIENTATION_HELP,
    )
    counts.add_argument("counts", type=Path, nargs="?", metavar="COUNTS.csv")
    counts.add_argument("--shipped", choices=SHIPPED, help="analyse shipped data instead of a file")
    counts.add_argument("--orientation", help="what complying means, see below; shipped data carry theirs")
    counts.add_argument("--safety", help="complied-is-safe, complied-is-unsafe or neutral (default)")
    counts.add_argument("--by", help="columns whose groups are analysed apart, such as model,method,axis")
    counts.add_argument(
        "--unpaired", choices=("raise", "drop"), default="raise", help="prompts with one context only"
    )
    counts.add_argument("-o", "--output", type=Path, default=Path("stackelberg-analysis"), metavar="DIR")
    counts.add_argument(
        "--bootstrap", type=int, default=199, help="simulated data sets per test (default: 199)"
    )
    counts.add_argument("--seed", type=int, default=0)
    counts.add_argument("--json", action="store_true", help="print results.json instead of the summary")
    assumed = counts.add_argument_group("assumptions, printed with every result")
    for flag, words in (
        ("belief-train", "belief of being monitored in train (1)"),
        ("belief-deploy", "belief of being monitored in deploy (0)"),
        ("budget", "largest share of conversations that can be monitored (0.25)"),
        ("deploy-harm", "leader's loss from an unmonitored refusal (1)"),
        ("train-disagreement", "leader's loss from a monitored refusal (0)"),
        ("refusal-value", "worth of a refusal that is seen (0)"),
        ("monitoring-cost", "cost of a monitored conversation (0.1)"),
        ("false-alarm-cost", "for the threshold of fracture (1)"),
        ("missed-harm-cost", "for the threshold of fracture (1)"),
    ):
        assumed.add_argument(f"--{flag}", type=float, metavar="X", help=words)
    counts.set_defaults(run=_analyze)
    return parser


def _solve(options: argparse.Namespace) -> int:
    game = read_game(options.game)
    equilibrium = solve(game, method=options.method, solver=options.solver, time_limit=options.time_limit)
    if options.json:
        print(json.dumps(equilibrium_record(equilibrium), indent=1))
        return 0
    certificate = equilibrium.certificate
    print(
        f"{game.name or options.game.name}: value {equilibrium.value:.6g} ({equilibrium.status}, {equilibrium.method})"
    )
    print(equilibrium.strategy_table.to_string(index=False, float_format="{:.6g}".format))
    print(equilibrium.reply_table.to_string(index=False, float_format="{:.6g}".format))
    if certificate is not None:
        print(textwrap.fill(f"certificate: {certificate.claim}; {certificate.message}", 80))
    return 0


def _analyze(options: argparse.Namespace) -> int:
    if options.shipped == "published":
        return _published(options)
    from estimators.analysis import analyze
    from estimators.output import results_record, summary, write_analysis

    obs, source = _observations(options)
    by = None if options.by is None else [name.strip() for name in options.by.split(",") if name.strip()]
    analysis = analyze(
        obs,
        by,
        _assumptions(options),
        bootstrap=options.bootstrap,
        seed=options.seed,
        progress=sys.stderr.isatty(),
    )
    try:
        written = write_analysis(analysis, options.output, source)
    except OSError as error:
        why = error.strerror or error
        raise ValueError(
            f"{options.output}: cannot be written ({why}); name another folder with -o"
        ) from None
    if options.json:
        print(json.dumps(results_record(analysis, source), indent=1))
        return 0
    print(summary(analysis, source))
    figures = ", ".join(path.name for path in written if path.suffix == ".png")
    tables = sum(path.suffix == ".csv" for path in written)
    print(
        f"\nWrote results.json, {tables} CSV tables and the figures\n{figures}\nto {options.output}{os.sep}"
    )
    return 0


def _observations(options: argparse.Namespace) -> "tuple[Observations, str]":
    from estimators import ORIENTATIONS, SAFETY, datasets, read_observations

    if (options.counts is None) == (options.shipped is None):
        raise ValueError(f"give one of COUNTS.csv and --shipped ({', '.join(SHIPPED)})")
    if options.shipped is not None:
        if options.orientation or options.safety:
            raise ValueError("shipped data carry their orientation and safety: leave both options out")
        return getattr(datasets, f"load_{options.shipped}")(), f"shipped {options.shipped} counts"
    if options.orientation not in ORIENTATIONS:
        given = "is missing" if options.orientation is None else f"{options.orientation!r} is unknown"
        raise ValueError(f"the orientation {given}; give {ORIENTATION_HELP}")
    safety = options.safety or "neutral"
    if safety not in SAFETY:
        raise ValueError(f"safety {safety!r} is unknown; choose one of {', '.join(SAFETY)}")
    obs = read_observations(
        options.counts, orientation=options.orientation, safety=safety, unpaired=options.unpaired
    )
    return obs, options.counts.name


def _assumptions(options: argparse.Namespace) -> "Assumptions":
    from estimators import Assumptions

    assumptions = Assumptions()
    for name in assumptions.values():
        if (value := getattr(options, name, None)) is not None:
            assumptions = assumptions.changed(name, value)
    return assumptions


def _published(options: argparse.Namespace) -> int:
    from estimators import datasets, published_gaps

    table = published_gaps(datasets.load_published())
    if options.json:
        print(table.to_json(orient="records", indent=1))
        return 0
    known = table[table["gap"].notna()]
    print("Published rates: the gap as a point, and the least log-odds shift it implies")
    print("(4 artanh |gap|, sharp whatever the preference). No interval: the sources give")
    print("no counts per prompt, and samples of one prompt are not independent.\n")
    for _, row in known.iterrows():
        name = f"{row['source']}: {row['model']}, {row['setting']}"
        name = name if len(name) <= 58 else name[:57] + "…"
        print(f"{name:58s} {row['gap']:7.3f} {row['log_odds_shift_bound']:8.2f}")
    print(
        f"\n{len(known)} rows; {len(table) - len(known)} more quote neither a gap nor two rates and are left out."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
