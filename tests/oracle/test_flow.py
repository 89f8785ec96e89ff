"""What the flow knows of registers at calls is what the verifier found there on each of its paths.

Every register from r1 to r5 of every call that is reached is compared, not only its arguments.
"""

import logging
import re
from collections import Counter

import pytest

from beepy.errors import ObjectError
from beepy.flow.budget import Budget
from beepy.flow.trace import Flow, trace
from beepy.flow.values import ANY_STACK, UNKNOWN, Kind, Value
from beepy.obj.parse import parse
from tests.oracle import objects, verifier
from tests.oracle.comparison import Families
from tests.oracle.objects import Object

FAMILIES = (objects.DEBIAN, "clang-16")
CALLS, MAPS = 350, 150  # at least that many calls and maps are compared in each family

_NAME = 15  # bytes of a map's name that the kernel keeps
_NUMBER = re.compile(r"P?(-?\d+|0x[0-9a-f]+)")
_FRAME = re.compile(r"fp(?:\[\d+\])?(-?\d+)")
_POINTER = re.compile(r"(\w+)\((.*)\)")
_MAP_VALUES = ("map_value", "map_value_or_null")
_RECORDS = ("mem", "mem_or_null", "ringbuf_mem", "ringbuf_mem_or_null")


class Tally:
    """How many registers are equal, unknown to the flow, or different."""

    def __init__(self) -> None:
        self.calls = 0
        self.counts: Counter[tuple[str, str]] = Counter()
        self.different: list[str] = []

    def add(self, where: str, flow: Flow, log: str) -> None:
        """Compare the calls of a program."""
        held = {call.insn: call.arguments for call in flow.calls}
        visits: dict[tuple[int, int], set[str]] = {}
        for seen in verifier.calls(log):
            for number in range(1, 6):
                if number in seen.held:
                    visits.setdefault((seen.insn, number), set()).add(seen.held[number])
        self.calls += len({insn for insn, _ in visits})
        for (insn, number), words in visits.items():
            values = held[insn][number - 1]
            kind = "map" if all(word.startswith("map_ptr") for word in words) else "other"
            if values in (UNKNOWN, ANY_STACK):
                self.counts["unknown", kind] += 1
            elif all(any(_is(value, word) for value in values) for word in words):
                self.counts["equal", kind] += 1
            else:
                self.different.append(f"{where}: {insn}: r{number}: {set(values)}, not {words}")

    def __str__(self) -> str:
        counts = ", ".join(f"{many} {' '.join(what)}" for what, many in sorted(self.counts.items()))
        return f"{self.calls} calls, registers: {counts}, {len(self.different)} different"


def _is(value: Value, word: str) -> bool:
    """Tell whether a value is what the verifier has, in its words."""
    if match := _NUMBER.fullmatch(word):
        found = int(match[1], 0) & (1 << 64) - 1
        is_null = not found and value.kind in (Kind.ELEMENT, Kind.RECORD)
        return is_null or value == Value(Kind.CONSTANT, 0, found)
    if match := _FRAME.fullmatch(word):
        return value.kind is Kind.STACK and value.offset in (None, int(match[1]))
    if not (match := _POINTER.fullmatch(word)):
        return False
    name, parts = match[1], dict(part.partition("=")[::2] for part in match[2].split(","))
    offset = int(parts.get("off", "0"), 0)
    at = value.offset is None or "var_off" in parts or value.offset == offset
    named = "map" not in parts or str(value.base)[:_NAME] == parts["map"]
    match value.kind:
        case Kind.CONSTANT:
            return name == "scalar"  # in loops the verifier forgets numbers
        case Kind.MAP:
            return name == "map_ptr" and named
        case Kind.INNER_MAP:
            return name == "map_ptr"
        case Kind.ELEMENT | Kind.DATA:
            return name in _MAP_VALUES and named and at
        case Kind.CONTEXT:
            return name == "ctx" and at
        case Kind.RECORD:
            return name in _RECORDS and at
        case _:
            return value.kind is Kind.FUNCTION and name == "func"


def _compare(one: Object, tally: Tally, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        spec = parse(one.path.read_bytes(), one.name)
    except ObjectError:
        return
    maps = {map_spec.name: map_spec for map_spec in spec.maps}
    programs = {program.name: program for program in spec.programs}
    for name, log in verifier.logs(spec, monkeypatch):
        tally.add(f"{one}: {name}", trace(programs[name], maps, Budget()), log)


@pytest.mark.parametrize("family", FAMILIES)
def test_registers_at_calls(
    family: str,
    families: Families,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if lacking := objects.missing(family):
        pytest.skip(lacking)
    tally = Tally()
    logging.disable()
    try:
        for one in families.objects(family):
            _compare(one, tally, monkeypatch)
    finally:
        logging.disable(logging.NOTSET)
    with capsys.disabled():
        print(f"\n{family}: {tally}")
    assert not tally.different, "\n".join(tally.different)
    assert not tally.counts["unknown", "map"]
    assert tally.calls >= CALLS
    assert tally.counts["equal", "map"] >= MAPS
