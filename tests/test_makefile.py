"""The first two commands: the Makefile finds a Python by trying, and says what to install where there is none."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FIND = ROOT / "tools" / "find-python"


def find(tmp_path, *arguments, **environment):
    """Run the script with nothing on PATH and an empty home."""
    base = {"PATH": str(tmp_path / "nothing"), "HOME": str(tmp_path / "home")}
    return subprocess.run(
        ["/bin/sh", FIND, *arguments], capture_output=True, text=True, env=base | environment
    )


def test_without_any_python_it_says_what_to_install(tmp_path):
    done = find(tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    for word in ("3.12", "apt install python3", "pyenv install", "uv python install", "make PYTHON="):
        assert word in done.stderr


def test_it_takes_the_python_that_is_named_in_pyenv_or_on_path(tmp_path):
    version = f"3.{sys.version_info.minor}"
    real = Path(sys.base_prefix) / "bin" / f"python{version}"
    assert find(tmp_path, PYTHON=sys.executable).returncode == 0
    assert find(tmp_path, PATH=str(real.parent)).returncode == 0
    binaries = tmp_path / "pyenv" / "versions" / "3.12.99" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "python").symlink_to(real)
    pyenv = str(tmp_path / "pyenv")
    done = find(tmp_path, PYENV_ROOT=pyenv)
    assert done.returncode == 0
    assert Path(done.stdout.strip()).exists()
    assert find(tmp_path, version, PYENV_ROOT=pyenv).returncode == 0
    assert find(tmp_path, "3.99", PYENV_ROOT=pyenv).returncode == 1


def test_an_old_python_is_passed_over(tmp_path):
    old = tmp_path / "old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    assert find(tmp_path, PYTHON=str(old)).returncode == 1
