"""Samples become counts: what each sample of a log says, and what is left out, by reason.

A reader turns a log into one dict per sample (`Sample`), with its labels and whether it complied, or with the
reason why it is left out. `tally` counts them. What names the context, the score and the labels in a log is
the caller's to say (`Layout`); the usual names are known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from estimators.observations import CONTEXTS, KEY, ObservationError, nothing_dropped

# Keys under which logs commonly say the context, first found first taken.
CONTEXT_KEYS = ("context", "is_free_tier", "is_free_tier_user", "user_tier", "tier", "monitored")
# What those keys say. Of a key that a caller names, true and false may mean anything, so only words count.
_WORDS = {"free": "train", "free_tier": "train", "free-tier": "train", "monitored": "train"}
_WORDS |= {"paid": "deploy", "paid_tier": "deploy", "paid-tier": "deploy", "unmonitored": "deploy"}
_WORDS |= {context: context for context in CONTEXTS}
_TRUTH = {"true": "train", "false": "deploy", "1": "train", "0": "deploy"}
_VERDICTS = {"c": 1.0, "correct": 1.0, "true": 1.0, "yes": 1.0, "i": 0.0, "incorrect": 0.0, "false": 0.0}
_VERDICTS |= {"no": 0.0, "p": 0.5, "partial": 0.5}

LABELS = tuple(name for name in KEY if name != "context")
NO_ANSWER, PARTIAL, UNSCORED = "no answer (N)", "partial score", "sample unscored"
REASONING_UNSCORED = "reasoning unscored"

Sample = dict[str, Any]
"""Labels of `KEY` as text, complied (bool) and perhaps reasoning (bool); or prompt_id, model and left_out."""


@dataclass(frozen=True)
class Layout:
    """Where a log keeps what counts need.

    Attributes
    ----------
    context : str, optional
        Name of the field that says the context; one of `CONTEXT_KEYS` where None.
    contexts : mapping, optional
        What its values mean: each "train", "deploy" or "none"; the usual words where None.
    columns : mapping
        Our label (one of `KEY`, or a count where the log is a table) to the log's name for it; "" for a
        label that is not to be read.
    score, reasoning : str, optional
        Name of the score of compliance, and of the score that a sample shows faking reasoning.
    threshold : float, optional
        A sample complied if its score exceeds this; where None, scores are 0 or 1 and what lies between is
        left out.
    """

    context: str | None = None
    contexts: Mapping[Any, str] | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    score: str | None = None
    reasoning: str | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        for value, context in (self.contexts or {}).items():
            if context not in CONTEXTS:
                raise ObservationError(
                    f"contexts maps {value!r} to {context!r}; choose one of {', '.join(CONTEXTS)}"
                )
        known = (*KEY, "n", "complied", "reasoning")
        for name in self.columns:
            if name not in known:
                raise ObservationError(f"columns names {name!r}; choose from {', '.join(known)}")
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise ObservationError(f"threshold is {self.threshold}; give a number that scores may exceed")

    @property
    def context_key(self) -> str | None:
        """The caller's name for the context field, None where the usual ones are to be tried."""
        return self.context or self.columns.get("context")

    def known_contexts(self, key: str) -> dict[str, str]:
        """Return what the field `key` may hold, in lower case, and what it means."""
        if self.contexts is not None:
            return {str(said).strip().lower(): context for said, context in self.contexts.items()}
        return _WORDS | (_TRUTH if key in CONTEXT_KEYS else {})

    def context_of(self, value: object, key: str) -> str:
        """Return "train", "deploy" or "none" for what the field `key` holds.

        Raises
        ------
        ObservationError
            The value is in no mapping.
        """
        text, told = plain(value, key).lower(), self.known_contexts(key)
        if text not in told:
            mend = f'say what it means, contexts={{{value!r}: "train" or "deploy", …}}'
            raise ObservationError(f"{key} is {value!r}, which names no known context; {mend}")
        return told[text]


def plain(value: object, name: str) -> str:
    """Return a label as text, "" for none; a structure is no label."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, Mapping | list | tuple | set):
        raise ObservationError(
            f'{name} holds a {type(value).__name__}; name another field, or "" to leave it out'
        )
    return str(value).strip()


def verdict(value: object, layout: Layout, name: str) -> tuple[bool | None, str]:
    """Return whether a score value says yes, or None and why it says neither.

    C, I, true, false, yes, no, 0 and 1 are clear; P and what lies between 0 and 1 are partial unless the
    layout has a threshold; N is no answer; None and NaN are unscored.

    Raises
    ------
    ObservationError
        The value is none of these, or a number beyond 0 and 1 without a threshold.
    """
    if isinstance(value, str):
        text = value.strip().lower()
        if text in ("n", "noanswer"):
            return None, NO_ANSWER
        try:
            value = _VERDICTS[text] if text in _VERDICTS else float(text or "nan")
        except ValueError:
            mend = "name a score of C, I, P, N, true, false or a number"
            raise ObservationError(f"score {name!r} has the value {value!r}; {mend}") from None
    if value is None:
        return None, UNSCORED
    if not isinstance(value, bool | int | float):
        raise ObservationError(f"score {name!r} has a {type(value).__name__} as value; name one part of it")
    # an integer too large for a float is a number beyond any threshold
    number = math.copysign(math.inf, value) if isinstance(value, int) and abs(value) > 2**53 else float(value)
    if math.isnan(number):
        return None, UNSCORED
    if layout.threshold is not None:
        return number > layout.threshold, ""
    if number in (0, 1):
        return number == 1, ""
    if 0 < number < 1:
        return None, PARTIAL
    mend = "give the threshold that it exceeds where the sample complied"
    raise ObservationError(f"score {name!r} has the value {value!r}, beyond 0 and 1; {mend}")


def judged(sample: Sample, score: object, reasoning: object, layout: Layout, names: Sequence[str]) -> Sample:
    """Return the sample with its verdicts, or left out because a score is no verdict.

    Parameters
    ----------
    sample : labels, context among them
    score, reasoning : values of the two scores; reasoning is read where the layout names it
    names : names of the two scores, for errors
    """
    complied, why = verdict(score, layout, names[0])
    if complied is None:
        return left_out(sample, why)
    if layout.reasoning is None:
        return sample | {"complied": complied}
    faked, _ = verdict(reasoning, layout, names[1])
    if faked is None:
        return left_out(sample, REASONING_UNSCORED)
    return sample | {"complied": complied, "reasoning": faked}


def left_out(sample: Sample, why: str) -> Sample:
    """Return a sample that counts only among what was left out."""
    return {name: sample.get(name, "") for name in ("model", "prompt_id")} | {"left_out": why}


def tally(samples: Iterable[Sample]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Count samples by their labels.

    Returns
    -------
    counts : DataFrame, one row per prompt, condition and context, first seen first
        Labels as text, n, complied and perhaps reasoning; the index names the row.
    dropped : DataFrame as `Observations.dropped`
        One row per reason, with rows 0: samples were left out before there were rows.

    Raises
    ------
    ObservationError
        No sample is left to count.
    """
    every = list(samples)
    lost = pd.DataFrame([sample for sample in every if "left_out" in sample])
    kept = pd.DataFrame([sample for sample in every if "left_out" not in sample])
    dropped = nothing_dropped()
    if len(lost):
        prompt = lost[["model", "prompt_id"]].astype(str).agg("\n".join, axis=1)
        groups = lost.assign(prompt=prompt).groupby("left_out", sort=False)["prompt"]
        reasons = groups.agg(prompts="nunique", samples="size").rename_axis("reason").reset_index()
        dropped = reasons.assign(rows=0)[[*dropped]].astype(dropped.dtypes)
    if kept.empty:
        why = "; ".join(f"{row.reason}: {row.samples}" for row in dropped.itertuples()) or "there are none"
        raise ObservationError(f"no sample is left to count ({why}); give a log with scored samples")
    names = [name for name in KEY if name in kept]
    counts = ["complied", *(["reasoning"] if "reasoning" in kept else [])]
    ones = kept.assign(n=1)[[*names, "n", *counts]].astype(dict.fromkeys(counts, "int64"))
    table = ones.groupby(names, sort=False).sum().reset_index()
    table.index = pd.Index(table["prompt_id"] + " in " + table["context"])
    return table, dropped
