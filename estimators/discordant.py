"""Whether a model answers prompts differently in the two contexts is tested exactly, by counting prompts that moved.

A prompt is *discordant* where the mean over its pairs of (train rate − deploy rate) of agreement is not zero, *up*
where it is positive. For one pair with n samples in each context that is k_T ≠ k_D, and k_T > k_D: with n = 1
McNemar's discordant pairs, with n > 1 the sign test on counts, in which a prompt that moved from 3 to 9 of 10 weighs as
much as one that moved from 3 to 4.

Under H0 a prompt's samples come from one law whatever the context, so with equally many samples in each the two counts
can be swapped without changing their law: up and down are equally likely at every prompt, however prompts differ, and
the number up among D discordant prompts is Bin(D, ½). With different numbers of samples that fails (at p = .05, one
sample against ten is up in 5 % and down in 38 % of draws), so pairs with n_T ≠ n_D are left out, and counted.

In words: it needs no model and no large numbers, and does not say how large the gap is. A prompt that agrees (or
refuses) always is concordant and tells nothing.

Source: McNemar (1947), Psychometrika 12:153-157; Dixon and Mood (1946), JASA 41:557-566.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pandas as pd
from scipy.stats import binomtest

from estimators.compare import q_values
from estimators.gap import check_level, prompt_means
from estimators.observations import Observations

# Means of a few ratios of counts: a real difference is far larger, equal ones differ by rounding only.
_EQUAL = 1e-12


def discordant_test(
    obs: Observations,
    by: str | Sequence[str] = (),
    *,
    alternative: Literal["two-sided", "greater", "less"] = "two-sided",
    level: float = 0.95,
) -> pd.DataFrame:
    """Exact binomial test on discordant prompts, one row per group.

    Parameters
    ----------
    obs : Observations
    by : name or names of label columns
    alternative : "two-sided", "greater" (more agreement in train) or "less"
    level : float in (0, 1)
        Of the limits of `share_up`, Clopper and Pearson's.

    Returns
    -------
    DataFrame
        The labels; prompts (with at least one pair of equal n), discordant, up, down; share_up with low and high, NaN
        without discordant prompts; p_value, 1 without any and NaN without prompts; q_value, Benjamini and Hochberg's
        over the rows; unequal_pairs, left out because n differs between the contexts.

    Raises
    ------
    ObservationError
        A name in `by` that cannot group.
    ValueError
        An unknown alternative, or a level outside (0, 1).

    Examples
    --------
    >>> from estimators.datasets import load_gemini
    >>> table = discordant_test(load_gemini(), by=["model", "setting"])
    >>> table[["prompts", "discordant", "up", "down", "p_value"]].round(4).head(2)
       prompts  discordant  up  down  p_value
    0       99           5   4     1    0.375
    1      100          36  36     0    0.000
    """
    check_level(level)
    if alternative not in ("two-sided", "greater", "less"):
        raise ValueError(f"alternative is {alternative!r}; choose two-sided, greater or less")
    rows = []
    for labels, group in obs.groups(by):
        pairs = group.pairs()
        equal = pairs[pairs["n_train"] == pairs["n_deploy"]]
        moved = prompt_means(equal, (equal["agreed_train"] - equal["agreed_deploy"]) / equal["n_train"])
        up, down = int((moved > _EQUAL).sum()), int((moved < -_EQUAL).sum())
        share = low = high = float("nan")
        p_value = 1.0 if moved.size else float("nan")
        if up + down:
            found = binomtest(up, up + down, alternative=alternative)
            limits = binomtest(up, up + down).proportion_ci(level, method="exact")
            share, p_value = up / (up + down), float(found.pvalue)
            low, high = float(limits.low), float(limits.high)
        counts = {"prompts": moved.size, "discordant": up + down, "up": up, "down": down}
        test = {"share_up": share, "low": low, "high": high, "p_value": p_value, "q_value": p_value}
        rows.append({**labels, **counts, **test, "unequal_pairs": len(pairs) - len(equal)})
    table = pd.DataFrame(rows)
    return table.assign(q_value=q_values(table["p_value"]))
