"""What libbpf loads on this kernel loads with us, as the same instructions; what it does not relocate, we refuse."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from beepy.collection.load import load
from beepy.errors import BeepyError, RelocationError
from beepy.kernel.program import Program
from tests.oracle import objects
from tests.oracle.comparison import Compared
from tests.oracle.libbpf import Verdict

LOADED = 32  # of Debian's, where fentry and LSM programs are not there; more load where they are

_TAG = re.compile(r"^prog_tag:\t([0-9a-f]+)$", re.MULTILINE)
_ROW = "{:36} {:10} {:10} {:>9} {:>8}  {}"


class Outcome(NamedTuple):
    """``word`` is loaded, refused, or relocation (refused by a RelocationError); ``tags`` as ``Verdict.tags``."""

    word: str
    tags: dict[str, str]
    message: str


def ours(one: Compared) -> Outcome:
    try:
        with load(one.spec) as collection:
            return Outcome("loaded", {name: tag(program) for name, program in collection.programs.items()}, "")
    except BeepyError as error:
        word = "relocation" if isinstance(error, RelocationError) else "refused"
        return Outcome(word, {}, f"{type(error).__name__}: {error}")


def tag(program: Program) -> str:
    """Return the kernel's hash of a program's instructions."""
    found = _TAG.search(Path(f"/proc/self/fdinfo/{program.fd.fileno()}").read_text())
    assert found
    return found[1]


def theirs(verdict: Verdict) -> str:
    if verdict.loaded:
        return "loaded"
    return "relocation" if verdict.failed else "refused"


def test_load(family: str, compared: Mapping[str, list[Compared]], capsys: pytest.CaptureFixture[str]) -> None:
    table = [_ROW.format("object", "libbpf", "ours", "decisions", "programs", "ours refuses it: why")]
    wrong = []
    for one in compared[family]:
        expected, got = theirs(one.verdict), ours(one)
        tags = one.verdict.tags
        same = sum(got.tags.get(name) == tag for name, tag in tags.items())
        decisions = f"{one.equal}/{len(one.verdict.decisions)}"
        row = (str(one.object), expected, got.word, decisions, f"{same}/{len(tags)}", got.message[:100])
        table.append(_ROW.format(*row))
        if expected not in ("refused", got.word) or same != len(tags):
            wrong.append(table[-1])
    equal, told = (
        sum(numbers)
        for numbers in zip(*[(one.equal, len(one.verdict.decisions)) for one in compared[family]], strict=True)
    )
    table.append(f"{family}: {len(table) - 1} objects, {equal} of {told} decisions equal")
    with capsys.disabled():
        print("", *table, sep="\n")
    assert not wrong, "\n".join(wrong)


def test_enough_loaded(compared: Mapping[str, list[Compared]]) -> None:
    if lacking := objects.missing(objects.DEBIAN):
        pytest.skip(lacking)
    assert sum(one.verdict.loaded for one in compared[objects.DEBIAN]) >= LOADED
