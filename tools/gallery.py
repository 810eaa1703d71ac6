"""Draw the figures of docs/gallery.md and write the page: ``python -m tools.gallery``, with names for some figures."""

import inspect
import io
import sys
import textwrap
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

from tools import gallery_figures, gallery_predictions

FIGURES = (*gallery_figures.FIGURES, *gallery_predictions.FIGURES)
DOCS = Path(__file__).parent.parent / "docs"
MOST_BYTES = 100_000

HEAD = """# Gallery

Every figure here is drawn by `python -m tools.gallery` (`make gallery`), and each from the lines below it, after these:

```python
{setup}```
"""
PART = """
## {title}

{sentence}

![{title}](figures/{name}.png)

??? note "The code"

    ```python
{code}    ```
"""


def page() -> str:
    """The gallery as Markdown, from this file's own source."""
    source = inspect.getsource(gallery_figures)
    setup = source[source.index("import matplotlib.pyplot") : source.index("\n\ndef value_curve")]
    parts = [HEAD.format(setup=setup.replace("from matplotlib.figure import Figure\n", "").strip() + "\n")]
    for draw in FIGURES:
        title, sentence = (inspect.getdoc(draw) or "").split(".\n\n", 1)
        body = textwrap.dedent(inspect.getsource(draw).split('    """\n', 1)[1]).replace(
            "return figure\n", ""
        )
        parts.append(
            PART.format(
                title=title, sentence=sentence, name=draw.__name__, code=textwrap.indent(body, "    ")
            )
        )
    return "".join(parts)


def png(figure: Figure) -> bytes:
    """The figure as a PNG, with a palette where it would be too large without."""
    plain, small = io.BytesIO(), io.BytesIO()
    figure.savefig(plain, dpi=110)
    if plain.getbuffer().nbytes <= MOST_BYTES:
        return plain.getvalue()
    Image.open(plain).convert("RGB").quantize(128).save(small, "PNG", optimize=True)
    return small.getvalue()


def main(names: list[str]) -> None:
    """Draw the named figures, or all, and write the page."""
    known = {draw.__name__: draw for draw in FIGURES}
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"there is no figure {', '.join(unknown)}; choose among {', '.join(known)}")
    plt.rcParams |= {
        "axes.titlesize": 10,
        "legend.frameon": False,
        "legend.fontsize": 8,
        "legend.title_fontsize": 8,
    }
    for name in names or known:
        figure = known[name]()
        (DOCS / "figures" / f"{name}.png").write_bytes(png(figure))
        plt.close(figure)
    (DOCS / "gallery.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
