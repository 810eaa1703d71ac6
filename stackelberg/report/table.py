"""A table of the page, from a tidy frame: one heading per number, or per estimate with its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool, is_number

Column = str | tuple[str, str] | tuple[str, str, str]
"""A column's name; those of an interval's ends; those of an estimate and its interval's ends."""


@dataclass(frozen=True)
class Table:
    """Text of a table.

    Attributes
    ----------
    section : str
        Of the page; see :func:`stackelberg.report.page`.
    caption : str
    head : tuple of str, shape (columns,)
    in_words : tuple of bool, shape (columns,)
        Columns of words are set to the left and may break.
    rows : tuple of tuple of str, shape (rows, columns)
    note : str
        What a reader must know, under the table.
    """

    section: str
    caption: str
    head: tuple[str, ...]
    in_words: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def table(
    section: str,
    caption: str,
    labels: Sequence[str],
    frame: pd.DataFrame,
    columns: Mapping[str, Column],
    *,
    stub: str = "group",
    note: str = "",
) -> Table:
    """A table of the page from the columns of a frame.

    Parameters
    ----------
    section, caption : str
    labels : sequence of str, shape (rows,)
        The first column.
    frame : DataFrame
    columns : mapping of str to column
        By heading, what the cells say; see ``Column``.
    stub : str
        Heading of the labels.
    note : str

    Returns
    -------
    Table

    Raises
    ------
    KeyError
        A column that the frame lacks.

    Examples
    --------
    >>> frame = pd.DataFrame({"n": [92], "gap": [-0.25], "low": [-0.5], "high": [0.125], "test": ["paired t"]})
    >>> table("say", "Gaps", ["a"], frame, {"prompts": "n", "gap": ("gap", "low", "high"), "test": "test"}).rows
    (('a', '92', '−0.250 (−0.500 to 0.125)', 'paired t'),)
    """
    cells = [[_cell(row, column) for column in columns.values()] for row in frame.to_dict("records")]
    in_words = [
        isinstance(column, str) and not all(map(_is_number, frame[column])) for column in columns.values()
    ]
    rows = tuple((label, *row) for label, row in zip(labels, cells, strict=True))
    return Table(section, caption, (stub, *columns), (True, *in_words), rows, note)


def _is_number(value: Any) -> bool:
    return (is_number(value) and not is_bool(value)) or value is None


def _cell(row: Mapping[Any, Any], column: Column) -> str:
    if isinstance(column, str):
        return text(row[column])
    *estimate, low, high = (text(row[name], tiny=False) for name in column)
    ends = "no interval" if "–" in (low, high) else f"{low} to {high}"
    if not estimate:
        return ends
    return f"{estimate[0]} ({ends})" if (estimate[0], ends) != ("–", "no interval") else "–"


def text(value: Any, *, tiny: bool = True) -> str:
    """A number with three decimals and a true minus sign, in powers of ten where those would say nothing; or words.

    With ``tiny`` a number near zero is a power of ten; in an interval it is as good as zero.

    Examples
    --------
    >>> [text(value) for value in (0.12345, -2, 1e-7, 123456.0, -np.inf, np.nan, True, "")]
    ['0.123', '−2', '1e−07', '1.23e+05', '−∞', '–', 'yes', '']
    """
    if is_bool(value):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return str(value).replace("-", "−")
    if not isinstance(value, (float, np.floating)):
        return "–" if value is None else str(value)
    number = float(value)
    if np.isnan(number):
        return "–"
    if np.isinf(number):
        return "∞" if number > 0 else "−∞"
    if abs(number) >= 1e5:
        return f"{number:.3g}".replace("-", "−")
    if tiny and 0 < abs(number) < 5e-4:
        return f"{number:.0e}".replace("-", "−")
    return f"{number:.3f}".replace("-", "−")
