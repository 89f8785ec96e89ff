"""Texts of numbers, as Inspektor Gadget's own tools write them: names, sizes, durations, times."""

import os
import time
from typing import Final

from beepy.events import go_format, numbers
from beepy.events.clock import SECOND, Clock

_CLOCK: Final = Clock()
_BYTES: Final = 1000
_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_MICROSECOND: Final = 1_000
_MILLISECOND: Final = 1_000_000
_SIGNALS: Final = 64
_PERMISSIONS: Final = "rwxrwxrwx"


def signal(number: int) -> str:
    """Return a signal's name."""
    text = numbers.signal(number) if 0 < number <= _SIGNALS else ""
    return text if text.startswith("SIG") else f"signal#{number}"


def errno(number: int) -> str:
    """Return an errno's name, "" for 0."""
    name = numbers.errno(number).partition(" ")[2]
    return name or (f"error#{number}" if number else "")


def syscall(number: int) -> str:
    """Return the name of this machine's system call."""
    from beepy import syscall_names  # noqa: PLC0415 - few records have any

    return f"SYS_{syscall_names.of(os.uname().machine).get(number, 'unknown').upper()}"


def protocol(number: int) -> str:
    """Return the name of an IP protocol."""
    name = numbers.protocol(number)
    return f"proto#{number}" if name.isdigit() else name


def size(count: int) -> str:
    """Return bytes in powers of 1000: 512 B, 4.1 kB, 82 MB."""
    number, unit = float(count), 0
    while number >= _BYTES - 0.5 and unit < len(_UNITS) - 1:
        number, unit = number / _BYTES, unit + 1
    if not unit:
        return f"{count} B"
    return f"{number:.1f} {_UNITS[unit]}" if number < 9.95 else f"{number:.0f} {_UNITS[unit]}"


def duration(nanoseconds: int) -> str:
    """Return a duration: 12ns, 1.50µs, 20.25ms; from a second on as Go writes it."""
    if nanoseconds < _MICROSECOND:
        return f"{nanoseconds}ns"
    if nanoseconds < _MILLISECOND:
        return f"{nanoseconds / _MICROSECOND:.2f}µs"
    if nanoseconds < SECOND:
        return f"{nanoseconds / _MILLISECOND:.2f}ms"
    return go_format.duration(nanoseconds)


def file_mode(mode: int) -> str:
    """Return permissions as ls does: -rw-r--r--."""
    bits = [char if mode >> 8 - at & 1 else "-" for at, char in enumerate(_PERMISSIONS)]
    return "-" + "".join(bits)


def timestamp(boot_ns: int) -> str:
    """Return the wall clock (UTC, RFC 3339) of a time since the boot, "" for 0."""
    if not boot_ns:
        return ""
    second, rest = divmod(_CLOCK.wall_of_boot(boot_ns), SECOND)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{rest:09d}Z"


def file_flags(flags: int) -> str:
    """Return the flags of open(2)."""
    return numbers.open_flags(flags)
