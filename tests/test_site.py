"""The parts of the documentation site that are ours: notebooks as pages, and the search of a page that is a file."""

import json
import re
import shutil

import pytest

from tools.site_notebooks import FOLDER, page_of

DOCS = FOLDER.parent / "docs"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_a_page_with_every_cell_and_picture(path):
    page, pictures = page_of(path)
    cells = json.loads(path.read_text())["cells"]
    assert page.startswith("# ")
    assert page.splitlines()[2].startswith("*The notebook `notebooks/")
    sources = ["".join(cell["source"]) for cell in cells]
    assert sources[0].partition("\n")[2] in page  # after the title comes where the page is from
    assert all(source in page for source in sources[1:])
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert len(pictures) == sum("image/png" in output.get("data", {}) for output in outputs)
    assert re.findall(r"\]\((.+?\.png)\)", page) == [f"{path.stem}-{k}.png" for k in range(len(pictures))]
    assert all(png.startswith(b"\x89PNG") for png in pictures)
    assert page.count('<div class="output">') == sum("text/html" in o.get("data", {}) for o in outputs)
    assert "<style" not in page
    assert f"notebooks/{path.stem}.md" in (DOCS.parent / "mkdocs.yml").read_text()


def test_a_worker_of_a_page_that_is_a_file_hears_and_answers_in_order(driver, tmp_path):
    shutil.copy(DOCS / "iframe-worker.js", tmp_path)
    (tmp_path / "double.js").write_text("addEventListener('message', (e) => postMessage(2 * e.data));")
    (tmp_path / "page.html").write_text(
        """<!doctype html><script src="iframe-worker.js"></script><body><script>
        const heard = [], worker = new Worker("double.js");
        worker.addEventListener("message", (e) => heard.push(e.data));
        for (const n of [1, 2, 3]) worker.postMessage(n);
        </script>"""
    )
    driver.get((tmp_path / "page.html").as_uri())
    driver.set_script_timeout(20)
    wait = "const done = arguments[0]; (function look() { heard.length < 3 ? setTimeout(look, 20) : done(heard); })()"
    assert driver.execute_async_script(wait) == [2, 4, 6]
