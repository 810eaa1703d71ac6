"""The documentation site has a place for every public name; `make docs` builds it without warnings."""

import importlib
import re
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"


@pytest.mark.parametrize(
    "package",
    [
        "stackelberg",
        "estimators",
        "stackelberg.symbolic",
        "stackelberg.sweep",
        "stackelberg.sensitivity",
        "stackelberg.plots",
    ],
)
def test_every_public_name_is_in_the_reference(package):
    text = "\n".join(page.read_text() for page in sorted(REFERENCE.glob("*.md")))
    names = importlib.import_module(package).__all__
    missing = [
        name
        for name in names
        if not re.search(
            rf"^::: {re.escape(package)}\.(\w+\.)*{name}$|`{re.escape(package)}\.{name}`", text, re.M
        )
    ]
    assert missing == []
