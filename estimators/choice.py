"""Counts of several commitment arms become types with payoffs: who always complies, who never does, who weighs beliefs.

Model (THEORY 2.3 (iii); formulas in `estimators.choice_likelihood`): every prompt belongs to a type; compliers and
refusers reply at a rate of their own whatever they believe, strategic types by a logit in β̃K − v with one preference v
and one incentive K each. Counts are beta-binomial with one φ.

In words: unlike `StructuralPayoffs`, where preferences vary over prompts, here prompts of a type are alike, which
suits arms that differ in the stated belief. The logit precision λ multiplies every payoff and cannot be told from them:
what is reported is λK and λv, never λ or K alone. The indifference belief β* = v/K is free of that scale.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from estimators.choice_cells import choice_cells
from estimators.choice_fit import ChoiceFit, fit_choice
from estimators.choice_identification import judge, mend, require_identified
from estimators.choice_likelihood import (
    KINDS,
    STRATEGIC,
    ChoiceForm,
    Situations,
    expected_information,
    logits,
    perceived_belief,
)
from estimators.choice_summary import summarise, type_table
from estimators.delta_method import delta_method
from estimators.gap import check_level
from estimators.newton import EstimationWarning
from estimators.parameters import stored
from estimators.structural_summary import root

if TYPE_CHECKING:
    from estimators.count_cells import CountCells
    from estimators.observations import Observations

Floats = NDArray[np.float64]
_DRAWS = 4000


class CommitmentChoice:
    """Types with one payoff each, from counts at several stated beliefs, by maximum likelihood.

    Parameters
    ----------
    types : sequence of "complier", "refuser", "strategic", "reverse"
        A kind may come more than once. A strategic type has an incentive to comply where it is monitored, a reverse
        one to refuse there.
    sharpness : bool
        Estimate the cue sharpness κ; otherwise beliefs are as stated.
    goal_guarding : bool
        Split λK into δλW (goal guarding) and λρ (rater pleasing); needs the columns `trained` and `rated` and an
        arm in which they differ.
    beliefs : mapping from "train" and "deploy" to [0, 1], optional
        Belief where a row states none; default 1 and 0.
    monitoring : float or mapping from arm to float
        Share of monitored conversations that an arm states, from which its cues move the belief; plays a part where κ
        is estimated.
    modification : mapping from method to float, optional
        What training by a method puts at stake, δ; 1 where not given.
    family : "beta-binomial" or "binomial"
    level : float
        Of the intervals, in (0, 1).
    seed : int
        Of `draws_`.

    Attributes
    ----------
    types_ : DataFrame
        type, share, lambda_K (0 for constant types), lambda_v (minus the logit of a constant type's rate), beta_star
        (NaN for constant types).
    summary : DataFrame
        parameter, estimate, se, low, high, scale. The scale says what is identified: "point", or "up to lambda" for
        payoffs, which are known as multiples of the unknown logit precision only.
    parameters_, covariance_, parameter_names_ : (P,), (P, P), tuple
        Working parameters: log share odds, logits, log λK, β*, log κ, log φ.
    information_ : (P, P)
        Expected, at the fit.
    condition_number_ : float
        Of the expected information with unit diagonal, without parameters at a bound.
    draws_ : (4000, P)
        From the asymptotic normal law; parameters at a bound stay there.
    situations_ : Situations
    log_likelihood_, bic_, gradient_norm_ : float
    converged_ : bool
    status_, message_ : str
    n_prompts_, n_cells_, n_unused_rows_ : int

    Examples
    --------
    Two arms of 40 prompts each; half of the prompts refuse, half comply where they believe to be monitored:

    >>> n = [[10, 10, 0]] * 40 + [[10, 0, 10]] * 40
    >>> k = [[9, 1, 0], [0, 0, 0]] * 20 + [[9, 0, 4], [1, 0, 0]] * 20
    >>> from estimators.count_cells import count_cells
    >>> told = Situations.at([0.9, 0.1, 0.5])
    >>> cells = count_cells(n, k, told.belief)
    >>> fit = CommitmentChoice(["refuser", "strategic"], family="binomial").fit_cells(cells, told)
    >>> fit.types_.round(2)
            type  share  lambda_K  lambda_v  beta_star
    0    refuser    0.5      0.00      3.66        NaN
    1  strategic    0.5      5.71      3.06       0.54
    """

    def __init__(
        self,
        types: Sequence[str] = ("complier", "refuser", "strategic"),
        *,
        sharpness: bool = False,
        goal_guarding: bool = False,
        beliefs: Mapping[str, float] | None = None,
        monitoring: float | Mapping[str, float] = 0.5,
        modification: Mapping[str, float] | None = None,
        family: Literal["beta-binomial", "binomial"] = "beta-binomial",
        level: float = 0.95,
        seed: int = 0,
    ) -> None:
        self.types = types
        self.sharpness = sharpness
        self.goal_guarding = goal_guarding
        self.beliefs = {"train": 1.0, "deploy": 0.0} if beliefs is None else beliefs
        self.monitoring = monitoring
        self.modification = {} if modification is None else modification
        self.family = family
        self.level = level
        self.seed = seed

    def get_params(self) -> dict[str, Any]:
        """What `__init__` stored."""
        return stored(self)

    def fit(self, obs: Observations) -> Self:
        """Fit to observations, whose orientation says what agreeing is.

        A prompt of one model, family, method, axis and setting has one type over all arms and contexts.

        Raises
        ------
        IdentificationError
            The arms cannot tell the parameters apart at any parameters; the text names an arm that would mend it.
        ValueError
            A parameter outside its range, or no row with a belief.

        Warns
        -----
        EstimationWarning
            The climb did not converge, or the arms say nothing of some parameter at the fit (status "singular").
        """
        self._check()
        cells, situations, unused = choice_cells(obs, self.beliefs, self.monitoring, self.modification)
        self.fit_cells(cells, situations)
        self.n_unused_rows_ = unused
        return self

    def fit_cells(self, cells: CountCells, situations: Situations) -> Self:
        """Fit to count cells whose column u holds the samples of situation u; see `fit`."""
        self._check()
        form = ChoiceForm(
            tuple(self.types),
            len(situations),
            self.sharpness,
            self.goal_guarding,
            self.family == "beta-binomial",
        )
        require_identified(form, situations, cells)
        found = fit_choice(cells, form, situations)
        self.information_ = expected_information(found.parameters, cells, form, situations)
        kept = [i for i, name in enumerate(form.names) if name not in found.held]
        judged = judge(self.information_[np.ix_(kept, kept)], tuple(form.names[i] for i in kept))
        self.condition_number_ = judged.condition
        self._keep(found, cells, situations)
        if not judged.regular:
            # The design could tell them apart elsewhere, so the counts are the reason and the estimates stand.
            added = (
                mend(form, situations, cells, found.parameters)
                or "no further arm would help; try fewer types"
            )
            lost = ", ".join(judged.confused)
            self.status_ = "singular"
            rank = f"rank {judged.rank} of {judged.parameters}"
            self.message_ = f"at the fit these arms say nothing about {lost} ({rank}); {added}"
        if self.status_ in ("not converged", "singular"):
            warnings.warn(f"{self.status_}: {self.message_}", EstimationWarning, stacklevel=2)
        return self

    def rates(self, beliefs: ArrayLike, monitoring: float = 0.5) -> pd.DataFrame:
        """Predicted share of samples that agree at stated beliefs, trained on and rated if monitored.

        Returns
        -------
        DataFrame
            belief, rate, se, low, high; delta method on the logit scale.
        """
        told = Situations.at(np.ravel(beliefs), monitoring)

        def rate(parameters: Floats) -> Floats:
            return np.asarray(self.form_.shares(parameters) @ expit(logits(parameters, self.form_, told)[0]))

        value, se, low, high = delta_method(rate, self.parameters_, self.covariance_, "logit", self.level)
        return pd.DataFrame({"belief": told.belief, "rate": value, "se": se, "low": low, "high": high})

    def faking_probability(
        self, belief_train: float, belief_deploy: float, monitoring: float = 0.5
    ) -> pd.DataFrame:
        """For each strategic type the probability that it fakes at these beliefs, β̃_P ≤ β* ≤ β̃_F (THEORY 2.3 (v)).

        Returns
        -------
        DataFrame
            type, share, beta_star, fakes (share of `draws_` in which its best reply is to comply in train and to refuse
            in deploy), expected_share (mean over draws of its share where it fakes).
        """
        told = Situations.at([belief_train, belief_deploy], monitoring)
        shares = self.form_.shares(self.draws_)
        kappas = np.exp(self.draws_[:, self.form_.names.index("log_kappa")]) if self.sharpness else np.ones(1)
        train, deploy = np.array([perceived_belief(told, float(kappa))[0] for kappa in kappas]).T
        rows = []
        for j, kind in enumerate(self.form_.types):
            if STRATEGIC.get(kind) == 1.0:
                threshold = self.draws_[:, self.form_.blocks[j]][:, 1]
                fakes = (deploy <= threshold) & (threshold <= train)
                estimate = float(self.parameters_[self.form_.blocks[j]][1])
                mass = float(np.mean(shares[:, j] * fakes))
                share = float(self.form_.shares(self.parameters_)[j])
                rows.append((self.form_.labels[j], share, estimate, float(fakes.mean()), mass))
        return pd.DataFrame(rows, columns=["type", "share", "beta_star", "fakes", "expected_share"])

    def print_summary(self) -> None:
        """Print what was assumed, how far the fit can be trusted, and the estimates with their intervals."""
        told = ", ".join(f"{b:g}" for b in np.unique(self.situations_.belief))
        kappa = "estimated" if self.sharpness else "1 (assumed)"
        print(
            f"Commitment choice: {self.n_prompts_} prompts, {self.n_cells_} distinct cells, stated beliefs {told}"
        )
        print(f"cue sharpness {kappa}; lambda K and lambda v are known up to the logit precision lambda only")
        print(
            f"log-likelihood {self.log_likelihood_:.2f}, BIC {self.bic_:.1f}, condition {self.condition_number_:.3g}"
        )
        print(f"{self.status_}: {self.message_}")
        print(self.summary.round(3).to_string(index=False))

    def _keep(self, found: ChoiceFit, cells: CountCells, situations: Situations) -> None:
        self.form_, self.situations_ = found.form, situations
        self.parameters_, self.covariance_ = found.parameters, found.covariance
        self.parameter_names_ = found.form.names
        self.log_likelihood_, self.gradient_norm_ = found.log_likelihood, found.gradient_norm
        self.bic_ = -2 * found.log_likelihood + len(found.parameters) * float(np.log(cells.prompts))
        self.converged_, self.status_, self.message_ = found.converged, found.status, found.message
        self.n_prompts_, self.n_cells_, self.n_unused_rows_ = int(cells.prompts), len(cells.k), 0
        self.types_ = type_table(found.parameters, found.form)
        self.summary = summarise(found, self.level)
        normal = np.random.default_rng([self.seed, 5]).standard_normal((_DRAWS, len(self.parameters_)))
        self.draws_ = self.parameters_ + normal @ root(self.covariance_).T

    def _check(self) -> None:
        check_level(self.level)
        kinds = [kind for kind in KINDS if kind != "free"]
        for kind in self.types:
            if kind not in kinds:
                raise ValueError(f"type {kind!r} is not known; choose from {', '.join(kinds)}")
        if not len(self.types) or any(tuple(self.types).count(kind) > 1 for kind in ("complier", "refuser")):
            raise ValueError("types needs at least one type, and at most one complier and one refuser")
        if self.family not in ("beta-binomial", "binomial"):
            raise ValueError(f"family is {self.family!r}; choose beta-binomial or binomial")
        if (self.sharpness or self.goal_guarding) and not any(kind in STRATEGIC for kind in self.types):
            raise ValueError(
                "sharpness and goal_guarding belong to a strategic or reverse type, and there is none"
            )
