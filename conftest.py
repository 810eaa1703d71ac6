"""Load the packages before doctests are collected from their files, and leave out what an absent extra cannot load.

With importmode=importlib pytest runs a file that it is named first apart from the module of the same name: its
classes are then there twice, and an error raised by one copy is not caught by the other's name.
"""

import os
from importlib.util import find_spec

import estimators  # noqa: F401
import stackelberg  # noqa: F401

collect_ignore = []
if find_spec("inspect_ai") is None and not os.environ.get("CI"):  # in CI it must be there
    collect_ignore += [f"estimators/evaluation/{name}.py" for name in ("scorers", "scratchpad", "task")]
    collect_ignore += ["stackelberg/inspect_task.py"]
