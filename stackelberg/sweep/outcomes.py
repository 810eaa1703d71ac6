"""One flat row per result, whatever the function of a sweep returns, and one frame from chunks of rows."""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from stackelberg.equilibrium import Equilibrium, Status
from stackelberg.faking import Commitment

if TYPE_CHECKING:
    import pandas as pd


def row_of(result: Any) -> dict[str, Any]:
    """Columns of a result: of an equilibrium, a commitment, a mapping, or a number (as ``value``).

    A pair (result, mapping) gives the columns of both.

    Raises
    ------
    TypeError
        For anything else.

    Examples
    --------
    >>> row_of(2.5), row_of({"gap": 0.1})
    ({'value': 2.5}, {'gap': 0.1})
    """
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Mapping):
        first = row_of(result[0])
        if result[1]:  # better names for the same commitment
            first = {name: x for name, x in first.items() if not name.startswith(("strategy[", "reply["))}
        return first | dict(result[1])
    if isinstance(result, Equilibrium):
        return _equilibrium(result)
    if isinstance(result, Commitment):
        return _commitment(result)
    if isinstance(result, Mapping):
        return {str(name): x.item() if isinstance(x, np.generic) else x for name, x in result.items()}
    if isinstance(result, Real):
        return {"value": float(result)}
    raise TypeError(
        f"a sweep's function returned {type(result).__name__}: "
        "return a number, a mapping of columns, an Equilibrium or a Commitment"
    )


def _equilibrium(found: Equilibrium) -> dict[str, Any]:
    row: dict[str, Any] = {"value": found.value, "bound": found.bound, "method": found.method}
    row |= {"claim": found.certificate.claim if found.certificate else None, "status": str(found.status)}
    if found.status is not Status.OPTIMAL:
        row["message"] = found.message
    game = found.game
    row |= {f"strategy[{a}]": float(p) for a, p in zip(game.leader_actions, found.strategy, strict=True)}
    for label, actions, j in zip(game.types, game.follower_actions, found.replies.tolist(), strict=True):
        row[f"reply[{label}]"] = actions[j] if j >= 0 else None
    return row


def _commitment(found: Commitment) -> dict[str, Any]:
    claim = found.certificate.claim if found.certificate else None
    row: dict[str, Any] = {"value": found.value, "error": found.error, "method": found.method, "claim": claim}
    row["monitoring_chosen"] = found.monitoring
    cues = found.game.cues.cues
    row |= {f"belief[{cue}]": float(b) for cue, b in zip(cues, found.beliefs, strict=True)}
    mean = found.game.parameters("prior") @ found.compliance
    return row | {f"compliance[{cue}]": float(c) for cue, c in zip(cues, mean, strict=True)}


def joined(chunks: "Sequence[pd.DataFrame]") -> "pd.DataFrame":
    """The chunks one below the other, text as text.

    The result depends on the values alone, not on where chunks end or on whether one was read from a file.
    """
    import pandas as pd

    names = list(dict.fromkeys(name for chunk in chunks for name in chunk.columns))
    text = pd.StringDtype(na_value=np.nan)
    whole: dict[str, Any] = {}
    for name in names:
        parts = [chunk[name] if name in chunk else pd.Series(np.full(len(chunk), np.nan)) for chunk in chunks]
        if any(isinstance(part.dtype, pd.CategoricalDtype | pd.StringDtype) for part in parts):
            parts = [part.astype(text) for part in parts]
        whole[name] = pd.concat(parts, ignore_index=True)
    return pd.DataFrame(whole)
