"""docs/notebook.ipynb runs from its first cell to its last, as a kernel of Jupyter runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import ROOT, environment

pytestmark = pytest.mark.kernel

NOTEBOOK = json.loads((ROOT / "docs/notebook.ipynb").read_text())

# executes each cell in one namespace, and shows the value of its last expression
RUNNER = """
import ast, json, sys

names = {"__name__": "__main__"}
for number, cell in enumerate(json.loads(sys.stdin.read())):
    tree = ast.parse(cell, f"cell {number}")
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, f"cell {number}", "exec"), names)
    if last:
        value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names)
        print(f"[{number}]", repr(value))
"""


def test_it_is_a_notebook_without_outputs() -> None:
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in NOTEBOOK["cells"]]
    assert len(ids) == len({*ids})
    for cell in NOTEBOOK["cells"]:
        assert cell["cell_type"] in ("markdown", "code")
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)


@pytest.mark.usefixtures("same_pids")
def test_every_cell_runs(tmp_path: Path) -> None:
    cells = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUNNER],
        input=json.dumps(cells),
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "'exitsnoop'" in done.stdout
    assert "program 'count' can change packets" in done.stdout
