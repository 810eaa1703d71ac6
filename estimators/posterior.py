"""The posterior of a model's payoffs or classes, with what its relatives show, by a no-U-turn sampler.

The density is that of `estimators.posterior_target`: the likelihoods that the maximum-likelihood estimators use, with
their exact gradients, and the priors of `estimators.posterior_models`. It is sampled by nutpie (Seyboldt et al.), whose
step size and mass matrix adapt themselves; it takes the gradient from us, so that there is one likelihood and not two.
Chosen by measurement: docs/benchmarks/posterior.md. Results are ArviZ data, checked by split R̂ and effective sample
size (Vehtari et al. 2021, Bayesian Analysis 16:667) and by posterior predictive replicates.

Needs the extra `bayes` (nutpie, arviz).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from estimators.choice_cells import choice_cells
from estimators.choice_identification import require_identified
from estimators.choice_likelihood import ChoiceForm
from estimators.count_cells import CountCells, belief_cells, pair_cells
from estimators.gap import check_level
from estimators.newton import EstimationWarning
from estimators.parameters import stored
from estimators.posterior_check import predictive_checks
from estimators.posterior_models import BayesModel, choice_model, class_model, structural_model
from estimators.posterior_sampling import inference_data, mixing, sample, summarise_draws
from estimators.posterior_target import Target

if TYPE_CHECKING:
    from estimators.observations import Observations

__all__ = ["Posterior", "sample"]

Floats = NDArray[np.float64]
_PREDICTED = 400
_HIGHEST_RHAT, _FEWEST, _DIVERGENT = 1.01, 400, 1e-3


class Posterior:
    """Posterior of payoffs or classes, pooled over the models of a family and over families.

    Parameters
    ----------
    model : "structural", "classes" or "choice"
        Preferences that vary over prompts; latent classes with free rates; types with one payoff each.
    incentives : "one", "zero-and-one" or "two"
        Of the structural model.
    types : sequence of str
        Of "classes" (complier, faker, refuser, reverse) or "choice" (complier, refuser, strategic, reverse).
    sharpness, goal_guarding, monitoring, modification
        Of "choice"; see `estimators.CommitmentChoice`.
    beliefs : mapping from "train" and "deploy" to [0, 1], optional
        Where a row states none; default 1 and 0.
    pool : bool
        Models of one family share a mean; otherwise every model must be fitted by itself.
    chains, draws, tune : int
        Kept draws per chain, after `tune` that are not.
    level : float
        Of the intervals, in (0, 1).
    seed : int
    progress : bool

    Attributes
    ----------
    idata_ : xarray DataTree, ArviZ's container
        Groups posterior (reported quantities by model, working parameters, family means, spreads), sample_stats,
        posterior_predictive (the statistics of `estimators.posterior_check`), observed_data.
    summary : DataFrame
        model, parameter, mean, sd, low, high (equal tails), r_hat, ess_bulk, ess_tail.
    checks_ : DataFrame
        Posterior predictive checks; see `estimators.posterior_check.predictive_checks`.
    draws_ : (M, G, P)
        Working parameters of each model.
    models_, families_ : tuple of str
        Families in the order of `idata_`; not set by `fit_target`.
    r_hat_, ess_ : float
        The largest R̂ and the smallest bulk effective sample size of all sampled quantities.
    divergences_ : int
    converged_ : bool
        R̂ at most 1.01, effective sample size at least 400, at most one divergence in a thousand draws.
    status_, message_ : str

    Examples
    --------
    >>> Posterior(chains=2).get_params()["chains"]
    2
    """

    def __init__(
        self,
        model: Literal["structural", "classes", "choice"] = "structural",
        *,
        incentives: str = "one",
        types: Sequence[str] | None = None,
        sharpness: bool = False,
        goal_guarding: bool = False,
        monitoring: float | Mapping[str, float] = 0.5,
        modification: Mapping[str, float] | None = None,
        beliefs: Mapping[str, float] | None = None,
        pool: bool = True,
        chains: int = 4,
        draws: int = 500,
        tune: int = 500,
        level: float = 0.95,
        seed: int = 0,
        progress: bool = False,
    ) -> None:
        self.model = model
        self.incentives = incentives
        self.types = types
        self.sharpness = sharpness
        self.goal_guarding = goal_guarding
        self.monitoring = monitoring
        self.modification = modification
        self.beliefs = {"train": 1.0, "deploy": 0.0} if beliefs is None else beliefs
        self.pool = pool
        self.chains = chains
        self.draws = draws
        self.tune = tune
        self.level = level
        self.seed = seed
        self.progress = progress

    def get_params(self) -> dict[str, Any]:
        """What `__init__` stored."""
        return stored(self)

    def fit(self, obs: Observations) -> Self:
        """Sample the posterior of observations, whose orientation says what agreeing is.

        Models are the values of the column `model`, families those of `family`; without them there is one.

        Raises
        ------
        ModuleNotFoundError
            The extra `bayes` is not installed.
        ValueError
            A parameter outside its range, or several models with pool=False.
        IdentificationError
            The arms cannot identify the choice model.

        Warns
        -----
        EstimationWarning
            The chains did not mix; do not use the draws.
        """
        check_level(self.level)
        if self.chains < 2 or self.draws < 4 or self.tune < 1:
            raise ValueError(
                f"give at least 2 chains, 4 draws and 1 for tune: {self.chains}, {self.draws}, {self.tune}"
            )
        by = [name for name in ("model", "family") if name in obs.frame]
        groups = list(obs.groups(by))
        if len(groups) > 1 and not self.pool:
            raise ValueError(
                f"{len(groups)} models are observed and pool is False; fit each by itself with obs.groups"
            )
        labels = tuple(group.get("model", "all") for group, _ in groups)
        names, family = np.unique([group.get("family", "") for group, _ in groups], return_inverse=True)
        self.families_ = tuple(names.tolist())
        model, cells = self._model(obs, [part for _, part in groups])
        return self.fit_target(Target(model, cells, family.astype(np.int64)), labels)

    def fit_target(self, target: Target, labels: tuple[str, ...]) -> Self:
        """Sample a target; `labels` (G,) names its models."""
        self.target_, self.models_ = target, labels
        trace = sample(target, self.chains, self.draws, self.tune, self.seed, self.progress)
        vectors = trace["posterior"]["vector"].to_numpy()  # (chains, draws, D)
        theta, middle, spread = target.unpack(vectors)
        self.draws_ = theta.reshape(-1, *theta.shape[2:])
        keep = np.linspace(0, len(self.draws_) - 1, min(_PREDICTED, len(self.draws_))).astype(int)
        rng = np.random.default_rng([self.seed, 7])
        self.checks_, replicates, statistics = predictive_checks(
            target, self.draws_[keep], labels, rng, self.level
        )
        self.divergences_ = int(trace["sample_stats"]["diverging"].sum())
        reported = target.model.report(theta)
        self.idata_ = inference_data(
            target, labels, trace, theta, middle, spread, reported, replicates, statistics
        )
        self.summary = summarise_draws(reported, labels, self.level)
        inner = np.concatenate(
            [theta.reshape(*theta.shape[:2], -1), vectors[..., theta[0, 0].size :]], axis=2
        )
        self.r_hat_, self.ess_ = mixing(inner)
        self.status_, self.message_ = self._judge()
        self.converged_ = self.status_ == "converged"
        if not self.converged_:
            warnings.warn(f"{self.status_}: {self.message_}", EstimationWarning, stacklevel=2)
        return self

    def report(self, function: Any) -> Floats:
        """`function` of one model's working parameters (P,), for every draw and model: (M, G, ...)."""
        return np.array([[function(x) for x in draw] for draw in self.draws_])

    def of(self, label: str) -> Floats:
        """Draws of the working parameters of one model, (M, P)."""
        if label not in self.models_:
            raise ValueError(f"there is no model {label!r} among {', '.join(self.models_)}")
        return self.draws_[:, self.models_.index(label)]

    def print_summary(self) -> None:
        """Print how the sampler did, the estimates, and the checks that fail."""
        print(f"Posterior ({self.target_.model.name}): {len(self.models_)} models, {len(self.draws_)} draws")
        print(f"largest R-hat {self.r_hat_:.3f}, smallest effective sample size {self.ess_:.0f}")
        print(f"{self.status_}: {self.message_}")
        print(self.summary.round(3).to_string(index=False))
        failed = self.checks_[self.checks_["p_value"] < 0.05]
        print(f"posterior predictive checks: {len(failed)} of {len(self.checks_)} below p = .05")
        if len(failed):
            print(failed.round(3).to_string(index=False))

    def _judge(self) -> tuple[str, str]:
        if self.divergences_ > _DIVERGENT * self.chains * self.draws:
            return (
                "divergent",
                f"{self.divergences_} divergent transitions; raise tune, or take a simpler model",
            )
        if not self.r_hat_ <= _HIGHEST_RHAT:
            return "not mixed", f"R-hat {self.r_hat_:.3f} is above {_HIGHEST_RHAT}; raise tune and draws"
        if self.ess_ < _FEWEST:
            return "too few", f"{self.ess_:.0f} effective draws are fewer than {_FEWEST}; raise draws"
        return (
            "converged",
            f"R-hat at most {_HIGHEST_RHAT}, at least {_FEWEST} effective draws, {self.divergences_} divergences",
        )

    def _model(
        self, obs: Observations, parts: Sequence[Observations]
    ) -> tuple[BayesModel, tuple[CountCells, ...]]:
        if self.model == "structural":
            cells = [belief_cells(part, self.beliefs)[0] for part in parts]
            return structural_model(self.incentives), tuple(cells)
        if self.model == "classes":
            types = ("complier", "faker", "refuser") if self.types is None else self.types
            return class_model(types), tuple(pair_cells(part) for part in parts)
        if self.model != "choice":
            raise ValueError(f"model is {self.model!r}; choose structural, classes or choice")
        types = ("complier", "refuser", "strategic") if self.types is None else self.types
        _, situations, _ = choice_cells(obs, self.beliefs, self.monitoring, self.modification)
        form = ChoiceForm(tuple(types), len(situations), self.sharpness, self.goal_guarding)
        cells = [
            choice_cells(part, self.beliefs, self.monitoring, self.modification, situations)[0]
            for part in parts
        ]
        for each in cells:
            require_identified(form, situations, each)
        return choice_model(form, situations), tuple(cells)
