"""A hook of mkdocs that finishes the pages: formulas become MathML, so that reading needs no script and no network.

Browsers set MathML well only in a font with a table of mathematical distances, which many systems lack; the pages
bring STIX Two Math, taken from the package ziamath.
"""

import html
import importlib.resources
import logging
import re

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

FORMULA = re.compile(
    r'<(span|div) class="arithmatex">\s*(?:\\\((?P<inline>.*?)\\\)|\\\[(?P<block>.*?)\\\])\s*</\1>', re.DOTALL
)
LEFT_OVER = re.compile(r":(?:func|class|meth|mod|attr|data|math):(?:<code>|`)|\.\. math::|\$\$|={5,} +=")
NO_DESCRIPTION = re.compile(r'\s+–\s*<div class="doc-md-description">\s*</div>')

log = logging.getLogger("mkdocs.hooks.site_pages")


def on_files(files: Files, config: MkDocsConfig, **_: object) -> Files:
    """Add the font for formulas."""
    font = importlib.resources.files("ziamath.fonts") / "STIXTwoMath-Regular.ttf"
    files.append(File.generated(config, f"fonts/{font.name}", content=font.read_bytes()))
    return files


def on_page_content(content: str, page: Page, **_: object) -> str:
    """Replace every formula that pymdownx.arithmatex has marked; warn of markup that would be shown raw."""
    for markup in LEFT_OVER.findall(content):
        log.warning("%s shows %r raw: see tools/site_docstrings.py", page.file.src_uri, markup)
    return NO_DESCRIPTION.sub("", FORMULA.sub(_mathml, content))


def _mathml(found: re.Match[str]) -> str:
    block = found["block"] is not None
    tex = html.unescape(found["block"] if block else found["inline"]).strip()
    if "&" in tex and r"\begin" not in tex:  # as Sphinx does
        tex = rf"\begin{{split}}{tex}\end{{split}}"
    formula = convert(tex, display="block" if block else "inline")
    return f'<div class="formula">{formula}</div>' if block else formula
