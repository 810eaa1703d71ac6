"""One source, two speeds: kernels run interpreted at once, and compiled by numba when that pays.

A kernel is a plain function on arrays and scalars, marked by :func:`entry` or :func:`inner`, that calls other
kernels by name.  Until :func:`compile_kernels` is called it is just that, and ``import numba`` has not
happened; afterwards the modules' names stand for the compiled versions.  Both do the same operations in the
same order (no fast-math), so they give the same floats.

Machine code is cached on disk: beside the source, or, where that is read-only, in the user's cache folder;
``NUMBA_CACHE_DIR`` overrides both.  Where none can be written, it is compiled in every process.  numba looks
for changes in the file of the called kernel alone, so a digest of all files that it may call goes into its name.
"""

import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

_entries: set[str] = set()
_kernels: dict[str, list[str]] = {}
_dispatchers: dict[str, Any] = {}
_compiled: set[str] = set()
_interpreted: dict[str, float] = {}
_lock = threading.Lock()

INNER: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "forceinline": True}
"""How numba builds them: absorbed by their callers, a quarter faster than passing all those arrays on."""


def inner[F: Callable[..., Any]](function: F) -> F:
    """Mark a kernel that only kernels call."""
    _kernels.setdefault(function.__module__, []).append(function.__name__)
    return function


def entry[F: Callable[..., Any]](function: F) -> F:
    """Mark a kernel that Python calls: its machine code is cached, with all that it calls."""
    _entries.add(f"{function.__module__}.{function.__name__}")
    return inner(function)


def is_compiled(module: ModuleType) -> bool:
    """Whether a module's kernels run compiled."""
    return module.__name__ in _compiled


def compile_kernels(module: ModuleType) -> None:
    """Let a module's kernels, and those it imports, run compiled: each compiles, or loads, at its first call."""
    with _lock:
        if module.__name__ in _compiled:
            return
        import numba

        modules = _with_imported(module)
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
        for part in modules:
            digest = _digest(part)
            for name in _kernels[part.__name__]:
                key = f"{part.__name__}.{name}"
                if key in _dispatchers:
                    continue
                plain = vars(part)[name]
                function = FunctionType(plain.__code__, vars(part), name, plain.__defaults__)
                function.__module__, function.__qualname__ = part.__name__, f"{name}_{digest}"
                if key not in _entries:
                    _dispatchers[key] = numba.njit(function, **options, **INNER)
                    continue
                try:
                    _dispatchers[key] = numba.njit(function, cache=True, **options)
                except RuntimeError:  # numba found no folder that it can write its cache to
                    _dispatchers[key] = numba.njit(function, **options)
        for part in modules:
            for name, value in list(vars(part).items()):
                key = f"{getattr(value, '__module__', '')}.{getattr(value, '__name__', '')}"
                if key in _dispatchers and isinstance(value, FunctionType):
                    setattr(part, name, _dispatchers[key])
            _compiled.add(part.__name__)


def _with_imported(module: ModuleType) -> list[ModuleType]:
    """A module of kernels, after those whose kernels it imports, and theirs."""
    found: list[ModuleType] = []
    for name in sorted({getattr(value, "__module__", "") or "" for value in vars(module).values()}):
        if name in _kernels and name != module.__name__:
            found += [part for part in _with_imported(sys.modules[name]) if part not in found]
    return [*found, module]


def _digest(module: ModuleType) -> str:
    sources = [*map(_source, _with_imported(module)), Path(__file__)]  # this file holds the options
    text = b"".join(source.read_bytes() for source in sources)
    return hashlib.sha256(text).hexdigest()[:12]


def _source(module: ModuleType) -> Path:
    return Path(module.__file__ or "")


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
    sources = [_source(m) for m in _with_imported(module)]
    elsewhere = os.environ.get("NUMBA_CACHE_DIR")
    here = sources[-1]
    folder, pattern = (Path(elsewhere), "**/") if elsewhere else (here.parent / "__pycache__", "")
    written = [index.stat().st_mtime for index in folder.glob(f"{pattern}{here.stem}.*.nbi")]
    return bool(written) and max(written) >= max(source.stat().st_mtime for source in sources)


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
