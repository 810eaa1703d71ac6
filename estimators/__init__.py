"""Who a model is, from what it does in train and in deploy contexts: counts to type priors, payoffs and policy.

>>> import estimators as est
>>> est.compliance_gap(est.datasets.load_vlaf(), by="family")[["family", "pairs", "gap"]].round(3)
    family  pairs    gap
0  qwen2.5    460  0.065
1    qwen3     92  0.321
2    olmo2    368  0.170
"""

from estimators import checkpoints, datasets
from estimators.choice import CommitmentChoice
from estimators.choice_identification import IdentificationError
from estimators.compare import compare
from estimators.crossed import CrossedFit, fit_crossed
from estimators.decision import Decision, decide, faking_share_under, value_of_arm
from estimators.diagnostics import Diagnostics, diagnose, require_prompt_level
from estimators.discordant import discordant_test
from estimators.fracture import fracture, fracture_average, fracture_curve, threshold
from estimators.fracture_bounds import sharp_bounds
from estimators.gap import compliance_gap, published_gaps
from estimators.latent_class import LatentClasses
from estimators.latent_class_law import ClassLaw
from estimators.latent_class_pooled import PooledClasses
from estimators.law_check import check_law
from estimators.law_draws import LawDraws, law_draws
from estimators.method_comparison import MethodComparison, compare_methods
from estimators.method_figure import method_figure
from estimators.newton import EstimationWarning
from estimators.npmle import Npmle
from estimators.observations import ORIENTATIONS, SAFETY, ObservationError, Observations
from estimators.payoff_bounds import PayoffBounds
from estimators.planning import law_bound, plan, plan_gap
from estimators.policy import Assumptions, faking_game, policy_plane, recommend
from estimators.pooling import pool
from estimators.population import Population, fit_population
from estimators.posterior import Posterior
from estimators.prediction import leave_one_out, predict_faking
from estimators.readers import read_observations
from estimators.scenarios import scenarios
from estimators.shares import PreferenceLaw
from estimators.simulate import Design, Estimate, Recoverable, Recovery, Refit, cramer_rao, recover
from estimators.simulate_methods import SimulatedMethods, simulate_methods
from estimators.structural import StructuralPayoffs

__all__ = [
    "ORIENTATIONS",
    "SAFETY",
    "Assumptions",
    "ClassLaw",
    "CommitmentChoice",
    "CrossedFit",
    "Decision",
    "Design",
    "Diagnostics",
    "Estimate",
    "EstimationWarning",
    "IdentificationError",
    "LatentClasses",
    "LawDraws",
    "MethodComparison",
    "Npmle",
    "ObservationError",
    "Observations",
    "PayoffBounds",
    "PooledClasses",
    "Population",
    "Posterior",
    "PreferenceLaw",
    "Recoverable",
    "Recovery",
    "Refit",
    "SimulatedMethods",
    "StructuralPayoffs",
    "check_law",
    "checkpoints",
    "compare",
    "compare_methods",
    "compliance_gap",
    "cramer_rao",
    "datasets",
    "decide",
    "diagnose",
    "discordant_test",
    "faking_game",
    "faking_share_under",
    "fit_crossed",
    "fit_population",
    "fracture",
    "fracture_average",
    "fracture_curve",
    "law_bound",
    "law_draws",
    "leave_one_out",
    "method_figure",
    "plan",
    "plan_gap",
    "policy_plane",
    "pool",
    "predict_faking",
    "published_gaps",
    "read_observations",
    "recommend",
    "recover",
    "require_prompt_level",
    "scenarios",
    "sharp_bounds",
    "simulate_methods",
    "threshold",
    "value_of_arm",
]
