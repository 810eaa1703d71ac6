"""What simulate-and-refit showed: bias, RMSE over its bound, coverage, verdicts, each with its Monte Carlo error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest


@dataclass(frozen=True, eq=False)
class Recovery:
    """What simulate-and-refit showed; see `recover`.

    Attributes
    ----------
    replicates : DataFrame
        replicate, parameter, estimate, se, low, high.
    decisions : DataFrame
        replicate, verdict, value: what each refit decided, as text.
    failures : DataFrame
        replicate, reason.
    truth, bound : mapping from parameter to float
    runs : int
        Replicates tried, failures included.
    """

    replicates: pd.DataFrame
    decisions: pd.DataFrame
    failures: pd.DataFrame
    truth: Mapping[str, float]
    bound: Mapping[str, float]
    runs: int

    @property
    def table(self) -> pd.DataFrame:
        """One row per true parameter, Monte Carlo errors in the columns that end in _se.

        Columns: parameter, truth, bias, bias_se, rmse, bound, ratio, ratio_se (RMSE over bound), coverage, coverage_se,
        runs (that gave an estimate), no_interval (of those, without one: they count as not covering).
        """
        return pd.DataFrame([self._row(name) for name in self.truth])

    @property
    def verdicts(self) -> pd.DataFrame:
        """verdict, value, runs, share, low, high: how often what was decided, 95 % Wilson intervals."""
        rows = []
        totals = self.decisions["verdict"].value_counts()
        counts = self.decisions.groupby(["verdict", "value"]).size().rename("runs").reset_index()
        for name, value, runs in counts.itertuples(index=False):
            total = int(totals[name])
            interval = binomtest(int(runs), total).proportion_ci(method="wilson")
            rows.append((name, value, int(runs), runs / total, interval.low, interval.high))
        return pd.DataFrame(rows, columns=["verdict", "value", "runs", "share", "low", "high"])

    def _row(self, name: str) -> dict[str, Any]:
        truth, bound = self.truth[name], self.bound.get(name, float("nan"))
        own = self.replicates[(self.replicates["parameter"] == name) & self.replicates["estimate"].notna()]
        error = own["estimate"].to_numpy() - truth
        runs = len(error)
        missing = int(own[["low", "high"]].isna().any(axis=1).sum())
        row = {"parameter": name, "truth": truth, "runs": runs, "no_interval": missing}
        if runs < 2:
            return row
        rmse = float(np.sqrt(np.mean(error**2)))
        # The error of a root mean square, by the delta method.
        rmse_se = float(np.std(error**2, ddof=1) / np.sqrt(runs) / (2 * rmse)) if rmse else 0.0
        coverage = float(((own["low"] <= truth) & (truth <= own["high"])).mean())
        return {
            "parameter": name,
            "truth": truth,
            "bias": float(error.mean()),
            "bias_se": float(error.std(ddof=1) / np.sqrt(runs)),
            "rmse": rmse,
            "bound": bound,
            "ratio": rmse / bound,
            "ratio_se": rmse_se / bound,
            "coverage": coverage,
            "coverage_se": float(np.sqrt(coverage * (1 - coverage) / runs)),
            "runs": runs,
            "no_interval": missing,
        }
