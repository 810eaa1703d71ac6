"""Plots of games show what the frames and results say."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import stackelberg as sb
from stackelberg import landscape, plots


@pytest.fixture
def ax():
    return Figure().subplots()


def test_value_curve_draws_every_piece_and_marks_the_equilibrium(ax):
    game = sb.BayesianStackelbergGame([[[2, 4], [1, 3]]], [[[1, 0], [0, 1]]], [1.0])
    curve = landscape.value_curve(game)
    assert plots.value_curve(curve, ax, label="probability of the first action", optimum=(0.5, 3.5)) is ax
    pieces = [line.get_xydata().tolist() for line in ax.lines[:2]]
    assert pieces == [[[0.0, 3.0], [0.5, 3.5]], [[0.5, 1.5], [1.0, 2.0]]]
    assert ax.lines[2].get_xydata().tolist() == [[0.5, 3.5]]
    assert [t for t in ax.get_legend_handles_labels()[1] if "follower action" in t] == [
        "follower action 1",
        "follower action 0",
    ]


def test_reply_simplex_puts_pure_commitments_at_the_corners(ax):
    rng = np.random.default_rng(0)
    game = sb.BayesianStackelbergGame(rng.normal(size=(1, 3, 2)), rng.normal(size=(1, 3, 2)), [1.0])
    frame = landscape.reply_map(game, steps=4)
    assert plots.reply_simplex(frame, ax, game.leader_actions, optimum=[1, 0, 0]) is ax
    assert [text.get_text() for text in ax.texts] == list(game.leader_actions)
    inside = list(dict.fromkeys(frame["replies"]))
    assert ax.get_legend_handles_labels()[1][: len(inside)] == inside
    for name, area in zip(
        inside, ax.collections
    ):  # the middle of every pure grid point's region is in its area
        own = frame[frame["replies"] == name][list(game.leader_actions)].to_numpy()
        points = own @ np.array([[0, 0], [1, 0], [0.5, np.sqrt(0.75)]])
        assert all(path_holds(area, point) for point in points.tolist())
    assert ax.lines[-1].get_xydata().tolist() == [[0.0, 0.0]]


def path_holds(area, point):
    """Whether a contour set covers a point, its border included."""
    return any(path.contains_point(point, radius=r) for path in area.get_paths() for r in (-1e-6, 1e-6))


def test_reply_strips_have_a_strip_per_type_that_covers_all_commitments(ax):
    rng = np.random.default_rng(1)
    game = sb.BayesianStackelbergGame(rng.normal(size=(3, 2, 3)), rng.normal(size=(3, 2, 3)), [0.2, 0.3, 0.5])
    strips = landscape.reply_strips(game)
    assert plots.reply_strips(strips, ax, label="probability", optimum=0.4) is ax
    assert [t.get_text() for t in ax.get_yticklabels()] == list(game.types)[::-1]
    for row in range(3):
        own = [bar for bar in ax.patches if round(bar.get_y() + bar.get_height() / 2) == row]
        assert sum(bar.get_width() for bar in own) == pytest.approx(1)
    labels = ax.get_legend_handles_labels()[1]
    assert sorted(labels) == sorted([*set(strips["reply"]), "equilibrium"])


def test_phase_diagram_tells_names_apart_and_shades_numbers(ax):
    grid = pd.MultiIndex.from_product([[0.0, 1.0], [0.0, 1.0, 2.0]], names=["q", "v"]).to_frame(index=False)
    named = grid.assign(behaviour=["faker", "faker", "refuser", "complier", "faker", "refuser"])
    mesh = plots.phase_diagram(named, ax, x="q", y="v", value="behaviour", labels={"q": "monitoring share"})
    assert mesh.get_array().ravel().tolist() == [1, 0, 1, 1, 2, 2]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["complier", "faker", "refuser"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("monitoring share", "v")
    numbers = plots.phase_diagram(grid.assign(gap=[0, 1, 2, 3, 4, 5]), ax, x="q", y="v", value="gap")
    assert numbers.get_array().ravel().tolist() == [0, 3, 1, 4, 2, 5]


def test_equilibrium_summary_sums_what_it_leaves_out(ax):
    game = sb.examples.patrol(5, 4, [5, 5, 2, 4, 3000])
    equilibrium = sb.solve(game)
    assert plots.equilibrium_summary(equilibrium, ax, most=1) is ax
    assert sum(bar.get_width() for bar in ax.patches) == pytest.approx(1)
    assert "optimal" in ax.get_title(loc="left")
