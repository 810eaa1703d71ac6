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
    drawn = np.concatenate([c.get_offsets() for c in ax.collections])
    assert len(drawn) == 15
    assert all(corner in drawn.tolist() for corner in ([0.0, 0.0], [1.0, 0.0]))
    assert ax.lines[-1].get_xydata().tolist() == [[0.0, 0.0]]


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
