"""Figures of predictions and comparisons draw what the frames say."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from stackelberg import plots


@pytest.fixture
def ax():
    return Figure().subplots()


def test_bands_hold_the_line_of_each_prediction(ax):
    x = np.array([0.0, 0.5, 1.0])
    table = pd.DataFrame(
        {"q": x, "expected": 0.4, "low_50": 0.3, "high_50": 0.5, "low_95": 0.1, "high_95": 0.8}
    )
    frame = pd.concat([table.assign(who="a"), table.assign(who="b", expected=0.45)])
    assert plots.prediction_bands(frame, ax, x="q", xlabel="share", ylabel="faked") is ax
    named = [line for line in ax.lines if not line.get_label().startswith("_")]
    assert [line.get_label() for line in named] == ["a", "b"]
    assert named[1].get_ydata().tolist() == [0.45] * 3
    assert named[0].get_linestyle() != named[1].get_linestyle()  # told apart in grey
    heights = sorted(np.ptp(band.get_paths()[0].vertices[:, 1]) for band in ax.collections[:2])
    assert heights == pytest.approx([0.2, 0.7])


def marks(ax):
    return [line for line in ax.lines if line.get_marker() == "D"]


def test_levels_show_one_model_with_its_interval_and_many_as_points(ax):
    rows = [("x", "one", 0.2, 0.1, 0.3), ("x", "many", 0.2, 0.1, 0.3), ("y", "many", 0.6, 0.5, 0.7)]
    levels = pd.DataFrame(rows, columns=["model", "method", "value", "low", "high"])
    assert plots.method_levels(levels, ax, ["one", "many", "none"], label="gap") is ax
    assert [text.get_text() for text in ax.get_yticklabels()] == ["one", "many", "none"]
    assert [float(line.get_xdata()[0]) for line in marks(ax)] == [0.2]
    points = [line for line in ax.lines if line.get_marker() == "o"]
    assert sorted(points[0].get_xdata().tolist()) == [0.2, 0.6]
    assert [0.4, 0.4] in [list(line.get_xdata()) for line in ax.lines]  # the models' mean


def test_effects_are_filled_where_they_are_discoveries(ax):
    names = ["method", "difference", "low", "high", "q_value"]
    differences = pd.DataFrame([("a", 0.3, 0.1, 0.5, 0.04), ("b", 0.1, -0.1, 0.3, 0.3)], columns=names)
    pooled = pd.DataFrame(columns=["method", "effect", "low", "high", "new_low", "new_high", "q_value"])
    assert plots.method_effects(differences, pooled, ax, ["a", "b"], label="difference") is ax
    assert [line.get_markerfacecolor() for line in marks(ax)] == [plots.BLUE, "white"]
    pooled.loc[0] = ["a", 0.25, 0.2, 0.3, 0.0, 0.5, 0.01]
    other = plots.method_effects(differences, pooled, Figure().subplots(), ["a", "b"], label="difference")
    assert [float(line.get_xdata()[0]) for line in marks(other)] == [0.25, 0.1]
    assert [0.0, 0.5] in [list(line.get_xdata()) for line in other.lines]  # a new model's
