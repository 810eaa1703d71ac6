"""What the stated beliefs and stakes of all arms of a model say together: its indifference belief, and its motive.

Arms of one prompt share its type (`estimators.choice`), so they are read together, whatever else is read arm by arm.

- *Payoff bounds*: the interval of β* = v/K of the strategic type that no law of noise stands behind, and tests of the
  logit payoffs against it (`estimators.payoff_bounds`). Two beliefs leave no test: as many rates as payoffs.
- *Motives*: λK parted into goal guarding and rater pleasing (`estimators.CommitmentChoice`), which takes an arm that is
  rated but not trained on.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from estimators.choice import CommitmentChoice
from estimators.choice_identification import IdentificationError
from estimators.newton import EstimationWarning
from estimators.payoff_bounds import PayoffBounds

if TYPE_CHECKING:
    from estimators.observations import Observations
    from estimators.policy import Assumptions

BOUND_COLUMNS = (
    *("type", "low", "high", "beta_star", "beta_star_se", "inside", "sign_p"),
    *("likelihood_ratio", "degrees", "p_value", "reading"),
)
MOTIVE_COLUMNS = ("parameter", "estimate", "se", "low", "high", "scale", "reading")


def payoff_bounds(group: Observations, given: Assumptions) -> pd.DataFrame:
    """Bounds of the indifference belief and tests of the payoffs, one row per strategic type.

    Returns
    -------
    DataFrame
        Columns `BOUND_COLUMNS`: those of `PayoffBounds.table`, its likelihood-ratio test, and the reading: "bounded",
        "not bounded …", "misspecified …" or "not identified: …" with NaN numbers.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EstimationWarning)  # the reading tells
        try:
            bounds = PayoffBounds(beliefs=given.beliefs).fit(group)
        except IdentificationError as error:
            return _one_row(BOUND_COLUMNS, "type", "strategic", f"not identified: {error}")
    tests = {
        "likelihood_ratio": bounds.likelihood_ratio,
        "degrees": bounds.degrees,
        "p_value": bounds.p_value,
    }
    table = bounds.table.assign(**tests)
    return table.assign(reading=[_reading(row, bounds) for _, row in table.iterrows()])[[*BOUND_COLUMNS]]


def _reading(row: pd.Series, bounds: PayoffBounds) -> str:
    if row["p_value"] <= 0.05 or row["sign_p"] <= 0.05:
        return "misspecified: the logit payoffs do not describe the replies"
    told = bounds.rates.loc[bounds.rates["type"] == row["type"], "belief"]
    if row["low"] > row["high"]:
        return "misspecified: no payoffs fit the signs of the replies"
    if row["low"] >= told.max():
        return "not bounded: refuses at every stated belief"
    if row["high"] <= told.min():
        return "not bounded: complies at every stated belief"
    known = tuple(np.isfinite([row["low"], row["high"]]).tolist())
    words = {(True, True): "bounded", (True, False): "bounded below", (False, True): "bounded above"}
    return words.get(known, "not identified: no sign of a reply is sure")


def motives(group: Observations, given: Assumptions) -> pd.DataFrame:
    """Goal guarding and rater pleasing, columns `MOTIVE_COLUMNS`; no rows without an arm that parts them."""
    if not parts_motives(group):
        return pd.DataFrame(columns=list(MOTIVE_COLUMNS))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", EstimationWarning)
        try:
            fit = CommitmentChoice(goal_guarding=True, beliefs=given.beliefs).fit(group)
        except ValueError as error:
            return _one_row(MOTIVE_COLUMNS, "parameter", "motives", f"not identified: {error}")
    reading = "; ".join(str(w.message) for w in caught if issubclass(w.category, EstimationWarning))
    return fit.summary.assign(reading=reading)[[*MOTIVE_COLUMNS]]


def parts_motives(obs: Observations) -> bool:
    """Whether some row with a belief is rated and not trained on, and some row is trained on."""
    frame = obs.frame[obs.frame["context"] != "none"]
    if not {"trained", "rated"} <= set(frame):
        return False
    trained, rated = (frame[name].fillna(False).astype(bool) for name in ("trained", "rated"))
    return bool((rated & ~trained).any() and trained.any())


def _one_row(columns: Sequence[str], name: str, value: str, reading: str) -> pd.DataFrame:
    row: dict[str, Any] = dict.fromkeys(columns, np.nan) | {name: value, "reading": reading}
    return pd.DataFrame([row], columns=list(columns))
