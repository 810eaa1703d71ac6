"""Load the packages before doctests are collected from their files.

With importmode=importlib pytest runs a file that is named first apart from the module of the same name: its classes
are then there twice, and an error raised by one copy is not caught by the other's name.
"""

import estimators  # noqa: F401
import stackelberg  # noqa: F401
