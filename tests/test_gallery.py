"""The gallery shows every public plot, each figure from the code beside it and small enough for a page."""

import pytest
from matplotlib import pyplot as plt
from PIL import Image

from stackelberg import plots
from tools import gallery, gallery_figures

QUICK = ("value_curve", "reply_strips", "reply_simplex", "phase_diagram", "equilibrium_summary", "gaps")


def test_the_page_is_what_the_command_writes():
    assert (gallery.DOCS / "gallery.md").read_text(encoding="utf-8") == gallery.page()


def test_every_public_plot_has_a_figure():
    names = {name for name in plots.__all__ if callable(getattr(plots, name))}
    assert names == {draw.__name__ for draw in gallery.FIGURES}


@pytest.mark.parametrize("draw", gallery.FIGURES, ids=lambda draw: draw.__name__)
def test_the_figure_is_kept_and_small(draw):
    path = gallery.DOCS / "figures" / f"{draw.__name__}.png"
    assert path.stat().st_size <= gallery.MOST_BYTES
    with Image.open(path) as image:
        assert image.width >= 500


@pytest.mark.parametrize("name", QUICK)
def test_the_figure_is_drawn_with_words_on_its_axes(name):
    figure = getattr(gallery_figures, name)()
    try:
        assert len(gallery.png(figure)) <= gallery.MOST_BYTES
        axes = [ax for ax in figure.axes if ax.axison]
        assert all(ax.get_xlabel() or ax.get_ylabel() for ax in axes)
    finally:
        plt.close(figure)


def test_an_unknown_figure_is_named():
    with pytest.raises(SystemExit, match="there is no figure pie; choose among value_curve"):
        gallery.main(["pie"])
