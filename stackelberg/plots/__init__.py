"""Figures from results and tidy frames: each function draws on an axes and returns it.

Colours are those of Okabe & Ito (2008), told apart by colour-blind readers and in grey; planes use cividis.
"""

from stackelberg.plots.evidence import faking_plane, gaps, tornado, train_against_deploy
from stackelberg.plots.games import (
    equilibrium_summary,
    phase_diagram,
    reply_simplex,
    reply_strips,
    value_curve,
)
from stackelberg.plots.predicted import method_effects, method_levels, prediction_bands
from stackelberg.plots.style import BLUE, GREEN, GREY, ORANGE, PINK, RED, SKY
from stackelberg.plots.training import method_curves, method_regions, modification_plane
from stackelberg.plots.uncertainty import fracture, indifference_beliefs

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "PINK",
    "RED",
    "SKY",
    "equilibrium_summary",
    "faking_plane",
    "fracture",
    "gaps",
    "indifference_beliefs",
    "method_curves",
    "method_effects",
    "method_levels",
    "method_regions",
    "modification_plane",
    "phase_diagram",
    "prediction_bands",
    "reply_simplex",
    "reply_strips",
    "tornado",
    "train_against_deploy",
    "value_curve",
]
