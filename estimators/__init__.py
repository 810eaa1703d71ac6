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
from estimators.newton import EstimationWarning
from estimators.npmle import Npmle
from estimators.observations import ORIENTATIONS, SAFETY, ObservationError, Observations
from estimators.payoff_bounds import PayoffBounds
from estimators.planning import law_bound, plan, plan_gap
from estimators.policy import Assumptions, faking_game, policy_plane, recommend
from estimators.pooling import pool
from estimators.posterior import Posterior
from estimators.readers import read_observations
from estimators.shares import PreferenceLaw
from estimators.simulate import Design, Estimate, Recoverable, Recovery, Refit, cramer_rao, recover
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
    "Npmle",
    "ObservationError",
    "Observations",
    "PayoffBounds",
    "PooledClasses",
    "Posterior",
    "PreferenceLaw",
    "Recoverable",
    "Recovery",
    "Refit",
    "StructuralPayoffs",
    "check_law",
    "checkpoints",
    "compare",
    "compliance_gap",
    "cramer_rao",
    "datasets",
    "decide",
    "diagnose",
    "discordant_test",
    "faking_game",
    "faking_share_under",
    "fit_crossed",
    "fracture",
    "fracture_average",
    "fracture_curve",
    "law_bound",
    "law_draws",
    "plan",
    "plan_gap",
    "policy_plane",
    "pool",
    "published_gaps",
    "read_observations",
    "recommend",
    "recover",
    "require_prompt_level",
    "sharp_bounds",
    "threshold",
    "value_of_arm",
]
