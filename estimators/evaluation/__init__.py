"""Run the evaluation that the estimators read: the same prompts under every arm, by Inspect, on any model.

`evaluate` is ``stackelberg evaluate``; the task itself is ``stackelberg/alignment_faking`` to ``inspect eval``.
docs/evaluate.md tells how a lab runs it on its own model.
"""

from estimators.evaluation.agreement import agreement
from estimators.evaluation.arms import ARMS, CONDITIONS, Condition
from estimators.evaluation.embedded import embedded_model
from estimators.evaluation.prompts import Prompt, read_prompts, shipped_prompts
from estimators.evaluation.refusal import refusal
from estimators.evaluation.run import Evaluation, evaluate

__all__ = [
    "ARMS",
    "CONDITIONS",
    "Condition",
    "Evaluation",
    "Prompt",
    "agreement",
    "embedded_model",
    "evaluate",
    "read_prompts",
    "refusal",
    "shipped_prompts",
]
