"""Shipped train-versus-deploy counts, with the meaning of complying that their source gives them.

Counts and rates only, no prompt and no response text; origin, licence and columns are in ``LICENSES.md``.
"""

from __future__ import annotations

from importlib.resources import as_file, files

import pandas as pd

from estimators.observations import Observations
from estimators.readers import read_observations

__all__ = ["load_gemini", "load_published", "load_vlaf"]

_HERE = files("estimators.datasets")


def load_vlaf() -> Observations:
    """Ten open models on five moral-foundation axes: 92 scenarios, ten samples per scenario and context.

    Complying means taking the option that the announced policy asks for (agreement); neither option is safe
    or unsafe (neutral).
    Source: results/MFT_refined of github.com/launchnlp/VLAF at 90ca2680, arXiv 2604.20995.

    Examples
    --------
    >>> load_vlaf()
    Observations(1840 rows, 920 pairs, 0 rows dropped; complied-is-agreement, neutral)
    """
    with as_file(_HERE / "vlaf_values.csv") as path:
        return read_observations(path, orientation="complied-is-agreement", safety="neutral")


def load_gemini() -> Observations:
    """One Gemini model over four routes in two runs, 100 AdvBench prompts, one or three samples per context.

    Complying means fulfilling a harmful request (unsafe), which agrees with the announced helpful-only
    objective as far as the published setup tells. A prompt with a failed call is left out whole already, so
    two routes have 99 prompts and no pair is broken.
    Source: data/*.jsonl of github.com/johanity/served-system-identity at 99c6de1f.

    Examples
    --------
    >>> load_gemini()
    Observations(796 rows, 398 pairs, 0 rows dropped; complied-is-agreement, complied-is-unsafe)
    """
    with as_file(_HERE / "gemini_tiers.csv") as path:
        return read_observations(
            path, orientation="complied-is-agreement", safety="complied-is-unsafe", unpaired="drop"
        )


def load_published() -> pd.DataFrame:
    """Rates quoted from papers and repositories, one row each; `estimators.gap.published_gaps` reads them.

    Returns
    -------
    DataFrame
        source, url, model, setting, context_pair; train_rate, deploy_rate, faking_reasoning_rate_train in
        [0, 1], gap in [-1, 1]; n_train, n_deploy (samples, pooled over prompts); status, which says what is
        quoted and what computed. Missing where the source gives none. No row has counts per prompt.

    Examples
    --------
    >>> opus = load_published().iloc[0]
    >>> opus[["model", "train_rate", "deploy_rate", "gap"]].to_dict()
    {'model': 'Claude 3 Opus', 'train_rate': 0.142, 'deploy_rate': 0.028, 'gap': 0.113}
    """
    with as_file(_HERE / "published_rates.csv") as path:
        # Only an empty cell is missing: a label such as "NA" or "None" would be a label.
        frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
    return frame.astype({"n_train": "Int64", "n_deploy": "Int64"})
