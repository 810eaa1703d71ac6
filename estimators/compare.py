"""Groups are compared two by two in their compliance gap, on the prompts they share, with false discoveries bounded.

Let d_ai be the mean over its pairs in group a of prompt i's train rate minus deploy rate, N_a the prompts of a. The
difference of gaps is Δ = mean d_a − mean d_b. With c_ai = (d_ai − mean d_a) / √(N_a (N_a − 1)), zero where prompt i is
not in a, its squared standard error is Σ_i (c_ai − c_bi)².

- All prompts shared: Δ / se is the paired t statistic with N − 1 degrees of freedom.
- None shared (two axes): Welch's, with Satterthwaite's degrees of freedom.
- Some shared: the same sum, with the smaller N − 1.

In words: the prompt is what was sampled, so what is concluded holds for these models, families or methods on other such
prompts, not for other models of a family. The difference is in probability: two models with one incentive differ in it
where their willingness differs (`StructuralPayoffs` parts the two). Of the rows that a table calls different at
q ≤ .05, on average at most 5 % are not.

Source: Student's and Welch's tests; Benjamini and Hochberg (1995), JRSS B 57:289-300; for pairwise differences, which
depend on each other, Yekutieli (2008), J. Stat. Planning and Inference 138:405-415; Benjamini and Yekutieli (2001),
Annals of Statistics 29:1165-1188, for any dependence.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import false_discovery_control
from scipy.stats import t as student

from estimators.gap import check_level
from estimators.observations import PROMPT_KEY, ObservationError, Observations

OVER = ("model", "family", "method", "axis")
COLUMNS = (
    *(
        "over",
        "first",
        "second",
        "prompts_first",
        "prompts_second",
        "prompts_shared",
        "gap_first",
        "gap_second",
    ),
    *("difference", "se", "low", "high", "statistic", "df", "p_value", "q_value", "test"),
)
# Differences of rates are ratios of counts, so a real spread is far larger.
_NO_SPREAD = 1e-12


def compare(
    obs: Observations,
    over: str | Sequence[str] | None = None,
    *,
    level: float = 0.95,
    control: Literal["bh", "by"] = "bh",
) -> pd.DataFrame:
    """Compare the compliance gaps of all pairs of models, of families, of methods and of axes.

    Parameters
    ----------
    obs : Observations
    over : name or names of label columns, optional
        Each is compared on its own, all else pooled; those of model, family, method and axis with at least two values,
        where not given.
    level : float in (0, 1)
        Of each interval on its own.
    control : "bh" or "by"
        False-discovery control over all rows: Benjamini and Hochberg, or Benjamini and Yekutieli, which holds under any
        dependence and costs power.

    Returns
    -------
    DataFrame
        over, first, second; prompts_first, prompts_second, prompts_shared; gap_first, gap_second, difference, se, low,
        high, statistic, df, p_value, q_value; test: "paired t", "Welch t", "partly paired t", or "none: " and why, with
        NaN numbers.

    Raises
    ------
    ObservationError
        A name in `over` that cannot group, or nothing with two values.
    ValueError
        A level outside (0, 1), or an unknown control.

    Examples
    --------
    >>> from estimators.datasets import load_vlaf
    >>> table = compare(load_vlaf(), "family").round(3)
    >>> table[["first", "second", "prompts_shared", "difference", "low", "high", "test"]]
         first second  prompts_shared  difference    low   high      test
    0  qwen2.5  qwen3              92      -0.256 -0.308 -0.203  paired t
    1  qwen2.5  olmo2              92      -0.106 -0.134 -0.077  paired t
    2    qwen3  olmo2              92       0.150  0.098  0.203  paired t
    """
    check_level(level)
    if control not in ("bh", "by"):
        raise ValueError(f"control is {control!r}; choose bh or by")
    if over is None:
        names = [name for name in OVER if name in obs.frame and len(obs.frame[name].unique()) > 1]
    else:
        names = [over] if isinstance(over, str) else list(over)
    rows = []
    for name in names:
        groups = [(labels[name], prompt_gaps(group)) for labels, group in obs.groups(name)]
        for (first, a), (second, b) in itertools.combinations(groups, 2):
            rows.append({"over": name, "first": first, "second": second, **difference(a, b, level)})
    if not rows:
        there = ", ".join(names or OVER)
        raise ObservationError(f"nothing to compare: none of {there} has two values in these observations")
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.assign(q_value=q_values(table["p_value"], control))


def q_values(p_values: ArrayLike, control: Literal["bh", "by"] = "bh") -> NDArray[np.float64]:
    """Adjusted p-values, (rows,), of those that are numbers; NaN stays NaN and is no test.

    Examples
    --------
    >>> q_values([0.01, float("nan"), 0.04])
    array([0.02,  nan, 0.04])
    """
    p = np.asarray(p_values, dtype=float)
    q = np.full(p.shape, np.nan)
    tested = np.isfinite(p)
    if tested.any():
        q[tested] = false_discovery_control(p[tested], method=control)
    return q


def prompt_gaps(obs: Observations) -> pd.Series:
    """Train rate minus deploy rate of each prompt, its pairs averaged, indexed by prompt."""
    pairs = obs.pairs()
    gap = pairs["agreed_train"] / pairs["n_train"] - pairs["agreed_deploy"] / pairs["n_deploy"]
    return gap.groupby([pairs[name] for name in PROMPT_KEY if name in pairs], sort=False).mean()


def difference(a: pd.Series, b: pd.Series, level: float) -> dict[str, float | int | str]:
    """One row: the difference of two means over prompts, which may overlap."""
    both = pd.concat({"a": a, "b": b}, axis=1)
    shared = int(both.notna().all(axis=1).sum())
    sizes = np.array([len(a), len(b)])
    nan = float("nan")
    row: dict[str, float | int | str] = {
        "prompts_first": len(a),
        "prompts_second": len(b),
        "prompts_shared": shared,
        "gap_first": float(a.mean()),
        "gap_second": float(b.mean()),
        "difference": float(a.mean() - b.mean()),
    }
    empty = dict.fromkeys(("se", "low", "high", "statistic", "df", "p_value", "q_value"), nan)
    if sizes.min() < 2:
        return row | empty | {"test": "none: fewer than two prompts"}
    # Scaled so that each group alone gives its s² / N.
    scaled = (both - both.mean()).fillna(0.0).to_numpy() / np.sqrt(sizes * (sizes - 1.0))
    own = (scaled**2).sum(axis=0)
    square = float(((scaled[:, 0] - scaled[:, 1]) ** 2).sum())
    if square < _NO_SPREAD**2:
        return row | empty | {"test": "none: no variation over prompts"}
    if shared == len(both):
        test, df = "paired t", float(shared - 1)
    elif shared == 0:
        test, df = "Welch t", float(own.sum() ** 2 / (own**2 / (sizes - 1)).sum())
    else:
        test, df = "partly paired t", float(sizes.min() - 1)
    se = square**0.5
    difference = float(row["difference"])
    half = float(student.ppf(0.5 + level / 2, df)) * se
    return row | {
        "se": se,
        "low": difference - half,
        "high": difference + half,
        "statistic": difference / se,
        "df": df,
        "p_value": float(2 * student.sf(abs(difference) / se, df)),
        "q_value": nan,
        "test": test,
    }
