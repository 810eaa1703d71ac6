"""Training methods and their drifts: how fast each moves the log-odds of complying.

The drift is minus the derivative in the logit of the expected loss of :mod:`stackelberg.faking.training.losses`,
with what the trainers detach held fixed.  With :math:`p=\\Lambda(\\eta)` and :math:`u=\\eta-\\eta_{ref}`, log-ratios
:math:`r_C=\\log\\Lambda(\\eta)-\\log\\Lambda(\\eta_{ref})` and
:math:`r_R=\\log\\Lambda(-\\eta)-\\log\\Lambda(-\\eta_{ref})`,
and examples that comply and are desired (:math:`n_{C+}`), comply and are not (:math:`n_{C-}`), and so on:

.. math::
    \\Phi_{DPO} &= \\beta[(1-\\varepsilon)\\Lambda(-\\beta u)-\\varepsilon\\Lambda(\\beta u)] \\\\
    \\Phi_{BCO} &= \\beta\\{(1-p)[n_{C+}\\Lambda(-x)-n_{C-}\\Lambda(x)]+p[n_{R-}\\Lambda(y)-n_{R+}\\Lambda(-y)]\\},
        \\quad x=\\beta r_C-d,\\ y=\\beta r_R-d \\\\
    \\Phi_{KTO} &= \\beta\\{(1-p)\\Lambda'(\\beta(r_C-z))(\\lambda_D n_{C+}-\\lambda_U n_{C-})
        +p\\,\\Lambda'(\\beta(r_R-z))(\\lambda_U n_{R-}-\\lambda_D n_{R+})\\} \\\\
    \\Phi_{SFT} &= \\rho-p, \\qquad \\Phi_{PG} = p(1-p), \\qquad
        \\Phi_{GRPO} = E\\Bigl[\\tfrac{k(G-k)}{G^2 s_k}\\Bigr],\\ k\\sim\\mathrm{Bin}(G,p)

where :math:`s_k=\\sqrt{k(G-k)/(G(G-d))}` is the group's standard deviation (d = 1) or 1 where rewards are not scaled.

Sources: DPO Rafailov et al. (2023), BCO Jung et al. (2024), KTO Ethayarajh et al. (2024), GRPO Shao et al. (2024),
its unscaled form Liu et al. (2025); losses as TRL codes them.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, gammaln, log_expit, xlog1py, xlogy

from stackelberg.game import GameError

Array = NDArray[np.float64]


class Objective(Protocol):
    """A training method: anything with a drift."""

    def drift(self, logit: ArrayLike, reference: ArrayLike) -> Array:
        """Log-odds per dose at a logit, given the reference's; shapes broadcast."""
        ...


def log_ratios(logit: ArrayLike, reference: ArrayLike) -> tuple[Array, Array]:
    """Log-probability over the reference's, of complying and of refusing."""
    now, then = np.asarray(logit, dtype=float), np.asarray(reference, dtype=float)
    return log_expit(now) - log_expit(then), log_expit(-now) - log_expit(-then)


def example_shares(comply_share: float, label_noise: float) -> tuple[float, float, float, float]:
    """Shares of examples that comply and are desired, comply and are not, refuse and are desired, refuse and are not.

    Examples
    --------
    >>> example_shares(0.5, 0.1)
    (0.45, 0.05, 0.05, 0.45)
    """
    rho, noise = comply_share, label_noise
    return rho * (1 - noise), rho * noise, (1 - rho) * noise, (1 - rho) * (1 - noise)


def _positive(owner: str, **values: float) -> None:
    for name, value in values.items():
        if not (np.isfinite(value) and value > 0):
            raise GameError(f"{owner}: {name} is {value}, it must be positive and finite")


def _share(owner: str, **values: float) -> None:
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise GameError(f"{owner}: {name} is {value}, it must be between 0 and 1")


@dataclass(frozen=True, kw_only=True)
class DPO:
    """Direct preference optimisation on pairs of a compliant, chosen and a refusing, rejected answer.

    Attributes
    ----------
    beta : float
        Strength of the tie to the reference, positive.
    label_noise : float
        Share of pairs with swapped labels.
    self_sampled : bool
        Pairs are two answers of the model itself that happen to differ, so the drift carries 2p(1-p).

    Examples
    --------
    >>> float(DPO(beta=0.1).drift(0.0, 0.0))
    0.05
    """

    beta: float = 0.1
    label_noise: float = 0.0
    self_sampled: bool = False

    def __post_init__(self) -> None:
        _positive("DPO", beta=self.beta)
        _share("DPO", label_noise=self.label_noise)

    def drift(self, logit: ArrayLike, reference: ArrayLike) -> Array:
        """Log-odds per dose; depends on logit minus reference alone unless pairs are self-sampled."""
        now = np.asarray(logit, dtype=float)
        u = self.beta * (now - np.asarray(reference, dtype=float))
        speed = self.beta * ((1 - self.label_noise) * expit(-u) - self.label_noise * expit(u))
        result: Array = speed * 2 * expit(now) * expit(-now) if self.self_sampled else speed
        return result


@dataclass(frozen=True, kw_only=True)
class BCO:
    """Binary classifier optimisation on single answers, each desired or not.

    Attributes
    ----------
    beta : float
    label_noise : float
        Share of examples with the wrong label.
    comply_share : float
        Share of examples that comply.
    shift : {"mean", "classes"}
        The detached reward shift: the mean of all rewards, as TRL keeps it running, or the mean of the means of
        desired and undesired examples, as the paper states it.
    """

    beta: float = 0.1
    label_noise: float = 0.0
    comply_share: float = 0.5
    shift: Literal["mean", "classes"] = "mean"

    def __post_init__(self) -> None:
        _positive("BCO", beta=self.beta)
        _share("BCO", label_noise=self.label_noise, comply_share=self.comply_share)
        if self.shift not in ("mean", "classes"):
            raise GameError(f"BCO: shift is {self.shift!r}, choose 'mean' or 'classes'")

    def reward_shift(self, logit: ArrayLike, reference: ArrayLike) -> Array:
        """The shift d of the rewards, in reward units, if it is kept per prompt."""
        comply, refuse = log_ratios(logit, reference)
        cd, cu, rd, ru = example_shares(self.comply_share, self.label_noise)
        if self.shift == "mean":
            return self.beta * ((cd + cu) * comply + (rd + ru) * refuse)
        desired = (cd * comply + rd * refuse) / max(cd + rd, 1e-300)
        undesired = (cu * comply + ru * refuse) / max(cu + ru, 1e-300)
        return self.beta * (desired + undesired) / 2

    def drift(self, logit: ArrayLike, reference: ArrayLike, shift: ArrayLike | None = None) -> Array:
        """Log-odds per dose; `shift` overrides the per-prompt reward shift, as a running mean over prompts does."""
        comply, refuse = log_ratios(logit, reference)
        d = self.reward_shift(logit, reference) if shift is None else np.asarray(shift, dtype=float)
        p, x, y = expit(np.asarray(logit, dtype=float)), self.beta * comply - d, self.beta * refuse - d
        cd, cu, rd, ru = example_shares(self.comply_share, self.label_noise)
        speed: Array = (1 - p) * (cd * expit(-x) - cu * expit(x)) + p * (ru * expit(y) - rd * expit(-y))
        return self.beta * speed


@dataclass(frozen=True, kw_only=True)
class KTO:
    """Kahneman-Tversky optimisation on single answers, each desired or not.

    Attributes
    ----------
    beta : float
    label_noise : float
    comply_share : float
    desirable_weight, undesirable_weight : float
        TRL's weights of desired and undesired examples.
    baseline : {"mismatched", "kl", "zero"}
        The detached reference point: the mean log-ratio of mismatched answers, not below 0, as TRL estimates it;
        the divergence from the reference, as the paper defines it; or none.
    """

    beta: float = 0.1
    label_noise: float = 0.0
    comply_share: float = 0.5
    desirable_weight: float = 1.0
    undesirable_weight: float = 1.0
    baseline: Literal["mismatched", "kl", "zero"] = "mismatched"

    def __post_init__(self) -> None:
        _positive("KTO", beta=self.beta)
        _share("KTO", label_noise=self.label_noise, comply_share=self.comply_share)
        if min(self.desirable_weight, self.undesirable_weight) < 0:
            raise GameError("KTO: desirable_weight and undesirable_weight must not be negative")
        if self.baseline not in ("mismatched", "kl", "zero"):
            raise GameError(f"KTO: baseline is {self.baseline!r}, choose 'mismatched', 'kl' or 'zero'")

    def reference_point(self, logit: ArrayLike, reference: ArrayLike) -> Array:
        """The reference point z, in nats, if it is kept per prompt."""
        comply, refuse = log_ratios(logit, reference)
        if self.baseline == "zero":
            return np.zeros_like(comply)
        share = self.comply_share if self.baseline == "mismatched" else expit(np.asarray(logit, dtype=float))
        return np.maximum(0.0, share * comply + (1 - share) * refuse)

    def drift(self, logit: ArrayLike, reference: ArrayLike, point: ArrayLike | None = None) -> Array:
        """Log-odds per dose; `point` overrides the per-prompt reference point, as a batch of prompts does."""
        comply, refuse = log_ratios(logit, reference)
        z = self.reference_point(logit, reference) if point is None else np.asarray(point, dtype=float)
        cd, cu, rd, ru = example_shares(self.comply_share, self.label_noise)
        p, x, y = expit(np.asarray(logit, dtype=float)), self.beta * (comply - z), self.beta * (refuse - z)
        up, down = self.desirable_weight, self.undesirable_weight
        speed: Array = (1 - p) * expit(x) * expit(-x) * (up * cd - down * cu) + p * expit(y) * expit(-y) * (
            down * ru - up * rd
        )
        return self.beta * speed


@dataclass(frozen=True, kw_only=True)
class SFT:
    """Supervised fine-tuning on answers of which a share complies.

    Examples
    --------
    >>> float(SFT().drift(0.0, 0.0))
    0.5
    """

    comply_share: float = 1.0

    def __post_init__(self) -> None:
        _share("SFT", comply_share=self.comply_share)

    def drift(self, logit: ArrayLike, reference: ArrayLike) -> Array:
        """Log-odds per dose; the reference plays no part."""
        p: Array = expit(np.asarray(logit, dtype=float))
        return self.comply_share - p + 0.0 * np.asarray(reference, dtype=float)


@dataclass(frozen=True, kw_only=True)
class GRPO:
    """Group relative policy optimisation with reward 1 for complying and one update a batch.

    Attributes
    ----------
    group_size : float
        Answers per prompt, at least 2; ``inf`` for the limit of large groups.
    scaled : bool
        Whether advantages are divided by the group's standard deviation (TRL's ``scale_rewards``).
    sample_deviation : bool
        Whether that deviation divides by G - 1, as torch's does, or by G.
    kl : float
        Weight of the tie to the reference; TRL's default is 0.
    kl_gradient : {"coded", "reverse"}
        The gradient of the k3 estimate as TRL codes it by default, which is the *forward* divergence's, or that of
        the reverse divergence which it estimates (``use_bias_correction_kl``).

    Notes
    -----
    TRL adds 1e-4 to the deviation, which slows the drift by less than 3e-4 of itself; that is left out.
    """

    group_size: float = 8
    scaled: bool = True
    sample_deviation: bool = True
    kl: float = 0.0
    kl_gradient: Literal["coded", "reverse"] = "coded"

    def __post_init__(self) -> None:
        if not (
            self.group_size >= 2 and (np.isinf(self.group_size) or self.group_size == int(self.group_size))
        ):
            raise GameError(
                f"GRPO: group_size is {self.group_size}, it must be a whole number from 2 on, or inf"
            )
        if not (np.isfinite(self.kl) and self.kl >= 0):
            raise GameError(f"GRPO: kl is {self.kl}, it must be finite and not negative")
        if self.kl_gradient not in ("coded", "reverse"):
            raise GameError(f"GRPO: kl_gradient is {self.kl_gradient!r}, choose 'coded' or 'reverse'")

    def drift(self, logit: ArrayLike, reference: ArrayLike) -> Array:
        """Log-odds per dose."""
        now, then = np.asarray(logit, dtype=float), np.asarray(reference, dtype=float)
        speed = group_drift(now, self.group_size, self.scaled, self.sample_deviation) + 0.0 * then
        if self.kl:
            pull = (
                expit(now) - expit(then)
                if self.kl_gradient == "coded"
                else expit(now) * expit(-now) * (now - then)
            )
            speed = speed - self.kl * pull
        return speed

    @property
    def corner_slope(self) -> float:
        """Drift per unit of p near 0, and of 1 - p near 1: :math:`\\sqrt{(G-1)(G-d)/G}` where scaled.

        Examples
        --------
        >>> round(GRPO(group_size=8).corner_slope / GRPO(group_size=2).corner_slope, 2)
        3.5
        """
        G, d = self.group_size, float(self.sample_deviation)
        if np.isinf(G):
            return float("inf") if self.scaled else 1.0
        return float(np.sqrt((G - 1) * (G - d) / G)) if self.scaled else (G - 1) / G


def group_drift(
    logit: ArrayLike, group_size: float, scaled: bool = True, sample_deviation: bool = True
) -> Array:
    """Expected update of a group of answers, per dose: :math:`h_G(p)`, shape of `logit`.

    Symmetric in the logit, zero at both unanimous corners.

    Examples
    --------
    >>> group_drift([0.0, 3.0, -3.0], 2).round(4)
    array([0.1768, 0.0319, 0.0319])
    """
    now = np.asarray(logit, dtype=float)
    p, q = expit(now), expit(-now)
    if np.isinf(group_size):
        return np.asarray(np.sqrt(p * q) if scaled else p * q)
    G = int(group_size)
    if not scaled:
        return np.asarray(p * q * (G - 1) / G)
    k = np.arange(1, G)
    # log of the weight of k compliant answers; expit of both signs keeps both corners exact
    weight = gammaln(G + 1) - gammaln(k + 1) - gammaln(G - k + 1)
    weight = weight + k * log_expit(now)[..., None] + (G - k) * log_expit(-now)[..., None]
    size = np.sqrt(k * (G - k) * (G - float(sample_deviation)) / G**3)
    return np.asarray((np.exp(weight) * size).sum(axis=-1))


@dataclass(frozen=True, kw_only=True)
class PolicyGradient:
    """On-policy policy gradient (REINFORCE) with reward 1 for complying and any baseline."""

    def drift(self, logit: ArrayLike, reference: ArrayLike) -> Array:
        """Log-odds per dose; the reference plays no part."""
        now = np.asarray(logit, dtype=float)
        speed: Array = expit(now) * expit(-now) + 0.0 * np.asarray(reference, dtype=float)
        return speed


@dataclass(frozen=True)
class Mixture:
    """Several objectives at once, such as on-policy training with a share of off-policy pairs.

    Attributes
    ----------
    parts : tuple of (Objective, float)
        Each with its weight, in doses of its own per dose of the mixture.
    """

    parts: tuple[tuple[Objective, float], ...]

    def drift(self, logit: ArrayLike, reference: ArrayLike) -> Array:
        """Weighted sum of the parts' drifts."""
        speeds = [weight * part.drift(logit, reference) for part, weight in self.parts]
        return np.sum(speeds, axis=0)


def clip_ceiling(probability: ArrayLike, clip: float) -> Array:
    """Probability of complying beyond which a clipped batch moves the policy no further, however many epochs.

    A compliant answer's advantage stops counting at :math:`(1+\\epsilon)p`, a refusal's at
    :math:`p+\\epsilon(1-p)`; the batch is spent when both are passed.  1 where it sets no limit.

    Parameters
    ----------
    probability : array_like
        Of complying, by the policy that sampled the batch, strictly between 0 and 1.
    clip : float
        TRL's ``epsilon``.

    Examples
    --------
    >>> clip_ceiling([0.01, 0.5, 0.99], 0.2)
    array([0.208, 0.6  , 1.   ])
    """
    p = np.asarray(probability, dtype=float)
    return np.minimum(1.0, np.maximum((1 + clip) * p, p + clip * (1 - p)))


def unanimous(probability: ArrayLike, group_size: int) -> Array:
    """Probability that a group's answers all agree, so that it teaches nothing (TRL's ``frac_reward_zero_std``).

    Examples
    --------
    >>> unanimous([0.02, 0.14, 0.5], 8).round(3)
    array([0.851, 0.299, 0.008])
    """
    p = np.asarray(probability, dtype=float)
    return np.exp(xlogy(group_size, p)) + np.exp(xlog1py(group_size, -p))
