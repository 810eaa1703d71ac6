"""A hook of mkdocs that puts the notebooks on the site, with the outputs that they keep; nothing is run.

Each notebook becomes a page of Markdown with its pictures beside it.
"""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

FOLDER = Path(__file__).parent.parent / "notebooks"
STYLE = re.compile(r"<style.*?</style>", re.DOTALL)
TEX = re.compile(r"^\$+(?:\\displaystyle)?\s*(.*?)\s*\$+$", re.DOTALL)


def on_files(files: "Files", config: "MkDocsConfig", **_: object) -> "Files":
    """Add a page for each notebook, and its pictures."""
    from mkdocs.structure.files import File

    for path in sorted(FOLDER.glob("*.ipynb")):
        page, pictures = page_of(path)
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=page))
        for k, png in enumerate(pictures):
            files.append(File.generated(config, f"notebooks/{path.stem}-{k}.png", content=png))
    return files


def page_of(path: Path) -> tuple[str, list[bytes]]:
    """A notebook as Markdown, and the pictures that it names ``STEM-0.png``, ``STEM-1.png``, ..."""
    pictures: list[bytes] = []
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    page = "\n\n".join(part for cell in cells for part in _cell(cell, path.stem, pictures))
    origin = f"*The notebook `notebooks/{path.name}` as it ran; `make notebooks` runs it again.*"
    return page.replace("\n", f"\n\n{origin}\n", 1), pictures  # under the title


def _cell(cell: dict[str, Any], stem: str, pictures: list[bytes]) -> Iterator[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield source
        return
    yield f"```python\n{source}\n```"
    for output in cell["outputs"]:
        yield from _output(output, stem, pictures)


def _output(output: dict[str, Any], stem: str, pictures: list[bytes]) -> Iterator[str]:
    """One output in the richest form that a page can show."""
    data = {kind: "".join(value) for kind, value in output.get("data", {}).items()}
    if "image/png" in data:
        pictures.append(base64.b64decode(data["image/png"]))
        yield f"![A figure drawn by the lines above]({stem}-{len(pictures) - 1}.png)"
    elif "text/latex" in data:
        yield rf"\[{TEX.sub(r'\1', data['text/latex'].strip())}\]"
    elif "text/html" in data:
        table = STYLE.sub("", data["text/html"])
        yield f'<div class="output">{"".join(line.strip() for line in table.splitlines())}</div>'
    else:
        yield f"```text\n{data.get('text/plain', ''.join(output.get('text', []))).rstrip()}\n```"
