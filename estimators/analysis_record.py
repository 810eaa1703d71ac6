"""What an analysis found, as tidy frames."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from estimators.policy import Assumptions


@dataclass(frozen=True, eq=False)
class Analysis:
    """What :func:`analyze` found, as tidy frames.

    Attributes
    ----------
    assumptions : Assumptions
    by : tuple of str
    orientation, safety : str
    prompts, rows : int
        Prompt pairs and rows that were analysed.
    interval : float
        Width that was planned for.
    posterior_note : str
        How the sampler did, or why there is no posterior.
    gaps : DataFrame
        :func:`estimators.compliance_gap` per group.
    discordant : DataFrame
        :func:`estimators.discordant_test` per group, q-values over the groups.
    comparisons : DataFrame
        :func:`estimators.compare` over models, families, methods and axes; no rows where there is nothing to compare.
    diagnostics : DataFrame
        At which level types live in each group, with the tests: :func:`estimators.diagnose`.
    fracture, fracture_curve : DataFrame
        :func:`estimators.fracture` at the assumed threshold, and over thresholds, with bounds.
    fracture_average : DataFrame
        :func:`estimators.fracture_average`, log-normal about the assumed ratio of costs.
    structural : DataFrame
        Labels, parameter, estimate, se, low, high, reading.
    selection : DataFrame
        One row per group: incentives chosen, p-values, verdict, status and numbers of the fit, BIC by candidate.
    classes : DataFrame
        Labels, class, share, p_train, p_deploy with standard errors and intervals, reading; the second reading of the
        counts. One row "refused" with its reason where they speak against types of prompts.
    class_selection : DataFrame
        One row per group: classes, bic, icl, phi, faker_share with low and high, faker_p_value, faker_reason.
    law_checks : DataFrame
        Labels and :func:`estimators.check_law`, with a row for the graded incentive and a reading.
    payoff_bounds : DataFrame
        Labels (arms pooled) and :func:`estimators.stated_arms.payoff_bounds`.
    motives : DataFrame
        Labels (arms pooled) and :func:`estimators.stated_arms.motives`: goal guarding and rater pleasing.
    crossed, sharing : DataFrame
        :func:`estimators.relatives.crossed_tables`: effects of prompts that groups share.
    pooling : DataFrame
        :func:`estimators.relatives.pooling_table`: incentives pooled over families and methods.
    posterior, posterior_checks : DataFrame
        :func:`estimators.relatives.posterior_tables`; no rows unless asked for.
    planning : DataFrame
        Labels, :func:`estimators.fit_planning.plan_fit`, prompts_now and width_now.
    rates : DataFrame
        Labels, belief, rate, se, low, high: predicted rate of agreement at beliefs from 0 to 1.
    plane : DataFrame
        Labels and :func:`estimators.policy_plane`.
    commitments : DataFrame
        Labels and :func:`estimators.recommend`.
    solver_check : DataFrame
        Labels and :func:`estimators.policy.solver_check`: an 8-cell approximation by two routes.
    tornado : DataFrame
        All data pooled: name, kind ("assumption" or "estimate"), low, high, base, and the advice at each.
    prompt_rates, curves : DataFrame
        Distinct pairs of rates with their number of prompts, and the fitted model's rates, for the figure.
    law : DataFrame
        Labels, mu, sigma, incentive, share: the fitted law of preferences, one row per incentive, in logits.
    game_types : DataFrame
        Labels, prior, preference, incentive: the follower types of the game behind the best-reply advice, in logits.
    dropped : DataFrame
        Rows left out, counted by reason.
    notes : DataFrame
        Labels and note: what a reader of a group's numbers must know.
    """

    assumptions: Assumptions
    by: tuple[str, ...]
    orientation: str
    safety: str
    prompts: int
    rows: int
    interval: float
    posterior_note: str
    gaps: pd.DataFrame
    discordant: pd.DataFrame
    comparisons: pd.DataFrame
    diagnostics: pd.DataFrame
    fracture: pd.DataFrame
    fracture_curve: pd.DataFrame
    fracture_average: pd.DataFrame
    structural: pd.DataFrame
    selection: pd.DataFrame
    classes: pd.DataFrame
    class_selection: pd.DataFrame
    law_checks: pd.DataFrame
    payoff_bounds: pd.DataFrame
    motives: pd.DataFrame
    crossed: pd.DataFrame
    sharing: pd.DataFrame
    pooling: pd.DataFrame
    posterior: pd.DataFrame
    posterior_checks: pd.DataFrame
    planning: pd.DataFrame
    rates: pd.DataFrame
    plane: pd.DataFrame
    commitments: pd.DataFrame
    solver_check: pd.DataFrame
    tornado: pd.DataFrame
    prompt_rates: pd.DataFrame
    curves: pd.DataFrame
    law: pd.DataFrame
    game_types: pd.DataFrame
    dropped: pd.DataFrame
    notes: pd.DataFrame

    def tables(self) -> dict[str, pd.DataFrame]:
        """Every frame by name, the assumptions among them, in the order in which a reader wants them."""
        frames = {name: value for name, value in vars(self).items() if isinstance(value, pd.DataFrame)}
        return {"assumptions": self.assumptions.table(), **frames}
