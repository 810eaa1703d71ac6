"""Who may import whom (docs/architecture), and that `import stackelberg` stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# A room may import itself and the rooms listed; lazy imports count. Rooms are top-level modules or folders.
ALLOWED = {
    "stackelberg.game": set(),
    "stackelberg.response": {"game"},
    "stackelberg.equilibrium": {"game"},
    "stackelberg.certify": {"game", "equilibrium"},
    "stackelberg.solvers": {"game", "response", "equilibrium"},
    "stackelberg.solve": {"game", "response", "equilibrium", "certify", "solvers"},
    # the faking game builds a game and, for its optimal commitment, asks for it to be solved and certified
    "stackelberg.faking": {"game", "response", "equilibrium", "certify", "solve"},
    "stackelberg.solve_batch": {"game", "response", "equilibrium", "solvers", "solve"},
    "stackelberg.examples": {"game"},
    "stackelberg.files": {"game", "equilibrium"},
    "stackelberg.symbolic": {"game"},
    "stackelberg.sweep": {"game", "equilibrium", "solve", "solve_batch", "faking", "files"},
    "stackelberg.sensitivity": {"game", "solve", "faking", "sweep"},
    "stackelberg.landscape": {"game", "response"},
    "stackelberg.plots": set(),
    "stackelberg.report": set(),
}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module in ("stackelberg", "estimators"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield node.module or ""


def sources(package):
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", sources("stackelberg"), ids=lambda p: str(p.relative_to(ROOT)))
def test_rooms_import_only_what_the_design_allows(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    room = ".".join(parts[:2])
    both = ("cli", "cli_predict", "inspect_task")  # what a person runs may compose the two packages
    if room in ("stackelberg.__init__", *(f"stackelberg.{name}" for name in both)):
        return
    assert room in ALLOWED, f"{room} is a new room: say in this test what it may import"
    for name in imported(path):
        if name.startswith("estimators"):
            pytest.fail(f"{path} imports {name}: data flows from estimators to stackelberg, never back")
        if name.startswith("stackelberg."):
            target = name.split(".")[1]
            own = room.split(".")[1]
            assert target == own or target in ALLOWED[room], f"{path} imports {name}"


def test_certify_shares_nothing_with_a_solver():
    names = {name for path in sources("stackelberg/certify") for name in imported(path)}
    own = {n for n in names if n.startswith("stackelberg") and not n.startswith("stackelberg.certify.")}
    assert own == {"stackelberg.equilibrium", "stackelberg.game"}


def test_import_stackelberg_is_light():
    heavy = ("cvxpy", "sympy", "matplotlib", "numba", "pandas", "scipy", "pulp", "highspy", "estimators")
    code = f"import sys, stackelberg; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
