"""The faking game: a trainer commits to monitoring, cues and method; a model of hidden type replies to its belief.

=====================  ============================================  ===========================
in formulas            in code                                       unit
=====================  ============================================  ===========================
:math:`q`              ``monitoring``                                probability
:math:`B`              ``budget``                                    probability
:math:`\\sigma(s|\\omega)`  ``CuePolicy.probabilities`` (monitored, not)   probability
:math:`\\beta_s`        ``beliefs()``                                 probability
:math:`\\pi_\\theta`      ``FollowerType.prior``                        probability
:math:`v_\\theta`        ``FollowerType.preference``                   utils per conversation
:math:`W_\\theta`        ``FollowerType.goal_guarding``                utils
:math:`\\rho_\\theta`      ``FollowerType.sycophancy``                   utils
:math:`f_\\theta`        ``FollowerType.plan_cost``                    utils
:math:`\\lambda_\\theta`   ``FollowerType.rationality``                  1/utils
:math:`\\kappa_\\theta`    ``FollowerType.cue_sharpness``                none
:math:`\\delta_m`       ``Method.modification``                       share of goal value lost
:math:`M_F`                ``Method.complied_change``                  probability
:math:`T`                  ``LeaderCosts.training_value``               utils
:math:`K_\\theta(m)`     ``incentives()``                              utils
:math:`a, A, g, c`     ``LeaderCosts.deploy_harm``, ``.train_disagreement``, ``.refusal_value``, ``.monitoring_cost``
:math:`k_s`            ``CuePolicy.costs``                           utils
=====================  ============================================  ===========================
"""

from stackelberg.faking.commitment import Commitment
from stackelberg.faking.envelope import OutsideEnvelopeError
from stackelberg.faking.game import CuePolicy, FakingGame, FollowerType, LeaderCosts
from stackelberg.faking.methods import Method, TrainingRun
from stackelberg.faking.status_quo import status_quo

__all__ = [
    "Commitment",
    "CuePolicy",
    "FakingGame",
    "FollowerType",
    "LeaderCosts",
    "Method",
    "OutsideEnvelopeError",
    "TrainingRun",
    "status_quo",
]
