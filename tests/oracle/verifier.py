"""What the verifier knew of r1 to r5 at each call: read from its log of level 2.

::

    10: (bf) r6 = r1                ; R1=ctx() R6=ctx()     what the instruction changed
    12: (85) call bpf_loop#181                              a call: r0 to r5 are gone after it
    19: R0=scalar() fp-8=mmmmmmmm                           what a call changed, after other lines
    from 9 to 33: R0=0 R6=ctx() R10=fp0                     another path: all that is known
    callee:
     frame1: R1=ctx() R10=fp0                               another function: all that is known
"""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

import pytest

from beepy.collection import load
from beepy.errors import BeepyError
from beepy.kernel import program as kernel_program
from beepy.obj.spec import CollectionSpec

_INSN = re.compile(r"(\d+): \((\w\w)\) ([^;]*)(?:; (.*))?")
_CHANGED = re.compile(r"\d+: ((?:frame\d+: )?R\d.*)")
_ALL = re.compile(r"(?:from \d+ to \d+(?: \([^)]*\))?:| ) ?((?:frame\d+: )?R\d.*)")
_REGISTER = re.compile(r"R(\d+)(?:_\w+)?=([^ ]*)")
_CLOBBERED = range(6)


class Seen(NamedTuple):
    """A visit of a call: what the registers held, in the verifier's words, by their numbers."""

    insn: int
    call: str
    held: Mapping[int, str]


def logs(spec: CollectionSpec, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """Load an object; yield the log of each program that the kernel accepts, with its name."""
    with monkeypatch.context() as patched:
        patched.setattr(kernel_program, "load", partial(kernel_program.load, log_level=2))
        try:
            collections = [load.load(spec)]
        except BeepyError:
            collections = []
            for program in spec.loaded:
                try:
                    collections.append(load.load(spec._replace(programs=(program,))))
                except BeepyError:
                    continue
        for collection in collections:
            with collection:
                for loaded in collection.programs.values():
                    yield loaded.name, loaded.log


def calls(log: str) -> Iterator[Seen]:
    """Yield each visit of a call of a helper or kfunc."""
    held: dict[int, str] = {}
    for line in log.splitlines():
        if match := _ALL.fullmatch(line):
            held = _registers(match[1])
        elif match := _CHANGED.fullmatch(line):
            held |= _registers(match[1])
        elif match := _INSN.match(line):
            number, code, text, changed = match.groups()
            if code == "85":
                if not text.startswith("call pc"):
                    yield Seen(int(number), text.split()[1], dict(held))
                for register in _CLOBBERED:
                    held.pop(register, None)
            held |= _registers(changed or "")


def _registers(text: str) -> dict[int, str]:
    joined = text.replace("; ", ";")  # in var_off=(0x0; 0xff), which is one word
    return {int(number): value for number, value in _REGISTER.findall(joined)}
