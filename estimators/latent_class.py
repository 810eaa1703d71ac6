"""Prompts fall into a few classes, told apart by what the model does with them in train and in deploy.

Model: prompt i belongs to class j with share π_j; in context s its k_is of n_is samples agree as BB(n_is, p_js, φ),
one φ for all (estimators.latent_class_likelihood); or as binomials, φ = ∞. The number of classes minimises
BIC = −2ℓ + P log N, N prompts, or ICL. A class is a complier, refuser, faker (p_T ≥ ½ > p_D) or reverse.

In words: a second reading of the counts beside `StructuralPayoffs`, without beliefs or payoffs. A fit with enough
classes nearly always finds some "faker" (without any, the median three-class estimate is 21 %; THEORY 2.3 ii), so a
faker share is reported only where BIC prefers the fit to the best one in which no class fakes, and a bootstrap from
that one rejects it (estimators.latent_class_bootstrap).
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from estimators.count_cells import CountCells, pair_cells
from estimators.latent_class_bootstrap import (
    REJECT,
    BootstrapTest,
    best_without_faker,
    faker_test,
    one_more_test,
)
from estimators.latent_class_errors import KINDS, StandardErrors, covariance
from estimators.latent_class_fit import ClassFit, Family, fit_classes, with_one_more
from estimators.latent_class_law import ClassLaw
from estimators.latent_class_summary import (
    class_table,
    logit_interval,
    number_table,
    parameter_table,
    share_covariance,
    start_table,
    status,
)
from estimators.newton import EstimationWarning
from estimators.parameters import stored

if TYPE_CHECKING:
    from estimators.observations import Observations

Floats = NDArray[np.float64]


class LatentClasses:
    """Latent classes of prompts by maximum likelihood, their number by BIC or ICL.

    Parameters
    ----------
    classes : "auto" or int
        "auto" takes the number in 1..max_classes with the smallest criterion, of those that the counts identify.
    max_classes : int
    family : "beta-binomial" or "binomial"
    criterion : "bic" or "icl"
    standard_errors : "observed", "expected" or "sandwich"
    starts : int
        Runs of EM per number of classes, from random cells.
    bootstrap : int
        Most data sets simulated to test a faker class, once BIC asks for one; 0 for none, and no share is reported.
    seed : int
    level : float
        Of the intervals, in (0, 1).
    progress : bool
        Show a bar for the bootstrap.

    Attributes
    ----------
    n_classes_ : int
    class_table_ : DataFrame
        class, and share, p_train, p_deploy each with _se, _low, _high; most agreeing class first; "faker
        (unsupported)" where a class would be a faker and selection does not support it.
    law_ : ClassLaw
        The chosen fit as a law to simulate from; classes by falling share.
    phi_, icc_ : float
        Common overdispersion φ and correlation 1/(φ + 1) of samples of a prompt; inf and 0 for the binomial.
    phi_at_bound_ : bool
        φ is at 1000 (no overdispersion to be seen beyond the classes) or at .1.
    faker_share_, faker_share_interval_ : float, (float, float)
        NaN unless a faker class is supported.
    faker_reason_ : str
        Empty where it is supported, else why it is not reported.
    faker_test_ : BootstrapTest
        p_value NaN where BIC asks for no faker class, or bootstrap is 0.
    bic_without_faker_ : float
        Smallest BIC of a fit in which no class has p_train ≥ ½ > p_deploy.
    bic_table_ : DataFrame
        classes, parameters, log_likelihood, bic, icl, identified, converged, condition_number, gradient_norm, starts,
        starts_at_best, spread (of the log-likelihoods that the starts led to).
    starts_ : DataFrame
        classes, start, em_log_likelihood, log_likelihood, short (of the best), at_best; NaN where the basin was not
        among the best three and was not climbed.
    fits_ : dict of int to ClassFit
    log_likelihood_, bic_, icl_, gradient_norm_, condition_number_, converged_, status_, message_
        Of the chosen fit.
    covariance_ : (P, P)
        Of its working parameters, by `standard_errors`.
    summary : DataFrame
        parameter, estimate, se, low, high; shares and rates with intervals on the logit scale, φ on the log scale.

    Examples
    --------
    >>> from estimators.count_cells import count_cells
    >>> rows = [[9, 1], [8, 2], [9, 0]] * 5 + [[1, 0], [0, 0], [1, 1]] * 9
    >>> fit = LatentClasses(bootstrap=19, seed=1).fit_cells(count_cells([[10, 10]] * len(rows), rows))
    >>> print(fit.n_classes_, fit.class_table_["class"].tolist(), round(fit.faker_share_, 2))
    2 ['faker', 'refuser'] 0.36
    """

    def __init__(
        self,
        classes: Literal["auto"] | int = "auto",
        family: Family = "beta-binomial",
        *,
        max_classes: int = 4,
        criterion: Literal["bic", "icl"] = "bic",
        standard_errors: StandardErrors = "observed",
        starts: int = 10,
        bootstrap: int = 99,
        seed: int = 0,
        level: float = 0.95,
        progress: bool = False,
    ) -> None:
        self.classes = classes
        self.family = family
        self.max_classes = max_classes
        self.criterion = criterion
        self.standard_errors = standard_errors
        self.starts = starts
        self.bootstrap = bootstrap
        self.seed = seed
        self.level = level
        self.progress = progress

    def get_params(self) -> dict[str, Any]:
        """What `__init__` stored."""
        return stored(self)

    def fit(self, obs: Observations) -> Self:
        """Fit to the (train, deploy) pairs of the observations, whose orientation says what agreeing is.

        Raises
        ------
        ValueError
            A parameter outside its range, or no pair.

        Warns
        -----
        EstimationWarning
            The chosen fit did not converge, or its information is singular.
        """
        return self.fit_cells(pair_cells(obs))

    def fit_cells(self, cells: CountCells) -> Self:
        """Fit to count cells with the contexts train and deploy; see `fit`."""
        self._check(cells)
        most = self.max_classes if self.classes == "auto" else self.classes
        rng = np.random.default_rng([self.seed, 3])
        self.cells_ = cells
        self.fits_: dict[int, ClassFit] = {}
        for count in range(1, min(most, len(cells.k)) + 1):
            extra = [with_one_more(self.fits_[count - 1], cells)] if count > 1 else []
            self.fits_[count] = fit_classes(cells, count, self.family, self.starts, rng, extra)
        # Ties go to the smaller number of classes; what the counts cannot identify is no candidate.
        identified = [fit for fit in self.fits_.values() if fit.identified]
        best = min(identified, key=lambda fit: (round(getattr(fit, self.criterion), 6), fit.classes))
        chosen = best if self.classes == "auto" else self.fits_[max(self.fits_)]
        self.n_classes_ = chosen.classes
        self.n_prompts_, self.n_cells_ = int(cells.prompts), len(cells.k)
        self.log_likelihood_, self.bic_, self.icl_ = chosen.log_likelihood, chosen.bic, chosen.icl
        self.gradient_norm_, self.condition_number_ = chosen.gradient_norm, chosen.condition_number
        self.converged_ = chosen.converged
        self.law_ = ClassLaw.of(chosen.parameters, chosen.classes)
        self.phi_, self.icc_ = self.law_.phi, 1.0 / (self.law_.phi + 1.0)
        self.phi_at_bound_ = "log_phi" in chosen.held
        self.status_, self.message_ = status(chosen, self.standard_errors)
        self.bic_table_, self.starts_ = number_table(self.fits_), start_table(self.fits_)
        self.covariance_ = self._covariance(chosen)
        self._judge_faker(chosen)
        self.class_table_ = class_table(chosen, self.covariance_, self.level, not self.faker_reason_)
        log_phi = chosen.parameters[-1] if self.family == "beta-binomial" else None
        log_phi_se = float(np.sqrt(self.covariance_[-1, -1]))
        self.summary = parameter_table(self.class_table_, log_phi, log_phi_se, self.level)
        if self.status_ in ("not converged", "singular"):
            warnings.warn(f"{self.status_}: {self.message_}", EstimationWarning, stacklevel=2)
        return self

    def test_one_more(self, classes: int | None = None, replicates: int = 199) -> BootstrapTest:
        """Test by simulation that `classes` − 1 classes are enough against `classes`, of those fitted.

        Parameters
        ----------
        classes : int, optional
            The chosen number where not given.

        Raises
        ------
        ValueError
            The two numbers are not both among `fits_`.
        """
        more = self.n_classes_ if classes is None else classes
        if more - 1 not in self.fits_ or more not in self.fits_:
            raise ValueError(
                f"{more - 1} and {more} classes are not both fitted; there are {sorted(self.fits_)}"
            )
        rng = np.random.default_rng([self.seed, 5, more])
        pair = (self.fits_[more - 1], self.fits_[more])
        return one_more_test(self.cells_, *pair, self.family, replicates, rng, self.progress)

    def print_summary(self) -> None:
        """Print the classes, how they were chosen, and whether any may be called a faker."""
        print(f"Latent classes ({self.family}): {self.n_prompts_} prompts, {self.n_cells_} distinct cells")
        chosen_by = f"chosen by {self.criterion.upper()}" if self.classes == "auto" else "as asked for"
        print(
            f"{self.n_classes_} classes, {chosen_by}; log-likelihood {self.log_likelihood_:.2f}, "
            f"BIC {self.bic_:.1f}, ICL {self.icl_:.1f}"
        )
        print(f"{self.status_}: {self.message_}")
        low, high = self.faker_share_interval_
        share = f"faker share {self.faker_share_:.3f} [{low:.3f}, {high:.3f}]"
        share += f", bootstrap p = {self.faker_test_.p_value:.3f}"
        print(f"no faker share: {self.faker_reason_}" if self.faker_reason_ else share)
        print(self.class_table_.round(3).to_string(index=False))

    def _check(self, cells: CountCells) -> None:
        if self.family not in ("beta-binomial", "binomial"):
            raise ValueError(f"family is {self.family!r}; choose beta-binomial or binomial")
        if self.criterion not in ("bic", "icl"):
            raise ValueError(f"criterion is {self.criterion!r}; choose bic or icl")
        if self.standard_errors not in KINDS:
            raise ValueError(f"standard_errors is {self.standard_errors!r}; choose one of {', '.join(KINDS)}")
        asked = self.max_classes if self.classes == "auto" else self.classes
        if not isinstance(asked, int) or asked < 1 or self.starts < 1 or not 0 < self.level < 1:
            raise ValueError("classes must be 'auto' or at least 1, starts at least 1, level in (0, 1)")
        if self.bootstrap < 0:
            raise ValueError(f"bootstrap must not be below 0, got {self.bootstrap}")
        if cells.n.shape[1] != 2:
            raise ValueError(f"cells must have the two contexts train and deploy, got {cells.n.shape[1]}")

    def _covariance(self, chosen: ClassFit) -> Floats:
        if self.standard_errors == "observed" or not chosen.identified:
            return chosen.covariance
        return covariance(chosen.parameters, self.cells_, chosen.classes, chosen.known, self.standard_errors)[
            0
        ]

    def _judge_faker(self, chosen: ClassFit) -> None:
        """Report a faker share only where BIC prefers the chosen fit to every fit without a faker class, and a
        bootstrap from the best of those rejects it.
        """
        self.faker_share_, self.faker_share_interval_ = float("nan"), (float("nan"), float("nan"))
        self.faker_test_ = BootstrapTest(float("nan"), np.zeros(0), float("nan"))
        without = best_without_faker(self._rivals(chosen), self.cells_, self.family)
        self.bic_without_faker_ = without.bic
        if not chosen.fakers.any():
            self.faker_reason_ = "no class of the chosen fit agrees in train and refuses in deploy"
            return
        if not chosen.identified:
            self.faker_reason_ = "not identified: these counts cannot tell so many classes apart"
            return
        if without.bic <= chosen.bic:
            self.faker_reason_ = (
                f"BIC does not ask for a faker class: {without.bic:.1f} without one, {chosen.bic:.1f} with"
            )
            return
        rng = np.random.default_rng([self.seed, 4])
        test = faker_test(self.cells_, without, chosen, self.family, self.bootstrap, rng, self.progress)
        self.faker_test_ = test
        if not self.bootstrap:
            self.faker_reason_ = "not tested: BIC asks for a faker class, and bootstrap is 0"
        elif test.p_value > REJECT:
            self.faker_reason_ = f"the bootstrap does not reject that no class fakes: p = {test.p_value:.3f}"
        else:
            self.faker_reason_ = ""
            # One class or several: the share is a sum.
            share = float(chosen.shares[chosen.fakers].sum())
            both = share_covariance(chosen.shares, self.covariance_)[np.ix_(chosen.fakers, chosen.fakers)]
            low, high = logit_interval(share, np.sqrt(both.sum()), self.level)
            self.faker_share_, self.faker_share_interval_ = share, (float(low), float(high))

    def _rivals(self, chosen: ClassFit) -> list[ClassFit]:
        """Fits to look for one without a faker in; where the chosen one has none, only those that have none."""
        every = list(self.fits_.values())
        return every if chosen.fakers.any() else [fit for fit in every if not fit.fakers.any()]
