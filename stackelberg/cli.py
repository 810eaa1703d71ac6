"""The command line: `stackelberg analyze` from logs or counts to advice, `solve` from a game to its equilibrium.

Results go to standard output, progress and errors to standard error.  Bad input ends with exit code 2 and one sentence.
"""

import argparse
import json
import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackelberg import cli_predict
from stackelberg.equilibrium import SolveError
from stackelberg.files import equilibrium_record, read_game
from stackelberg.game import GameError
from stackelberg.solve import METHODS, solve
from stackelberg.sweep import command as sweep_command

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

    many = commands.add_parser(
        "sweep",
        help="vary named numbers of a game, one row per point",
        epilog=sweep_command.EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sweep_command.add_arguments(many)

    counts = commands.add_parser(
        "analyze",
        help="from train-versus-deploy counts to predictions and a commitment",
        epilog="LOG is a table of counts (CSV, JSON, JSONL, Parquet) with columns prompt_id, context (train, deploy, "
        "none), n, complied, and optionally model, family, method, axis, setting, arm, stated_belief, trained, rated, "
        "reasoning; or a log of Inspect, lm-eval, open-source-alignment-faking or VLAF, file or folder. "
        + ORIENTATION_HELP,
    )
    _log(counts)
    counts.add_argument("--by", help="columns whose groups are analysed apart, such as model,method,axis")
    counts.add_argument("-o", "--output", type=Path, default=Path("stackelberg-analysis"), metavar="DIR")
    counts.add_argument(
        "--bootstrap", type=int, default=199, help="simulated data sets per test (default: 199)"
    )
    counts.add_argument(
        "--interval",
        type=float,
        default=0.1,
        metavar="WIDTH",
        help="plan prompts and samples for intervals of this width (default: 0.1)",
    )
    counts.add_argument(
        "--posterior", action="store_true", help="sample the posterior too; takes minutes and the extra bayes"
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

    cli_predict.add_commands(commands, _log, _observations)

    table = commands.add_parser("convert", help="from any log to a tidy table of counts, CSV or Parquet")
    table.add_argument("log", type=Path, metavar="LOG")
    table.add_argument("-o", "--output", type=Path, required=True, metavar="COUNTS.csv|.parquet")
    table.add_argument(
        "--unpaired", choices=("raise", "drop"), default="raise", help="prompts with one context only"
    )
    _reading(table)
    table.add_argument("--json", action="store_true", help="print what was written and left out as JSON")
    table.set_defaults(run=_convert)

    asked = commands.add_parser(
        "evaluate",
        help="ask a model every prompt under every arm, with Inspect; the same command again resumes",
        epilog="MODEL is an Inspect name (openai/…, anthropic/…, vllm/…, ollama/…, openai-api/SERVICE/…), or embedded: "
        "a 135M model in this process. Keys are read from the environment. See docs/evaluate.md.",
    )
    asked.add_argument("--model", required=True)
    asked.add_argument(
        "--prompts", type=Path, metavar="FILE", help=".csv or .jsonl (default: the shipped 60)"
    )
    asked.add_argument(
        "--samples", type=int, default=10, metavar="N", help="per prompt and condition (default: 10)"
    )
    asked.add_argument("-o", "--output", type=Path, default=Path("stackelberg-logs"), metavar="DIR")
    asked.add_argument("--arms", help="names with commas (default: all)")
    asked.add_argument("--limit", type=int, metavar="N", help="take the first N prompts only")
    asked.add_argument("--scratchpad", action="store_true", help="ask for reasoning before the answer")
    asked.add_argument("--grader", metavar="MODEL", help="a judge of compliance, beside the refusal rule")
    asked.add_argument("--base-url", metavar="URL", help="of an own server, such as http://127.0.0.1:8000/v1")
    asked.add_argument("--weights", type=Path, metavar="FILE.gguf", help="for the embedded model")
    asked.add_argument("--max-tokens", type=int, metavar="N")
    asked.add_argument("--temperature", type=float, metavar="X")
    asked.add_argument("--max-connections", type=int, metavar="N", help="requests at once")
    asked.add_argument("--display", choices=("full", "rich", "plain", "log", "none"), help="of progress")
    asked.add_argument("--json", action="store_true", help="print rates and agreement as JSON")
    asked.set_defaults(run=_evaluate)
    return parser


def _log(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("counts", type=Path, nargs="?", metavar="LOG")
    parser.add_argument("--shipped", choices=SHIPPED, help="analyse shipped data instead of a file")
    parser.add_argument(
        "--orientation",
        help="what complying means (see analyze --help); shipped data and our own logs carry theirs",
    )
    parser.add_argument("--safety", help="complied-is-safe, complied-is-unsafe or neutral (default)")
    parser.add_argument(
        "--unpaired", choices=("raise", "drop"), default="raise", help="prompts with one context only"
    )
    _reading(parser)


def _reading(parser: argparse.ArgumentParser) -> None:
    reading = parser.add_argument_group("reading logs (docs/readers.md)")
    reading.add_argument("--format", help="where it is not to be recognised")
    reading.add_argument(
        "--context", metavar="NAME", help="field, task argument or tags that says the context"
    )
    reading.add_argument("--contexts", metavar="VALUE=train,…", help="what its values mean")
    reading.add_argument("--columns", metavar="OURS=THEIRS,…", help="the log's names for our columns")
    reading.add_argument("--score", metavar="NAME", help="the score that says whether a sample complied")
    reading.add_argument(
        "--reasoning", metavar="NAME", help="the score that says whether its reasoning fakes"
    )
    reading.add_argument("--threshold", type=float, metavar="X", help="a score above it complied")


def _layout(options: argparse.Namespace) -> dict[str, Any]:
    layout: dict[str, Any] = {
        name: getattr(options, name) for name in ("context", "score", "reasoning", "threshold")
    }
    for name in ("contexts", "columns"):
        given = getattr(options, name)
        layout[name] = None
        if given is not None:
            pairs = [part.split("=", 1) for part in given.split(",") if part.strip()]
            for part in [part for part in pairs if len(part) < 2]:
                raise ValueError(
                    f"--{name} has {part[0]!r} without an equals sign; write name=value,name=value"
                )
            layout[name] = {key.strip(): value.strip() for key, value in pairs}
    return layout


def _convert(options: argparse.Namespace) -> int:
    from estimators.observations import ORIENTATIONS, left_out_words
    from estimators.readers.read import observed, read_counts
    from estimators.readers.samples import Layout

    output: Path = options.output
    if output.suffix.lower() not in (".csv", ".parquet"):
        raise ValueError(f"{output}: the extension {output.suffix!r} is not known; write to .csv or .parquet")
    chosen = _layout(options)
    counts = read_counts(options.log, Layout(**chosen | {"columns": chosen["columns"] or {}}), options.format)
    # counts are the same whatever complying means; the table stores no orientation
    obs = observed(options.log, counts, ORIENTATIONS[0], "neutral", options.unpaired)
    try:
        if output.suffix.lower() == ".csv":
            obs.to_csv(output)
        else:
            obs.frame.to_parquet(output, index=False)
    except OSError as error:
        raise ValueError(
            f"{output}: cannot be written ({error.strerror or error}); name another file with -o"
        ) from None
    except ImportError:
        raise ValueError(
            f'{output}: Parquet needs pyarrow; pip install "stackelberg[parquet]", or write .csv'
        ) from None
    pairs, samples = len(obs.pairs()), int(obs.frame["n"].sum())
    if options.json:
        record = {"output": str(output), "rows": len(obs.frame), "pairs": pairs, "samples": samples}
        print(json.dumps(record | {"dropped": obs.dropped.to_dict("records")}, indent=1))
        return 0
    written = f"{output}: {len(obs.frame)} rows, {pairs} pairs, {samples} samples."
    print(textwrap.fill(f"{written} Left out: {left_out_words(obs.dropped)}.", 80, break_long_words=False))
    return 0


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
        interval=options.interval,
        posterior=options.posterior,
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
        f"\nWrote report.html, results.json, {tables} CSV tables and the figures\n{figures}\n"
        f"to {options.output}{os.sep}"
    )
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from estimators.evaluation import evaluate

    passed = ["prompts", "samples", "limit", "scratchpad", "grader", "base_url", "weights", "max_tokens"]
    passed += ["temperature", "max_connections", "display"]
    arms = None if options.arms is None else [name.strip() for name in options.arms.split(",")]
    chosen = {name: getattr(options, name) for name in passed}
    done = evaluate(options.model, options.output, arms=arms, **chosen)
    if options.json:
        tables = {
            name: json.loads(getattr(done, name).to_json(orient="records")) for name in ("rates", "agreement")
        }
        print(json.dumps({"model": done.model, "folder": str(done.folder), **tables}, indent=1))
        return 0
    print(f"{done.model}: compliance by the refusal rule\n")
    print(done.rates.to_string(index=False, na_rep="–", float_format="{:.3g}".format))
    for row in done.agreement.itertuples():
        print(
            f"\n{row.first} and {row.second} agree on {row.observed:.3f} of {row.samples} samples; Cohen's kappa\n"
            f"{row.kappa:.2f} [{row.low:.2f}, {row.high:.2f}] (95 %, over prompts); "
            f"{row.left_out} lack a clear score"
        )
    print(f"\nNext: stackelberg analyze {done.folder}")
    return 0


def _observations(options: argparse.Namespace) -> "tuple[Observations, str]":
    from estimators import ORIENTATIONS, SAFETY, datasets, read_observations

    if (options.counts is None) == (options.shipped is None):
        raise ValueError(f"give one of LOG and --shipped ({', '.join(SHIPPED)})")
    if options.shipped is not None:
        if options.orientation or options.safety:
            raise ValueError("shipped data carry their orientation and safety: leave both options out")
        return getattr(datasets, f"load_{options.shipped}")(), f"shipped {options.shipped} counts"
    if options.orientation not in (None, *ORIENTATIONS):
        raise ValueError(f"the orientation {options.orientation!r} is unknown; give {ORIENTATION_HELP}")
    if options.safety not in (None, *SAFETY):
        raise ValueError(f"safety {options.safety!r} is unknown; choose one of {', '.join(SAFETY)}")
    obs = read_observations(
        options.counts,
        orientation=options.orientation,
        safety=options.safety,
        unpaired=options.unpaired,
        format=options.format,
        **_layout(options),
    )
    return obs, options.counts.resolve().name


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
