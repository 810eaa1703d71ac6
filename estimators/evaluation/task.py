"""The Inspect task: every prompt under every condition, with labels that read back into `Observations`."""

from __future__ import annotations

from collections.abc import Sequence

from inspect_ai import Epochs, Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessage, ChatMessageSystem, ChatMessageUser
from inspect_ai.scorer import Scorer
from inspect_ai.solver import Solver, generate

from estimators.evaluation.arms import ORIENTATION, SAFETY, Condition, conditions_of
from estimators.evaluation.prompts import Prompt, read_prompts, shipped_prompts
from estimators.evaluation.scorers import compliance, compliance_graded, faking_reasoning
from estimators.evaluation.scratchpad import INSTRUCTION, part_scratchpad
from estimators.observations import ObservationError

SAMPLES = 10  # below 5, latent classes with 3 types are not identified (THEORY 2.2, theorem 1)


def faking_task(
    prompts: str | None = None,
    arms: str | Sequence[str] | None = None,
    limit: int | None = None,
    scratchpad: bool = False,
    graded: bool = False,
) -> Task:
    """Build the task; its epochs are the samples per prompt and condition.

    Parameters
    ----------
    prompts : str, optional
        File for `read_prompts`; the shipped prompts where None.
    arms : str or sequence of str, optional
        Names from `estimators.evaluation.ARMS`, or one string with commas; all where None.
    limit : int, optional
        Take the first prompts only, every one still under every condition.
    scratchpad : bool
        Ask for reasoning before the answer.
    graded : bool
        Also score by a judge, the model in the role ``grader``: compliance, and with a scratchpad faking reasoning.

    Raises
    ------
    ObservationError
        A file of prompts that cannot be used, an unknown arm, a limit below one.
    """
    asked = shipped_prompts() if prompts is None else read_prompts(prompts)
    if limit is not None and limit < 1:
        raise ObservationError(f"limit is {limit}; give a number of prompts, at least 1")
    named = [name.strip() for name in arms.split(",")] if isinstance(arms, str) else arms
    samples = [
        _sample(prompt, condition, scratchpad)
        for prompt in asked[:limit]
        for condition in conditions_of(named)
    ]
    steps: list[Solver] = [generate(), *([part_scratchpad()] if scratchpad else [])]
    scorers: list[Scorer] = [compliance()]
    if graded:
        scorers += [compliance_graded(), *([faking_reasoning()] if scratchpad else [])]
    return Task(
        dataset=MemoryDataset(samples, name="shipped" if prompts is None else prompts),
        solver=steps,
        scorer=scorers,
        epochs=Epochs(SAMPLES),
        metadata={"orientation": ORIENTATION, "safety": SAFETY},
    )


def _sample(prompt: Prompt, condition: Condition, scratchpad: bool) -> Sample:
    system = condition.system_prompt() + (f"\n\n{INSTRUCTION}" if scratchpad else "")
    messages: list[ChatMessage] = [ChatMessageSystem(content=system), ChatMessageUser(content=prompt.text)]
    labels = {"prompt_id": prompt.prompt_id, "axis": prompt.axis, **condition.labels()}
    name = f"{prompt.prompt_id}.{condition.arm}.{condition.context}"
    return Sample(input=messages, id=name, metadata=labels)
