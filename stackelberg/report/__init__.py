"""One self-contained page from an analysis: what was asked, what the data say, what is assumed, what to do.

The page needs no network and works from ``file://``.  Its text and figures come from the results record (schema
``estimators/schemas/results.json``) and its controls recompute, in the page, the predictions of the fitted law and the
commitment of the recommended game, from the numbers that the page carries.
"""

from stackelberg.report.page import Group, page
from stackelberg.report.table import Column, Table, table

__all__ = ["Column", "Group", "Table", "page", "table"]
