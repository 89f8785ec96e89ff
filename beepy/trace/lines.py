"""Parse what trace_pipe gives: who printed what, and by which program.

::

    bash-2375   [001] ...21 14887.670575: bpf_trace_printk: hello
    bash-2375   [001] ...21 14887.670674: <stack trace>
     => bpf_trace_printk+0xdd/0x100 <ffffffff814bb77d>
     => bpf_prog_12acc993f57b91f9_say+0x25/0x2d <ffffffffc0022105>

Lines of other CPUs may stand between an event and its stack.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from beepy.text import escaped

# comm-pid [cpu] flags time: text; a name may have blanks and hyphens
_EVENT: Final = re.compile(rb"^ *(.{1,16}?)-(\d+) +\[(\d+)\] +\S+ +\d+\.\d+: (.*)$", re.DOTALL)
_FRAME: Final = b" => "
_PROGRAM: Final = re.compile(rb"^ => bpf_prog_\w+\+0x([0-9a-f]+)/0x[0-9a-f]+.* <([0-9a-f]+)>$")
_LOST: Final = re.compile(rb"^CPU:\d+ \[LOST (?:(\d+) )?EVENTS\]$")
_STACK: Final = b"<stack trace>"
_PREFIX: Final = re.compile(rb"^(?:bpf_trace_printk|(?:0x)?[0-9a-f]+): ")  # the latter before v5.9
_MAX_TEXT: Final = 1 << 16  # bytes of one message


class TraceLine(NamedTuple):
    """A line that a program has printed.

    ``image`` and ``program`` are "" if the kernel does not say which one it was; ``process`` is who
    was running, as NAME-PID, "" for a line of a stream.
    """

    image: str
    program: str
    process: str
    text: str


class Owner(NamedTuple):
    """A program of an image."""

    image: str
    program: str


UNKNOWN: Final = Owner("", "")


class _Event:
    """What one call of bpf_printk() printed, which may have several lines."""

    def __init__(self, process: str, text: bytes) -> None:
        self.process = process
        self.text = text

    def lines(self, owner: Owner) -> Iterator[TraceLine]:
        for line in escaped(_PREFIX.sub(b"", self.text)).rstrip("\n").split("\n"):
            yield TraceLine(*owner, self.process, line)


class _Stack(NamedTuple):
    """The stack of the last event of a CPU; ``programs`` are addresses of BPF code in it."""

    cpu: bytes
    programs: list[int]


class TracePipe:
    """Collects events from the bytes of trace_pipe; ``lost`` counts what the kernel dropped.

    ``owners`` has the program at each address of code. An event whose stack has the code of other
    programs only is theirs, and left out. Without ``stacks`` nothing says which program printed.
    """

    def __init__(self, owners: Mapping[int, Owner], *, stacks: bool = True) -> None:
        self.lost = 0
        self._owners = owners
        self._stacks = stacks
        self._rest = b""  # a line that is not complete
        self._pending: dict[bytes, list[_Event]] = {}  # by CPU: events whose stack did not come yet
        self._last: _Event | None = None  # lines without a header continue it
        self._stack: _Stack | None = None

    def add(self, data: bytes) -> Iterator[TraceLine]:
        """Yield the lines of the events that are complete with ``data``."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if self._stack and line.startswith(_FRAME):
                if frame := _PROGRAM.match(line):
                    self._stack.programs.append(int(frame[2], 16) - int(frame[1], 16))
                continue
            yield from self._end_stack()
            if event := _EVENT.match(line):
                self._begin(*event.groups())
            elif lost := _LOST.match(line):
                self.lost += int(lost[1] or 1)
            elif self._last and len(self._last.text) < _MAX_TEXT:
                self._last.text += b"\n" + line

    def _begin(self, name: bytes, pid: bytes, cpu: bytes, text: bytes) -> None:
        """Begin an event, or the stack of one."""
        if text == _STACK and self._stacks:
            self._stack, self._last = _Stack(cpu, []), None
            return
        self._last = _Event(f"{escaped(name)}-{pid.decode()}", text)
        self._pending.setdefault(cpu, []).append(self._last)

    def drained(self) -> Iterator[TraceLine]:
        """Yield the lines of complete events; trace_pipe has nothing more for now."""
        yield from self._end_stack()
        if not self._stacks:
            yield from self.end()

    def end(self) -> Iterator[TraceLine]:
        """Yield the lines of all other events, whose stacks are lost."""
        yield from self._end_stack()
        self._last = None
        for events in self._pending.values():
            for event in events:
                yield from event.lines(UNKNOWN)
        self._pending.clear()

    def _end_stack(self) -> Iterator[TraceLine]:
        """Yield the lines of the event that the stack belongs to: the last one of its CPU."""
        stack, self._stack = self._stack, None
        if stack is None:
            return
        events = self._pending.pop(stack.cpu, [])
        for event in events[:-1]:
            yield from event.lines(UNKNOWN)
        owners = [self._owners[code] for code in stack.programs if code in self._owners]
        is_others = stack.programs and self._owners and not owners
        for event in [] if is_others else events[-1:]:
            yield from event.lines(owners[0] if owners else UNKNOWN)
