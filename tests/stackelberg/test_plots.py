"""Plots draw the frame that they are given on the axes that they are given, and return it."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from stackelberg import plots


@pytest.fixture
def ax():
    return Figure().subplots()


def test_gaps_show_every_row_with_its_interval(ax):
    frame = pd.DataFrame({"gap": [0.1, -0.2, 0.3], "low": [0.0, -0.3, np.nan], "high": [0.3, 0.1, np.nan]})
    assert plots.gaps(frame, ax, ["a", "b", "c"]) is ax
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b", "c"]
    (container,) = ax.containers
    points, _, (bars,) = container
    assert points.get_xdata().tolist() == [0.1, -0.2, 0.3]
    ends = [segment[:, 0].tolist() for segment in bars.get_segments()]
    assert ends[:2] == [pytest.approx([0.0, 0.3]), pytest.approx([-0.3, 0.1])]
    assert ends[2] == pytest.approx([0.3, 0.3])  # no interval, no bar


def test_train_against_deploy_shows_prompts_and_one_line_per_incentive(ax):
    prompts = pd.DataFrame({"deploy_rate": [0.0, 0.5], "train_rate": [0.2, 0.9], "prompts": [3, 1]})
    curve = pd.DataFrame(
        {
            "incentive": [0.0, 0.0, 2.0, 2.0],
            "quantile": [0.25, 0.9] * 2,
            "deploy_rate": [0.1, 0.2] * 2,
            "train_rate": 0.5,
        }
    )
    assert plots.train_against_deploy(prompts, curve, ax) is ax
    assert ax.collections[0].get_offsets().tolist() == [[0.0, 0.2], [0.5, 0.9]]
    sizes = ax.collections[0].get_sizes()
    assert sizes[0] > sizes[1]
    labels = [line.get_label() for line in ax.lines if not line.get_label().startswith("_")]
    assert labels == ["0.00", "2.00"]


def test_train_against_deploy_puts_each_class_at_its_rates_with_their_intervals(ax):
    prompts = pd.DataFrame({"deploy_rate": [0.0], "train_rate": [0.2], "prompts": [3]})
    row = {"class": "faker", "share": 0.31, "p_train": 0.9, "p_deploy": 0.2}
    limits = {"p_train_low": 0.8, "p_train_high": 0.95, "p_deploy_low": 0.1, "p_deploy_high": np.nan}
    plots.train_against_deploy(prompts, None, ax, classes=pd.DataFrame([row | limits]))
    (container,) = ax.containers
    point, _, (across, up) = container
    assert point.get_xydata().tolist() == [[0.2, 0.9]]
    assert across.get_segments()[0][:, 0].tolist() == pytest.approx([0.1, 0.2])  # no limit, no bar
    assert up.get_segments()[0][:, 1].tolist() == pytest.approx([0.8, 0.95])
    assert container.get_label() == "faker, 31%"


def test_fracture_shows_the_bounds_that_there_are_around_the_curve(ax):
    curve = pd.DataFrame(
        {"tau": [0.8, 0.2], "fracture": [0.3, 0.4], "fracture_low": 0.2, "fracture_high": 0.5}
    )
    curve = curve.assign(bound_low=[0.0, 0.1], bound_high=[0.6, 0.7])
    average = {
        "fracture": 0.35,
        "fracture_low": 0.3,
        "fracture_high": 0.4,
        "bound_low": 0.2,
        "bound_high": 0.6,
    }
    assert plots.fracture(curve, ax, average=average, tau=0.5) is ax
    band, bar = ax.collections[:2]
    corners = {(0.2, 0.1), (0.2, 0.7), (0.8, 0.0), (0.8, 0.6)}
    assert corners <= {tuple(point) for point in band.get_paths()[0].vertices.tolist()}
    assert bar.get_segments()[0][:, 1].tolist() == [0.2, 0.6]
    drawn = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
    assert drawn["as counted; dashed: 95 % for prompts"] == [[0.2, 0.4], [0.8, 0.3]]
    assert drawn["threshold assumed"][0][0] == 0.5
    middle = ax.containers[0][0].get_xydata()[0]
    assert middle[1] == 0.35
    assert middle[0] > 1  # beside every threshold
    other = Figure().subplots()
    known = pd.DataFrame({"tau": [0.2, 0.8], "fracture": 0.3, "sharp_low": 0.1, "sharp_high": 0.5})
    plots.fracture(known, other)
    assert len(other.collections) == 1
    assert other.get_legend_handles_labels()[1] == ["what samples alone leave open, sharp bounds", "fracture"]


def test_indifference_beliefs_show_median_intervals_and_what_is_beyond(ax):
    rng = np.random.default_rng(0)
    inside, wild = rng.normal(0.5, 0.1, 4000), 2 + 3 * rng.standard_cauchy(4000)
    assert plots.indifference_beliefs({"a": inside, "b": wild}, ax, level=0.9) is ax
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"]
    thin, thick = ax.collections[1:3]
    assert thin.get_segments()[0][:, 0].tolist() == pytest.approx(np.quantile(inside, [0.05, 0.95]))
    assert thick.get_segments()[0][:, 0].tolist() == pytest.approx(np.quantile(inside, [0.25, 0.75]))
    medians = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    assert np.median(wild) > 1.5
    assert medians == pytest.approx([np.median(inside)])  # a median off the axis has no dot
    assert [line.get_marker() for line in ax.lines if line.get_marker() in "<>"] == ["<", ">"]  # of b alone
    shares = [float(text.get_text()) for text in ax.texts[:2]]
    assert shares == pytest.approx([((v > 0) & (v < 1)).mean() for v in (inside, wild)], abs=0.006)
    with pytest.raises(ValueError, match="c has no finite draw"):
        plots.indifference_beliefs({"c": np.array([np.inf, np.nan])}, ax)


def test_the_plane_keeps_axes_and_values_apart(ax):
    plane = pd.DataFrame(
        [(q, i, q + 10 * i) for q in (0.0, 0.5, 1.0) for i in (0.0, 1.0)],
        columns=["monitoring", "informativeness", "faking_share"],
    )
    mesh = plots.faking_plane(plane, ax, recommended=0.5, most=11.0)
    np.testing.assert_array_equal(mesh.get_array().reshape(2, 3), [[0, 0.5, 1], [10, 10.5, 11]])
    assert ax.get_xlabel() == "monitoring share q"
    assert {tuple(line.get_xdata()) for line in ax.lines} == {(0.5, 0.5)}


def test_the_tornado_puts_what_moves_most_on_top(ax):
    frame = pd.DataFrame(
        {
            "name": ["little", "much"],
            "low": [1.0, 2.0],
            "high": [2.0, 3.0],
            "value_low": [0.0, -2.0],
            "value_high": [0.1, 1.0],
            "value_base": [0.05, 0.05],
        }
    )
    assert plots.tornado(frame, ax, outcome="value", label="value") is ax
    assert [t.get_text().split()[0] for t in ax.get_yticklabels()] == ["little", "much"]
    low, high = ax.containers
    assert [bar.get_width() for bar in low] == pytest.approx([-0.05, -2.05])
    assert [bar.get_width() for bar in high] == pytest.approx([0.05, 0.95])


def test_method_curves_are_one_line_each_and_differ_in_dash(ax):
    frame = pd.DataFrame({"method": ["b", "b", "a", "a"], "x": [0, 1, 0, 1], "y": [1, 2, 3, 4]})
    assert plots.method_curves(frame, ax, x="x", y="y", xlabel="dose", ylabel="shift") is ax
    assert [line.get_label() for line in ax.lines] == ["b", "a"]
    assert len({line.get_linestyle() for line in ax.lines}) == 2
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("dose", "shift")


def test_modification_plane_marks_where_faking_starts_to_pay(ax):
    grid = [(g, d, g * d) for g in (0.0, 0.5, 1.0) for d in (0.1, 0.5, 1.0)]
    plane = pd.DataFrame(grid, columns=["generalisation", "dose", "modification"])
    mesh = plots.modification_plane(plane, ax, patience=[4.0])
    assert mesh.get_array().ravel().tolist() == pytest.approx([z for *_, z in grid])
    assert [text.get_text() for text in ax.texts] == ["D = 4"]
    assert ax.get_xscale() == "log"


def test_method_regions_name_only_what_occurs(ax):
    names = ["DPO", "SFT", "any", "DPO"]
    frame = pd.DataFrame({"generalisation": [0.1, 0.1, 0.9, 0.9], "dose": [1.0, 2.0] * 2, "method": names})
    assert plots.method_regions(frame, ax, ["DPO", "SFT", "GRPO"]) is ax
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["DPO", "SFT", "any"]
    assert ax.collections[0].get_array().ravel().tolist() == [0, 1, 3, 0]
