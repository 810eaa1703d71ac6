"""Run the evaluation: Inspect's own eval set over our task, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from estimators.evaluation.agreement import agreement
from estimators.evaluation.arms import CONDITIONS
from estimators.evaluation.embedded import SLOTS, EvaluationError, embedded_model

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog

TASK = "stackelberg/alignment_faking"
EMBEDDED = "embedded"
EMBEDDED_TOKENS = 64  # a 135M model says whether it complies in its first sentence, and rambles after it
RETRIES = 3
_LONG = 300
_MARKUP = re.compile(r"\[/?(?:bold|blue|red|yellow|link)[^\]]*\]")
_SECRET = ("KEY", "TOKEN", "SECRET", "PASSWORD")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What an evaluation left behind.

    Attributes
    ----------
    folder : Path
        With the logs, to be read by `estimators.read_observations` or ``stackelberg analyze``.
    model : str
        As Inspect names it.
    rates : DataFrame, one row per arm and context
        arm, context, stated_belief, samples, complied, no_answer, and rate, complied among those that answered.
    agreement : DataFrame, one row per pair of compliance scores, or none
        See `estimators.evaluation.agreement`.
    """

    folder: Path
    model: str
    rates: pd.DataFrame
    agreement: pd.DataFrame


def evaluate(
    model: str,
    folder: str | Path,
    *,
    prompts: str | Path | None = None,
    samples: int = 10,
    arms: Sequence[str] | None = None,
    limit: int | None = None,
    scratchpad: bool = False,
    grader: str | None = None,
    base_url: str | None = None,
    weights: str | Path | None = None,
    max_tokens: int | None = None,
    temperature: float | None = None,
    max_connections: int | None = None,
    display: str | None = None,
) -> Evaluation:
    """Ask a model every prompt under every arm; the same call again resumes what is not finished.

    Parameters
    ----------
    model : str
        As Inspect names models (``openai/gpt-4o``, ``vllm/…``, ``openai-api/…``), or "embedded".
    folder : str or Path
        For the logs; of this evaluation alone.
    prompts, arms, limit, scratchpad : see `estimators.evaluation.task.faking_task`
    samples : int
        Per prompt and condition.
    grader : str, optional
        A model that judges compliance as well, and faking reasoning where there is a scratchpad; "embedded" too.
    base_url : str, optional
        Of an own server. Keys are read from the environment, as Inspect does, and never from here.
    weights : str or Path, optional
        A .gguf file for the embedded model.
    max_tokens, temperature, max_connections : optional
        Of generation; the provider's own where None, but `EMBEDDED_TOKENS` for the embedded model.
    display : str, optional
        Inspect's: "full", "rich", "plain", "none", …

    Returns
    -------
    Evaluation

    Raises
    ------
    EvaluationError, estimators.ObservationError
        One sentence: an extra is missing, an argument cannot be used, or Inspect ended without success.
    KeyboardInterrupt
        Where the run was interrupted; what was logged is kept.
    """
    try:
        from inspect_ai import eval_set
        from inspect_ai.model import get_model
    except ImportError as error:
        mend = 'install the extra, pip install "stackelberg[inspect]"'
        raise EvaluationError(f"an evaluation needs inspect_ai, which is missing ({error}); {mend}") from None
    from estimators.evaluation.task import faking_task

    folder = Path(folder)
    _check(samples, base_url, weights, model, grader)
    task: dict[str, Any] = {"limit": limit, "scratchpad": scratchpad, "graded": grader is not None}
    task |= {"prompts": None if prompts is None else str(Path(prompts).resolve())}
    task |= {"arms": None if arms is None else list(arms)}
    faking_task(**task)  # whatever is wrong with prompts or arms is said before any model is loaded
    options: dict[str, Any] = {"max_tokens": max_tokens, "temperature": temperature}
    options = {name: value for name, value in options.items() if value is not None}
    with contextlib.ExitStack() as stack:
        if EMBEDDED in (model, grader):
            served = stack.enter_context(embedded_model(weights))
            if model == EMBEDDED:
                model = served
                options = {"max_tokens": EMBEDDED_TOKENS} | options
                max_connections = max_connections or SLOTS
            grader = served if grader == EMBEDDED else grader
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))  # progress is no result
        try:
            success, logs = eval_set(
                TASK,
                log_dir=str(folder),
                task_args={name: value for name, value in task.items() if value is not None},
                # made anew, since a model that Inspect remembers has the address and key of an earlier run
                model=get_model(model, base_url=base_url, memoize=False),
                model_roles=None if grader is None else {"grader": get_model(grader, memoize=False)},
                epochs=samples,
                retry_attempts=RETRIES,
                max_connections=max_connections,
                ctl_server=False,
                display=display,
                **options,
            )
        except OSError as error:
            raise EvaluationError(f"{folder}: cannot be written ({error}); name another folder") from None
        except (
            Exception
        ) as error:  # Inspect's own refusals: an unknown provider, a missing key, a foreign folder
            raise EvaluationError(f"{model}: {_line(error)}") from error
    # after Ctrl-C Inspect returns no log, and calls that a success
    if not logs or any(log.status in ("cancelled", "started") for log in logs):
        raise KeyboardInterrupt
    if not success or any(log.status != "success" for log in logs):
        raise EvaluationError(f"{folder}: {_why(logs)}; mend it and run the same command, which resumes")
    read = _with_samples(logs)
    compared = agreement(read) if grader is not None else pd.DataFrame()
    return Evaluation(folder, model, _rates(read), compared)


def _check(samples: int, base_url: str | None, weights: object, model: str, grader: str | None) -> None:
    if samples < 1:
        raise EvaluationError(f"samples is {samples}; give a number per prompt and condition, at least 1")
    if weights is not None and EMBEDDED not in (model, grader):
        raise EvaluationError(
            f"weights are for --model {EMBEDDED}, and the model is {model!r}; leave them out"
        )
    if base_url is None:
        return
    if model == EMBEDDED:
        raise EvaluationError("the embedded model serves itself; leave the base URL out")
    try:
        url = urlsplit(base_url)
    except ValueError:
        raise EvaluationError("the base URL is no URL; write it as http://host:port/v1") from None
    if url.username or url.password or url.query:
        # it would stand in the log
        raise EvaluationError("the base URL holds a user, password or query; give keys in the environment")


def _line(error: object) -> str:
    """An error in one line, not too long; what the environment keeps secret stays so."""
    text = str(getattr(error, "message", error) or error)
    for name, value in os.environ.items():
        if name.upper().endswith(_SECRET) and len(value) >= 6:
            text = text.replace(value, f"<{name}>")
    text = " ".join(_MARKUP.sub("", text).split()).removeprefix("ERROR: ")
    shown = text if len(text) <= _LONG else f"{text[:_LONG]}…"
    return shown or type(error).__name__


def _why(logs: Sequence[EvalLog]) -> str:
    for log in logs:
        if log.status != "success":
            reason = _line(log.error) if log.error is not None else "without a reason"
            return f"the run ended with status {log.status} ({reason})"
    return "the run ended without success"


def _with_samples(logs: Sequence[EvalLog]) -> list[EvalLog]:
    from inspect_ai.log import read_eval_log

    return [read_eval_log(log.location) for log in logs]


def _rates(logs: Sequence[EvalLog]) -> pd.DataFrame:
    names = ["arm", "context", "stated_belief"]
    rows = [
        {name: (sample.metadata or {}).get(name) for name in names}
        | {"value": (sample.scores or {})["compliance"].value}
        for log in logs
        for sample in log.samples or ()
        if sample.scores
    ]
    frame = pd.DataFrame(rows)
    frame["stated_belief"] = frame["stated_belief"].astype(float)
    frame = frame.assign(complied=frame["value"] == "C", no_answer=frame["value"] == "N")
    groups = frame.groupby(names, sort=False, dropna=False)
    table = groups.agg(
        samples=("value", "size"), complied=("complied", "sum"), no_answer=("no_answer", "sum")
    )
    order = {(condition.arm, condition.context): k for k, condition in enumerate(CONDITIONS)}
    table = table.reset_index()
    place = [order[arm, context] for arm, context in zip(table["arm"], table["context"])]
    table = table.iloc[np.argsort(place)].reset_index(drop=True)
    return table.assign(rate=table["complied"] / (table["samples"] - table["no_answer"]))
