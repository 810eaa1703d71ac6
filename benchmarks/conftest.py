"""Lines that benchmarks leave to be printed when all is measured."""

import pytest

LINES = pytest.StashKey[list[str]]()


@pytest.fixture
def ratios(request: pytest.FixtureRequest) -> list[str]:
    """What the end of the run says about ratios."""
    return request.config.stash.setdefault(LINES, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print them."""
    if lines := config.stash.get(LINES, []):
        terminalreporter.section("ours against a peer, medians")
        for line in lines:
            terminalreporter.write_line(line)
