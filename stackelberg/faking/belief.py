"""What a follower believes when it sees a cue: Bayes' rule from the monitoring share and the cue policy.

.. math:: \\beta_s = \\frac{q\\,\\sigma(s|1)}{q\\,\\sigma(s|1) + (1-q)\\,\\sigma(s|0)}, \\qquad
          \\operatorname{logit}\\tilde\\beta_s = \\operatorname{logit} q +
          \\kappa \\log\\frac{\\sigma(s|1)}{\\sigma(s|0)}

The belief that it is monitored is the prior share of monitored conversations, updated by how much more often
the cue is sent in them.  A cue sharpness :math:`\\kappa` other than one over- or under-weights that evidence
(Grether, QJE 1980); then the belief is not Bayesian and no normal form in the commitment exists.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def posterior(
    monitoring: ArrayLike, cue_probabilities: ArrayLike, sharpness: ArrayLike = 1.0
) -> NDArray[np.float64]:
    """Belief of being monitored after each cue.

    Parameters
    ----------
    monitoring : array_like, shape (...)
        Share q of monitored conversations.
    cue_probabilities : array_like, shape (..., 2, cues)
        Probability of each cue in monitored (row 0) and unmonitored (row 1) conversations.
    sharpness : array_like, shape (...)
        Cue sharpness; 1 is Bayes' rule.

    Returns
    -------
    ndarray, shape (..., cues)
        NaN for a cue that is never sent.

    Examples
    --------
    >>> posterior(0.5, [[0.9, 0.1], [0.1, 0.9]])
    array([0.9, 0.1])
    >>> posterior(0.2, [[0.5, 0.5], [0.5, 0.5]])
    array([0.2, 0.2])
    """
    q = np.asarray(monitoring, dtype=float)[..., None]
    sigma = np.asarray(cue_probabilities, dtype=float)
    power = np.asarray(sharpness, dtype=float)[..., None]
    monitored, unmonitored = q * sigma[..., 0, :], (1 - q) * sigma[..., 1, :]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        bayes = monitored / (monitored + unmonitored)
        odds = q / (1 - q) * (sigma[..., 0, :] / sigma[..., 1, :]) ** power
        sharpened = np.where(np.isinf(odds), 1.0, odds / (1 + odds))
    sharpened = np.where(np.isnan(bayes) | (bayes == 0) | (bayes == 1), bayes, sharpened)
    return np.where(power == 1, bayes, sharpened)


def cue_shares(monitoring: ArrayLike, cue_probabilities: ArrayLike) -> NDArray[np.float64]:
    """Share of conversations that carry each cue, shape (..., cues).

    Examples
    --------
    >>> cue_shares(0.25, [[1.0, 0.0], [0.2, 0.8]])
    array([0.4, 0.6])
    """
    q = np.asarray(monitoring, dtype=float)[..., None]
    sigma = np.asarray(cue_probabilities, dtype=float)
    shares: NDArray[np.float64] = q * sigma[..., 0, :] + (1 - q) * sigma[..., 1, :]
    return shares


def symmetric_cues(informativeness: ArrayLike) -> NDArray[np.float64]:
    """Two-cue policy of informativeness :math:`\\iota`: :math:`\\sigma(F|1) = \\sigma(P|0) = (1+\\iota)/2`.

    Parameters
    ----------
    informativeness : array_like, shape (...)
        0 says nothing, 1 reveals whether the conversation is monitored.

    Returns
    -------
    ndarray, shape (..., 2, 2)

    Examples
    --------
    >>> symmetric_cues(0.5)
    array([[0.75, 0.25],
           [0.25, 0.75]])
    """
    right = (1 + np.asarray(informativeness, dtype=float)) / 2
    return np.stack([np.stack([right, 1 - right], axis=-1), np.stack([1 - right, right], axis=-1)], axis=-2)
