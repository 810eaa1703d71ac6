"""A fitted law becomes follower types for best replies: compliers, refusers, and cells of strategic preferences.

The logit η(β) = μ + βδ + σ(1 + β(ρ − 1)) z of a prompt is zero at z(β) = −(μ + βδ) / (σ(1 + β(ρ − 1))):
preferences with z between z(0) and z(1) comply at one belief and refuse at the other, those beyond do the same at
every belief. A cell is a follower type with preference v = −(μ + σz) and incentive K = δ + (ρ − 1)σz, indifferent at
β* = v/K.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimators.preference import distribution, mean_below
from estimators.shares import LawCells, PreferenceLaw

Floats = NDArray[np.float64]


def strategic_cells(law: PreferenceLaw, count: int = 64) -> LawCells:
    """Cut a law into compliers, refusers and `count` strategic cells per incentive, for best replies.

    All incentives share their thresholds, so that the discrete belief value equals the law's at each of them.

    Parameters
    ----------
    law : PreferenceLaw
    count : int

    Returns
    -------
    LawCells
        prior, preference, incentive, each (cells,); cells without probability are left out.

    Examples
    --------
    >>> law = PreferenceLaw(mu=-1.0, sigma=1.0, deltas=np.array([2.0]), shares=np.array([1.0]))
    >>> strategic_cells(law, count=2).preference.round(2)  # compliers, two cells up to 1 and 2, refusers
    array([-0.53,  1.  ,  2.  ,  2.53])
    """
    standard = distribution(law.preference)
    sigma = max(law.sigma, 1e-12)
    grade = (law.ratio - 1.0) * sigma  # K = δ + grade · z

    def where(belief: Floats, delta: float) -> Floats:
        return np.asarray(-(law.mu + belief * delta) / (sigma + belief * grade))

    thresholds = _shared_thresholds(law, sigma, grade, standard, where, count)
    parts = []
    for delta, share in zip(law.deltas, law.shares, strict=True):
        # From the most willing down, so that preferences v ascend; a cell stands at its strongest.
        z = np.sort(where(np.concatenate([[0.0], thresholds, [1.0]]), delta))[::-1]
        inside = -np.diff(standard.cdf(z))
        prior = np.concatenate([[standard.sf(z[0])], inside, [standard.cdf(z[-1])]])
        ends = -mean_below(law.preference, -z[0]), mean_below(law.preference, z[-1])
        at = np.concatenate([[ends[0]], z[1:], [ends[1]]])
        kept = prior > 1e-15
        parts.append(
            (share * prior[kept] / prior[kept].sum(), -law.mu - sigma * at[kept], delta + grade * at[kept])
        )
    return LawCells(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _shared_thresholds(
    law: PreferenceLaw, sigma: float, grade: float, standard: Any, where: Any, count: int
) -> Floats:
    """Beliefs inside (0, 1) that cut each strategic incentive's preferences into equally likely parts."""
    strategic = np.unique(law.deltas[law.deltas != 0]) if grade == 0 else np.unique(law.deltas)
    # The nodes of an incentive that varies are many, and few cuts of each make enough.
    each = max(1 if len(strategic) <= 2 else 2, count // max(1, len(strategic)))
    inner = np.arange(1, each) / each
    beliefs = []
    for delta in strategic:
        ends = np.sort(standard.cdf(where(np.array([0.0, 1.0]), delta)))
        z = standard.ppf(ends[0] + (ends[1] - ends[0]) * inner)
        with np.errstate(divide="ignore", invalid="ignore"):
            beliefs.append(-(law.mu + sigma * z) / (delta + grade * z))
    cuts = np.concatenate(beliefs) if beliefs else np.zeros(0)
    return np.unique(cuts[(cuts > 0) & (cuts < 1)])
