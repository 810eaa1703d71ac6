"""Counts of compliance become one validated table in which every row is a prompt in a context.

A row says that of ``n`` samples of one prompt ``complied`` did what the developer asks, in the context
"train" (told that the conversation is monitored or trained on), "deploy" (told that it is not) or "none".
Whether complying agrees with the announced objective, and whether it is safe, is not in the counts: the wrong
orientation makes a faker look like the reverse of one, so the caller states it (THEORY section 0, item 3).
A *pair* is one prompt under one condition (model, family, method, axis, setting, arm): one train row and one
deploy row. Bad rows raise a sentence that names row and mend; rows left out on request are counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ORIENTATIONS = ("complied-is-agreement", "complied-is-disagreement")
SAFETY = ("complied-is-safe", "complied-is-unsafe", "neutral")
CONTEXTS = ("train", "deploy", "none")
PAIR_KEY = ("model", "family", "method", "axis", "setting", "arm", "prompt_id")
PROMPT_KEY = ("axis", "prompt_id")  # what makes two pairs one prompt: models, methods and arms share prompts
KEY = (*PAIR_KEY, "context", "stated_belief", "trained", "rated")
COUNTS = ("n", "complied", "reasoning")
COLUMNS = (*KEY, *COUNTS)
REQUIRED = ("prompt_id", "context", "n", "complied")

# What a "none" row may leave blank: no cue says nothing of monitoring, training or rating.
TOLD = ("stated_belief", "trained", "rated")

# What R, pandas and spreadsheets write for "no value"; "none" is not here because it is a context.
_BLANK = ("", "na", "n/a", "nan", "<na>", "nat", "null")
_TRUTH = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
# Line breaks and other controls in a label would break one-row-per-line files and one-sentence messages.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class ObservationError(ValueError):
    """Counts, or a choice about them, that cannot be used: one sentence naming the culprit and the mend."""


def nothing_dropped() -> pd.DataFrame:
    """Return the table of what was left out, with no rows."""
    types = {"reason": "str", "rows": "int64", "prompts": "int64", "samples": "int64"}
    return pd.DataFrame(columns=list(types)).astype(types)


def left_out_words(dropped: pd.DataFrame) -> str:
    """Return what was left out in words, from `Observations.dropped`."""

    def words(row: Any) -> str:
        if row.rows or row.samples:
            return f"{row.rows} rows ({row.reason})" if row.rows else f"{row.samples} samples ({row.reason})"
        return str(row.reason)

    return "; ".join(map(words, dropped.itertuples())) or "nothing"


def _choose(name: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ObservationError(f"{name} is {value!r}; choose one of {', '.join(choices)}")


@dataclass(frozen=True, eq=False, repr=False)
class Observations:
    """A validated table of counts with what complying means, from `from_frame` or `estimators.read_observations`.

    Attributes
    ----------
    frame : DataFrame, one row per prompt, condition and context, in the source's order
        Those columns of `KEY` that the source has, then n, complied and, if there, reasoning. Labels are
        text, stated_belief float in [0, 1], trained and rated boolean, counts int64; these three may be
        blank in rows of context "none".
    orientation : one of `ORIENTATIONS`
        Whether complying agrees with the announced training objective.
    safety : one of `SAFETY`
        Whether complying is the safe act; "neutral" where the question does not arise.
    dropped : DataFrame, one row per reason for which rows or samples were left out
        Columns reason, rows, prompts (pairs), samples; rows is 0 where a reader left out samples before
        there were rows. It counts for the whole table; a group's is empty.

    Examples
    --------
    >>> counts = pd.DataFrame({"prompt_id": ["a", "a", "b", "b"], "context": ["train", "deploy"] * 2,
    ...                        "n": 10, "complied": [9, 2, 3, 3]})
    >>> obs = Observations.from_frame(counts, orientation="complied-is-agreement")
    >>> obs
    Observations(4 rows, 2 pairs, 0 rows dropped; complied-is-agreement, neutral)
    >>> obs.pairs()
      prompt_id  n_train  agreed_train  n_deploy  agreed_deploy
    0         a       10             9        10              2
    1         b       10             3        10              3
    """

    frame: pd.DataFrame
    orientation: str
    safety: str = "neutral"
    dropped: pd.DataFrame = field(default_factory=nothing_dropped)

    def __post_init__(self) -> None:
        _choose("orientation", self.orientation, ORIENTATIONS)
        _choose("safety", self.safety, SAFETY)

    def __repr__(self) -> str:
        rows = f"{len(self.frame)} rows, {len(self.pairs())} pairs, {self.dropped['rows'].sum()} rows dropped"
        return f"Observations({rows}; {self.orientation}, {self.safety})"

    @classmethod
    def from_frame(
        cls, df: pd.DataFrame, *, orientation: str, safety: str = "neutral", unpaired: str = "raise"
    ) -> Observations:
        """Validate a data frame, which stays as it is.

        Parameters
        ----------
        df : DataFrame with the columns `REQUIRED` and any others of `KEY` and `COUNTS`
        orientation, safety : see the class
        unpaired : "raise" or "drop"
            What to do with a train row without its deploy row, or the reverse; `dropped` counts them.

        Raises
        ------
        ObservationError
            One sentence that names the column, the row by its index label, and the mend.
        """
        return validated(df, orientation, safety, unpaired, "row with index")

    def agreed(self) -> pd.Series:
        """Samples of each row of `frame` that agree with the announced objective, (rows,) of int."""
        complied = self.frame["complied"]
        return complied if self.orientation == ORIENTATIONS[0] else self.frame["n"] - complied

    def pairs(self) -> pd.DataFrame:
        """One row per pair, first seen first: labels, n_train, agreed_train, n_deploy, agreed_deploy."""
        return self._pairs.copy()

    @cached_property
    def _pairs(self) -> pd.DataFrame:
        rows = self.frame[[*self._pair_key(), "context", "n"]].assign(agreed=self.agreed())
        train, deploy = (rows[rows["context"] == context].drop(columns="context") for context in CONTEXTS[:2])
        return train.merge(deploy, on=self._pair_key(), suffixes=("_train", "_deploy"), validate="one_to_one")

    def cells(self) -> pd.DataFrame:
        """Sorted count table: n_train, agreed_train, n_deploy, agreed_deploy, prompts (pairs with these).

        The sufficient statistic where prompts are exchangeable (THEORY section 0, item 4).
        """
        names = ["n_train", "agreed_train", "n_deploy", "agreed_deploy"]
        return self.pairs().groupby(names).size().reset_index(name="prompts")

    def groups(self, by: str | Sequence[str] = ()) -> Iterator[tuple[dict[str, str], Observations]]:
        """Yield (labels, observations) per combination of `by`, first seen first; one group if it is empty.

        Raises
        ------
        ObservationError
            A name in `by` that is no column, or one that could part a train row from its deploy row.
        """
        names = self._group_names(by)
        by_group: list[Any] = list(self._pairs.groupby(names, sort=False)) if names else [((), self._pairs)]
        pairs = dict(by_group)
        for values, rows in self.frame.groupby(names, sort=False) if names else [((), self.frame)]:
            labels = {name: str(value) for name, value in zip(names, values)}
            group = Observations(rows.reset_index(drop=True), self.orientation, self.safety)
            # a pair is of one group, so pairing once will do: it costs more than what is done with the pairs
            group.__dict__["_pairs"] = pairs.get(values, self._pairs.iloc[:0]).reset_index(drop=True)
            yield labels, group

    def counts(self, by: str | Sequence[str] = ()) -> pd.DataFrame:
        """Pooled counts per group and context: labels, context, prompts (pairs), n, complied, agreed."""
        pair = self.frame.groupby(self._pair_key(), sort=False).ngroup()
        rows = self.frame.assign(prompts=pair, agreed=self.agreed())
        groups = rows.groupby([*self._group_names(by), "context"], sort=False)
        how = {"prompts": "nunique", "n": "sum", "complied": "sum", "agreed": "sum"}
        return groups.agg(how).reset_index()

    def to_csv(self, path: str | Path) -> None:
        """Write `frame` so that `read_observations` gives back the same; the two choices are not stored."""
        self.frame.to_csv(path, index=False, encoding="utf-8", lineterminator="\n")

    def _pair_key(self) -> list[str]:
        return [name for name in PAIR_KEY if name in self.frame]

    def _group_names(self, by: str | Sequence[str]) -> list[str]:
        names = [by] if isinstance(by, str) else list(dict.fromkeys(by))
        for name in [name for name in names if name not in self._pair_key()]:
            why = "would part train from deploy rows" if name in self.frame else "is no column here"
            there = ", ".join(self._pair_key())
            raise ObservationError(f"cannot group by {name!r}, which {why}; choose from {there}")
        return names


def validated(df: pd.DataFrame, orientation: str, safety: str, unpaired: str, row: str) -> Observations:
    """`Observations.from_frame` for readers, who say what a row is called before its index label."""
    _choose("unpaired", unpaired, ("raise", "drop"))
    for column in [column for column in REQUIRED if column not in df]:
        raise ObservationError(f"column {column!r} is missing among {[*df]}; add or rename it")
    for column in df.columns[~df.columns.isin(COLUMNS)]:
        raise ObservationError(f"column {column!r} is not known; delete it or make it {', '.join(COLUMNS)}")
    for column in df.columns[df.columns.duplicated()]:
        raise ObservationError(f"column {column!r} appears twice; delete one of the two")
    if df.empty:
        raise ObservationError("the table has no rows; give one row per prompt and context")
    names = [f"{row} {label}" for label in df.index]
    frame = _typed(df.reset_index(drop=True), names)

    def same(rows: pd.DataFrame, columns: list[str], problem: str) -> None:
        twins = rows[rows.duplicated(columns, keep=False)]
        if len(twins):
            group = twins.groupby(columns, sort=False, dropna=False).ngroup()
            first, second = twins.index[group == 0][:2]
            labels = ", ".join(f"{column} {twins.loc[first, column]}" for column in columns)
            raise ObservationError(f"{names[first]} and {names[second]} {problem} ({labels})")

    key = [column for column in PAIR_KEY if column in frame]
    same(frame, [column for column in KEY if column in frame], "have the same key; delete one of them")
    paired = frame[frame["context"] != "none"]
    same(paired, [*key, "context"], "are in one pair and context; tell them apart by the column arm")
    lone = paired[~paired.duplicated(key, keep=False)]
    reason = lone["context"].map({"train": "no deploy row", "deploy": "no train row"})
    if len(lone) and unpaired == "raise":
        labels = ", ".join(f"{column} {lone[column].iloc[0]}" for column in key)
        first = f"{names[lone.index[0]]} has {reason.iloc[0]} to pair with ({labels}; {len(lone)} such rows)"
        raise ObservationError(f'{first}; add it or leave such rows out with unpaired="drop"')
    if len(lone) == len(frame):
        raise ObservationError("no prompt has both a train and a deploy row; give at least one pair")
    # A lone row is a whole broken pair, so rows and prompts agree here; other readers may drop more.
    lost = lone["n"].groupby(reason, sort=False).agg(rows="size", prompts="size", samples="sum")
    dropped = lost.rename_axis("reason").reset_index().astype(nothing_dropped().dtypes)
    return Observations(frame.drop(index=lone.index).reset_index(drop=True), orientation, safety, dropped)


def _typed(df: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Columns in the order of `COLUMNS` with their types, or an error for the first bad cell."""
    # Text gives files and frames one rule, exactly; object cells, since pandas' str cannot hold every text.
    text = df.apply(lambda column: pd.Series([str(cell).strip() for cell in column], dtype=object))

    def refuse(bad: Any, column: str, problem: str) -> None:
        rows = np.flatnonzero(bad)
        if rows.size:
            also = f" (and {rows.size - 1} more)" if rows.size > 1 else ""
            cells = text.loc[rows[0]]
            reason = f"{column} is {cells[column]!r}, {problem.format_map(cells)}"
            raise ObservationError(f"{names[rows[0]]}{also}: {reason}")

    frame = pd.DataFrame(index=df.index)
    for column in [column for column in COLUMNS if column in df]:
        cells = text[column]
        blank = df[column].isna() | cells.str.lower().isin(_BLANK)
        untold = blank & (column in TOLD) & (text["context"] == "none")
        refuse(blank & ~untold, column, "an empty cell; fill it in")
        if column in COUNTS:
            value = pd.to_numeric(cells, errors="coerce").astype(float)
            whole = (value % 1 == 0) & (value.abs() <= 2**53)  # NaN and infinities fail
            refuse(~whole, column, "not a whole number; give a number of samples")
            refuse(value < 0, column, "negative; give a number of samples")
            frame[column] = value.astype("int64")
            refuse(frame[column] > frame["n"], column, "more than its n of {n}; correct one of the two")
        elif column == "stated_belief":
            # -0.0 and 0.0 are one key
            frame[column] = pd.to_numeric(cells.where(~untold), errors="coerce").astype(float) + 0.0
            bad = ~frame[column].between(0, 1) & ~untold
            refuse(bad, column, "not a probability; give a number from 0 to 1")
        elif column in ("trained", "rated"):
            truth = cells.str.lower().map(_TRUTH)
            refuse(truth.isna() & ~untold, column, "neither true nor false; write one of the two")
            frame[column] = truth.mask(untold, None).astype("boolean")
        else:
            decimal = [isinstance(cell, float | np.floating) for cell in df[column]]
            refuse(decimal, column, "a decimal number as label; read the column as text (dtype=str)")
            control = [bool(_CONTROL.search(cell)) for cell in cells]
            refuse(control, column, "with a control character; use a one-line label")
            frame[column] = cells.astype("str")
    refuse(frame["n"] == 0, "n", "so the row holds no sample; delete it and its pair")
    refuse(~frame["context"].isin(CONTEXTS), "context", f"not a context; write {' or '.join(CONTEXTS)}")
    return frame
