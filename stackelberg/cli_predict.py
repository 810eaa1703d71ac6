"""`stackelberg predict` and `stackelberg methods`: P(faking) where nobody has tried, and methods compared by axis."""

import argparse
import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackelberg.sweep.command import axis

if TYPE_CHECKING:
    import pandas as pd

    from estimators import Observations

Reader = Callable[[argparse.Namespace], "tuple[Observations, str]"]

PREDICT_EPILOG = """SPEC is 0:1:11 (from, to, how many) or 0.1,0.2,0.4 (values).
Without --model and --group the prediction is for a new model of a group that has not been seen.
Example: stackelberg predict --shipped vlaf --group olmo2 --monitoring 0:1:11 --informativeness 0.6"""

METHODS_EPILOG = """Examples: stackelberg methods --shipped vlaf --only family=olmo2 --unit family --chain
          stackelberg methods --simulated -o simulated-methods"""


def add_commands(
    commands: Any, log_arguments: Callable[[argparse.ArgumentParser], None], read: Reader
) -> None:
    """Add both commands; `log_arguments` and `read` say what counts to take, as for analyze."""
    raw = argparse.RawDescriptionHelpFormatter
    one = commands.add_parser(
        "predict",
        help="P(faking) of a known or a new model under monitoring and cues",
        epilog=PREDICT_EPILOG,
        formatter_class=raw,
    )
    log_arguments(one)
    _only(one)
    who = one.add_mutually_exclusive_group()
    who.add_argument("--model", help="a known model")
    who.add_argument("--group", metavar="NAME", help="a new model of this family (or value of --by)")
    one.add_argument("--by", default="family", metavar="COLUMN", help="what groups models (default: family)")
    one.add_argument("--monitoring", default="1", metavar="SPEC", help="monitoring shares (default: 1)")
    one.add_argument("--informativeness", metavar="SPEC", help="of symmetric cues (default: 1, revealing)")
    one.add_argument("--false-alarm", metavar="SPEC", help="train cue though not monitored, with --miss")
    one.add_argument("--miss", metavar="SPEC", help="deploy cue though monitored, with --false-alarm")
    one.add_argument(
        "--told", action="store_true", help="beliefs 1 and 0 as evaluated models are told, instead"
    )
    one.add_argument("--quantity", choices=("faking_share", "decisive_share", "gap"), default="faking_share")
    one.add_argument(
        "--exceeds", type=float, default=0.05, metavar="X", help="share for the probability (0.05)"
    )
    one.add_argument(
        "--posterior", action="store_true", help="sample it (extra bayes) instead of normal laws"
    )
    one.add_argument(
        "--bootstrap", type=int, default=199, help="simulated data sets per test of a known model"
    )
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("-o", "--output", type=Path, metavar="FILE.csv")
    one.add_argument("--json", action="store_true", help="print all rows as JSON")
    one.set_defaults(run=lambda options: _predict(options, read))

    many = commands.add_parser(
        "methods",
        help="training methods compared on each axis, with false discoveries controlled",
        epilog=METHODS_EPILOG,
        formatter_class=raw,
    )
    log_arguments(many)
    _only(many)
    many.add_argument("--simulated", action="store_true", help="a simulated table of six methods, no data")
    many.add_argument("--reference", metavar="METHOD", help="compared with (default: base, else the first)")
    many.add_argument("--unit", default="model", help="column of what was trained with several methods")
    many.add_argument("--chain", action="store_true", help="methods are stages, each compared with the last")
    many.add_argument("--tau", type=float, default=0.5, help="threshold of fracture (default: 0.5)")
    many.add_argument("--seed", type=int, default=0)
    many.add_argument("-o", "--output", type=Path, default=Path("stackelberg-methods"), metavar="DIR")
    many.add_argument("--json", action="store_true", help="print the tables as JSON")
    many.set_defaults(run=lambda options: _methods(options, read))


def _only(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", metavar="COLUMN=VALUE", help="take only these rows, such as family=olmo2")


def _chosen(options: argparse.Namespace, read: Reader) -> "tuple[Observations, str]":
    if options.shipped == "published":
        raise ValueError("published rates have no counts per prompt; choose --shipped vlaf or gemini")
    obs, source = read(options)
    if options.only is None:
        return obs, source
    column, equals, value = options.only.partition("=")
    if not equals:
        raise ValueError(f"--only {options.only!r}: write COLUMN=VALUE, such as family=olmo2")
    found = {labels[column]: part for labels, part in obs.groups(column)}
    if value not in found:
        raise ValueError(f"--only {options.only!r}: {column} is one of {', '.join(found)}")
    return found[value], f"{source}, {options.only}"


def _predict(options: argparse.Namespace, read: Reader) -> int:
    from estimators.prediction import predict_faking
    from estimators.scenarios import scenarios

    obs, source = _chosen(options, read)
    if options.output is not None and options.output.suffix != ".csv":
        raise ValueError(f"{options.output}: name a .csv file with -o")
    asked = None
    given = {
        name: axis(f"{name}={text}")[1]
        for name in ("informativeness", "false_alarm", "miss")
        if (text := getattr(options, name)) is not None
    }
    if options.told and given:
        raise ValueError("--told states the beliefs; leave out --informativeness, --false-alarm and --miss")
    if not options.told:
        asked = scenarios(axis(f"monitoring={options.monitoring}")[1], **given)
    fitted = _fitted(obs, options)
    table = predict_faking(
        fitted,
        asked,
        model=options.model,
        group=options.group,
        quantity=options.quantity,
        exceeds=options.exceeds,
        seed=options.seed,
    )
    left_out = getattr(fitted, "left_out", ())
    if options.output is not None:
        _write(table, options.output)
    if options.json:
        print(json.dumps({"source": source, "left_out": left_out, "rows": _records(table)}, indent=1))
        return 0
    print(f"{source}: {options.quantity.replace('_', ' ')} of prompts, {table['who'].iloc[0]}")
    shown = [name for name in table if name not in ("who", "quantity", "draws", "reading", "exceeds")]
    words = {"probability": f"P(> {options.exceeds:g})"}
    print(table[shown].rename(columns=words).to_string(index=False, float_format="{:.3g}".format))
    reading = table["reading"].iloc[0]
    print(textwrap.fill(f"Draws: {table['draws'].iloc[0]}.{' Test: ' * bool(reading)}{reading}", 80))
    for words_out in left_out:
        print(textwrap.fill(f"Left out: {words_out}", 80))
    return 0


def _fitted(obs: "Observations", options: argparse.Namespace) -> Any:
    """One model's own fit, with its test, or what a new model can be drawn from."""
    from estimators.observations import Observations
    from estimators.population import fit_population
    from estimators.posterior import Posterior
    from estimators.structural import StructuralPayoffs

    names = list(dict.fromkeys(obs.frame["model"])) if "model" in obs.frame else []
    if options.model is not None and options.model not in names:
        raise ValueError(
            f"--model {options.model!r} is none of {', '.join(names) or 'none: there is no column model'}"
        )
    alone = options.model is not None or (len(names) < 2 and options.group is None)
    if options.posterior:
        if "model" in obs.frame and options.by not in obs.frame:
            raise ValueError(
                f"--by {options.by!r} is no column here; choose one of {', '.join(map(str, obs.frame))}"
            )
        frame = obs.frame.assign(family=obs.frame[options.by]) if options.by in obs.frame else obs.frame
        try:
            return Posterior(seed=options.seed).fit(Observations(frame, obs.orientation, obs.safety))
        except ModuleNotFoundError as error:
            raise ValueError(str(error)) from None
    if not alone:
        return fit_population(obs, options.by)
    if options.model is not None:
        obs = next(part for labels, part in obs.groups("model") if labels["model"] == options.model)
    return StructuralPayoffs(bootstrap=options.bootstrap, seed=options.seed).fit(obs)


def _methods(options: argparse.Namespace, read: Reader) -> int:
    from estimators.method_comparison import MEASURES, compare_methods
    from estimators.method_figure import method_figure
    from estimators.simulate_methods import simulate_methods

    if options.simulated:
        if options.counts is not None or options.shipped is not None or options.only is not None:
            raise ValueError("--simulated makes its own table: leave LOG, --shipped and --only out")
        obs, source = simulate_methods(seed=options.seed).observations, "simulated table, no data"
    else:
        obs, source = _chosen(options, read)
    found = compare_methods(
        obs,
        options.reference,
        unit=options.unit,
        chain=options.chain,
        tau=options.tau,
        seed=options.seed,
    )
    tables = {"levels": found.levels, "differences": found.differences, "pooled": found.pooled}
    folder: Path = options.output
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for measure in MEASURES:
            method_figure(found, measure).savefig(folder / f"{measure}.png", dpi=150)
    except OSError as error:
        why = error.strerror or error
        raise ValueError(f"{folder}: cannot be written ({why}); name another folder with -o") from None
    for name, table in tables.items():
        _write(table, folder / f"{name}.csv")
    if options.json:
        record = {"source": source, "title": found.title, "design": found.design, "notes": found.notes}
        print(json.dumps(record | {name: _records(table) for name, table in tables.items()}, indent=1))
        return 0
    print(f"{found.title}\n{source}\n")
    pooled = len(found.pooled) > 0
    shown = found.pooled if pooled else found.differences
    value = "effect" if pooled else "difference"
    last = shown["axis"].iloc[-1]
    print(f"Axis {last}: {value} to the reference, 95 % interval, q value")
    columns = [
        "measure",
        "method",
        "reference",
        *(["models"] if pooled else []),
        value,
        "low",
        "high",
        "q_value",
    ]
    rows = shown.loc[shown["axis"] == last, columns]
    print(rows.to_string(index=False, na_rep="–", float_format="{:.3g}".format))
    for note in found.notes:
        print(textwrap.fill(f"Note: {note}.", 80))
    print(f"\nWrote levels.csv, differences.csv, pooled.csv and a figure per measure to {folder}/")
    return 0


def _write(table: "pd.DataFrame", path: Path) -> None:
    try:
        table.to_csv(path, index=False, encoding="utf-8", lineterminator="\n")
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be written ({error.strerror or error}); name another with -o"
        ) from None


def _records(table: "pd.DataFrame") -> Any:
    return json.loads(table.to_json(orient="records", double_precision=15))
