"""No exception leaves an iterator over a memoryview half read: its collection kills CPython.

Versions 3.11 and 3.12 are affected.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import beepy
from tests.support.elf import number
from tests.support.objects import Object

_PACKAGE: Final = Path(beepy.__file__).parent
_ITERATORS: Final = ("iter_unpack", "finditer", "scanner")
_COLLECT: Final = """
import gc, sys
from beepy import BeepyError, parse
data = sys.stdin.buffer.read()
def refused():
    try:
        parse(data)
    except BeepyError as error:
        kept = error  # the frame holds the error, whose traceback holds the frame
    else:
        raise AssertionError("not refused")
for _ in range(50):
    refused()
gc.collect()
"""


def test_a_refused_enumeration_does_not_kill_the_interpreter() -> None:
    made = Object()
    made.program()
    enum = made.btf.enum("e", {"A": 0, "B": 1, "C": 2})
    words = bytearray(made.btf.types[enum - 1])
    words[20:24] = (0x7FFFFFFF).to_bytes(4, "little")  # the second name lies beyond the strings
    made.btf.types[enum - 1] = bytes(words)
    definition = made.btf.struct(
        "", 16, [("type", number(made.btf, 27), 0), ("max_entries", enum, 64)]
    )
    made.maps(made.btf.var("print_x", definition), names=("print_x",), size=16)
    done = subprocess.run(
        [sys.executable, "-c", _COLLECT], input=made.data(), capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_what_iterates_over_a_memoryview_is_read_whole() -> None:
    """Check each file that names memoryviews; mypy (strict_bytes) keeps them apart from bytes."""
    wrong = [
        f"{path.relative_to(_PACKAGE)}:{line}"
        for path in sorted(_PACKAGE.rglob("*.py"))
        if "memoryview" in (source := path.read_text())
        for line in _half_read(ast.parse(source))
    ]
    assert not wrong, "make a list of it first"


def _half_read(tree: ast.Module) -> Iterator[int]:
    """Yield the lines of iterators that ``list``, ``tuple`` or ``sorted`` does not read at once."""
    at_once = {
        call.args[0]
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in {"list", "tuple", "sorted"}
        and call.args
    }
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or call in at_once:
            continue
        if isinstance(call.func, ast.Attribute) and call.func.attr in _ITERATORS:
            yield call.lineno
