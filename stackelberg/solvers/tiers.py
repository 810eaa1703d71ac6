"""Two tiers for one source: kernels run interpreted at once, and compiled where a game needs more.

A kernel is a plain Python function of scalar loops over NumPy arrays, marked by :func:`kernel`.  Called as
it is, it runs interpreted: slow, but at once.
:func:`call_compiled` builds the same functions with numba and
keeps the machine code on disk.  All state lives in arrays that both tiers share, so a search that began
interpreted goes on compiled from where it stands.

numba writes its cache beside this file, or into the user's cache folder where the installation is
read-only, through atomic renames, so that concurrent processes may share it.  It looks for changes only in
the file of the outermost function; we put a digest of *all* kernels into the name, so that an upgrade never
meets stale code.
"""

import hashlib
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

MODULES = (
    "simplex",
    "master",
    "reduction",
    "pricing",
    "envelope_cuts",
    "ascent",
    "tree",
    "node",
    "branching",
    "search",
    "leaves",
)
"""Modules of this folder that hold kernels; their names share one namespace when compiled."""

SECONDS_TO_COMPILE = 25

_kernels: list[Callable[..., Any]] = []
_entries: set[str] = set()
_hot: set[str] = set()
_loaded: dict[str, Any] = {}
_called: set[str] = set()


def kernel[F: Callable[..., Any]](function: F) -> F:
    """Mark a function as a kernel that other kernels call."""
    _kernels.append(function)
    return function


def inlined[F: Callable[..., Any]](function: F) -> F:
    """Mark a kernel that is called per pivot: its caller absorbs it, which saves the passing of arrays."""
    _hot.add(function.__name__)
    return kernel(function)


def entry[F: Callable[..., Any]](function: F) -> F:
    """Mark a kernel that Python calls: it gets a wrapper and a place in the cache."""
    _entries.add(function.__name__)
    return kernel(function)


def is_loaded() -> bool:
    """Whether this process already runs the compiled search."""
    return "run" in _called


def is_cached() -> bool:
    """Whether the compiled search waits on disk.  Imports numba, which takes some tenths of a second."""
    if not _loaded:
        _loaded.update(_build())
    return _is_cached("run")


def call_compiled(name: str, *arguments: Any) -> Any:
    """Call an entry kernel in compiled form; the first call loads it from disk, or compiles it and says so.

    Parameters
    ----------
    name : str
    arguments
        The kernel's own.
    """
    if name in _called:
        return _loaded[name](*arguments)
    numba: Any = importlib.import_module("numba")
    if not _loaded:
        _loaded.update(_build())
    if name == "run" and not _is_cached(name):
        print(
            "stackelberg: compiling the branch-and-bound kernels, once per installation "
            f"(about {SECONDS_TO_COMPILE} s)",
            file=sys.stderr,
            flush=True,
        )
    level = numba.config.OPT
    numba.config.OPT = numba.core.config._OptLevel(1)  # compiles faster than 3, and runs no slower here
    try:
        result = _loaded[name](*arguments)
    finally:
        numba.config.OPT = level
    _called.add(name)
    return result


def _build() -> dict[str, Any]:
    """numba's dispatchers of the entry kernels, not yet compiled."""
    numba: Any = importlib.import_module("numba")
    modules = [importlib.import_module(f"stackelberg.solvers.{name}") for name in MODULES]
    namespace: dict[str, Any] = {}
    for module in modules:
        namespace.update(vars(module))
    digest = _digest()
    common: dict[str, Any] = {
        "nogil": True,
        "error_model": "numpy",
        "fastmath": {"reassoc", "contract", "nsz"},  # never "nnan": the guards test for NaN
    }
    inner = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    for function in _kernels:
        name = function.__name__
        copy = FunctionType(function.__code__, namespace, name, function.__defaults__)
        copy.__module__, copy.__qualname__ = function.__module__, f"{name}_{digest}"
        # Counting references to its arguments' arrays, atomically, costs a kernel a third of its time; one that
        # allocates nothing may borrow them.
        options = common | {"_nrt": name in _entries or "np" in copy.__code__.co_names}
        if name not in _entries:
            namespace[name] = numba.njit(**options, **inner, forceinline=name in _hot)(copy)
            continue
        try:
            namespace[name] = numba.njit(**options, cache=True)(copy)
        except RuntimeError:  # no folder to write to: compile for this process only
            namespace[name] = numba.njit(**options)(copy)
    return {name: namespace[name] for name in _entries}


def _is_cached(name: str) -> bool:
    folder = _loaded[name].stats.cache_path
    return folder is not None and any(Path(folder).glob(f"*{name}_{_digest()}*.nbi"))


def _digest() -> str:
    here = Path(__file__)
    text = b"".join(here.with_name(f"{name}.py").read_bytes() for name in (*MODULES, "state", "tiers"))
    return hashlib.sha256(text).hexdigest()[:12]
