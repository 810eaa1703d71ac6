"""One source, two speeds: kernels run interpreted at once, and compiled by numba when that pays.

A kernel is a plain function on arrays and scalars that calls other kernels of its module by name.  Until
:func:`compile_kernels` is called it is just that, and ``import numba`` has not happened; afterwards the
module's names stand for the compiled versions.  Both do the same operations in the same order (no fast-math),
so they give the same floats.

Machine code is cached on disk: beside the source, or, where that is read-only, in the user's cache folder;
``NUMBA_CACHE_DIR`` overrides both.  Where none can be written, it is compiled in every process.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

_ENTRIES: dict[str, list[str]] = {}
_INNER: dict[str, list[str]] = {}
_compiled: set[str] = set()
_interpreted: dict[str, float] = {}
_lock = threading.Lock()

WRAPPERLESS: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def entry[F: Callable[..., Any]](function: F) -> F:
    """Mark a kernel that Python calls: its machine code is cached with all that it calls."""
    _ENTRIES.setdefault(function.__module__, []).append(function.__name__)
    return function


def inner[F: Callable[..., Any]](function: F) -> F:
    """Mark a kernel that only kernels of the same module call."""
    _INNER.setdefault(function.__module__, []).append(function.__name__)
    return function


def is_compiled(module: ModuleType) -> bool:
    """Whether a module's kernels run compiled."""
    return module.__name__ in _compiled


def compile_kernels(module: ModuleType) -> None:
    """Let a module's kernels run compiled from now on; each compiles, or loads, at its first call."""
    with _lock:
        if module.__name__ in _compiled:
            return
        import numba

        options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
        for name in _INNER.get(module.__name__, []):
            function = getattr(module, name)
            setattr(module, name, numba.njit(function, **options, **WRAPPERLESS))
        for name in _ENTRIES.get(module.__name__, []):
            function = getattr(module, name)
            try:
                kernel = numba.njit(function, cache=True, **options)
            except RuntimeError:  # numba found no folder that it can write its cache to
                kernel = numba.njit(function, **options)
            setattr(module, name, kernel)
        _compiled.add(module.__name__)


def interpreted_seconds(module: ModuleType) -> float:
    """How long a module's kernels have run interpreted in this process, as far as :func:`interpreted` saw."""
    return _interpreted.get(module.__name__, 0.0)


@contextmanager
def interpreted(module: ModuleType) -> Iterator[None]:
    """Count the time spent inside as interpreted."""
    started = time.perf_counter()
    try:
        yield
    finally:
        _interpreted[module.__name__] = interpreted_seconds(module) + time.perf_counter() - started


def seems_cached(module: ModuleType) -> bool:
    """Whether machine code newer than the source lies where numba puts it first: cheap, not certain."""
    source = Path(module.__file__ or "")
    elsewhere = os.environ.get("NUMBA_CACHE_DIR")
    folder, pattern = (Path(elsewhere), "**/") if elsewhere else (source.parent / "__pycache__", "")
    written = [index.stat().st_mtime for index in folder.glob(f"{pattern}{source.stem}.*.nbi")]
    return bool(written) and max(written) >= source.stat().st_mtime


@contextmanager
def announced(module: ModuleType, what: str) -> Iterator[None]:
    """Say on stderr that a module's kernels compile, if they do; a load from the cache is silent."""
    if not is_compiled(module):
        yield
        return
    from numba.core import event

    class Announcement(event.Listener):
        started: float | None = None

        def on_start(self, event: Any) -> None:
            if self.started is None:
                self.started = time.perf_counter()
                print(f"stackelberg: compiling {what}, once for this machine …", file=sys.stderr, flush=True)

        def on_end(self, event: Any) -> None:
            pass

    listener = Announcement()
    with event.install_listener("numba:compile", listener):
        yield
    if listener.started is not None:
        seconds = time.perf_counter() - listener.started
        print(f"stackelberg: compiled in {seconds:.1f} s", file=sys.stderr, flush=True)
