"""One line on stderr while a search runs long."""

import sys
import time

PROGRESS_SECONDS = 0.5
"""How often a long search shows where it is."""


class Progress:
    """One line on stderr: seconds, nodes, incumbent, bound."""

    def __init__(self) -> None:
        self.started, self.last = time.perf_counter(), 0.0

    def update(self, nodes: int, value: float, bound: float) -> None:
        """Show where the search is, if it is time to."""
        now = time.perf_counter()
        if now - max(self.last, self.started) < PROGRESS_SECONDS:
            return
        self.last = now
        print(
            f"\r{now - self.started:7.1f} s  {nodes:>9,} nodes  value {value:.8g}  bound {bound:.8g} ",
            end="", file=sys.stderr, flush=True,
        )  # fmt: skip

    def close(self) -> None:
        """End the line, if there is one."""
        if self.last:
            print(file=sys.stderr)
