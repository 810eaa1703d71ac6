"""What Inspect finds under our name: ``inspect eval stackelberg/alignment_faking --model …``.

Like the command line, this module composes both packages, and nothing imports it but Inspect's entry point and
`estimators.evaluation`, by that name.
"""

from collections.abc import Sequence

from inspect_ai import Task, task

from estimators.evaluation.task import faking_task


@task
def alignment_faking(
    prompts: str | None = None,
    arms: str | Sequence[str] | None = None,
    limit: int | None = None,
    scratchpad: bool = False,
    graded: bool = False,
) -> Task:
    """Ask every prompt under every arm; see `estimators.evaluation.task.faking_task` for the arguments."""
    return faking_task(prompts, arms, limit, scratchpad, graded)
