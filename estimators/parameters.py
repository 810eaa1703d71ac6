"""What an estimator was made with, by the names of its `__init__`, which stores each under its own name."""

from __future__ import annotations

import inspect
from typing import Any


def stored(estimator: object) -> dict[str, Any]:
    """Arguments of an estimator's `__init__`, as it stored them.

    Examples
    --------
    >>> from estimators import Npmle
    >>> stored(Npmle(level=0.9))["level"]
    0.9
    """
    names = list(inspect.signature(type(estimator)).parameters)
    return {name: getattr(estimator, name) for name in names}
