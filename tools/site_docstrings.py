"""An extension of griffe: the reStructuredText in our docstrings (formulas, roles, simple tables) as Markdown."""

import re
from typing import Any

import griffe

ROLE = re.compile(r":(func|class|meth|mod|attr|data):`(~?)([\w.]+)`")
MATH_ROLE = re.compile(r":math:`([^`]+)`")
MATH_BLOCK = re.compile(r"^( *)\.\. math::(.*(?:\n(?:\1 +\S.*|(?= *\n\1 +\S)))*)", re.MULTILINE)
CHOICES = re.compile(r"^( *[\w, ]+ : )\{(.+?)\}", re.MULTILINE)
ARRAY = re.compile(r"^( *(?:[\w, ]+ : )?[\w ]*(?:ndarray|array_like)[\w ]*), shape (?=\()", re.MULTILINE)
TABLE = re.compile(r"^( *)(=+(?: +=+)+)\n(.+)\n\1\2\n((?:.+\n)+?)\1\2$", re.MULTILINE)


class Markdown(griffe.Extension):
    """Rewrites a docstring before its sections are parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called once for every module, class, function and attribute."""
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value, obj)


def markdown(text: str, obj: griffe.Object) -> str:
    """Formulas between brackets that pymdownx.arithmatex knows, names as links, tables with pipes."""
    text = ARRAY.sub(r"\1 of shape ", CHOICES.sub(r"\1one of \2", text))  # which griffe takes for expressions
    text = TABLE.sub(_table, text)
    text = MATH_BLOCK.sub(_formula, text)
    text = MATH_ROLE.sub(lambda found: rf"\({found[1]}\)", text)
    return ROLE.sub(lambda found: _link(found, obj), text)


def _formula(found: re.Match[str]) -> str:
    indent, tex = found[1], " ".join(found[2].split())
    return f"\n{indent}\\[\n{indent}{tex}\n{indent}\\]\n"


def _link(found: re.Match[str], obj: griffe.Object) -> str:
    # optional: a name that has no page of its own stays a word
    short, name = found[2], found[3]
    shown = name.rsplit(".", 1)[-1] if short else name
    try:
        path = obj.resolve(name)
    except griffe.NameResolutionError:
        path = name
    return f'<autoref optional identifier="{path}"><code>{shown}</code></autoref>'


def _table(found: re.Match[str]) -> str:
    indent, rule = found[1], found[2]
    starts = [column.start() for column in re.finditer("=+", rule)]
    rows: list[list[str]] = []
    for line in (found[3], *found[4].splitlines()):
        line = line.removeprefix(indent)
        cells = re.split(r" {2,}", line.strip())
        if len(cells) != len(starts):
            cells = [line[a:b].strip() for a, b in zip(starts, [*starts[1:], None])]
        if rows and not line[: starts[1]].strip():
            rows[-1] = [f"{above} {cell}".strip() for above, cell in zip(rows[-1], cells)]
        else:
            rows.append(cells)
    rows.insert(1, ["---"] * len(starts))
    escaped = [[MATH_ROLE.sub(lambda m: m[0].replace("|", r"\vert "), cell) for cell in row] for row in rows]
    return "\n" + "\n".join(indent + "| " + " | ".join(row) + " |" for row in escaped) + "\n"
