"""Which fields have ever more values while a machine runs: as labels they overload a metric."""

from collections.abc import Sequence
from typing import Final

from beepy.events import meaning, rules
from beepy.events.fields import Field

_NAMES: Final = frozenset(
    (
        *("pid", "tid", "tgid", "ppid", "cookie", "sock", "skaddr", "inode", "ino", "mntns_id"),
        *rules.PATHS,
        *("args", "argv", "cmdline", "lport", "sport", "ts", "time", "timestamp"),
        *("duration", "latency", "delta"),
    )
)
_ENDINGS: Final = ("_pid", "_tid", "_time", "_ts", "_ns", "_us", "_path", "_inode", "_cookie")
_MEANINGS: Final = (rules.TIME, rules.DURATION)


def endless(fields: Sequence[Field]) -> tuple[Field, ...]:
    """Return the fields that grow without end, as their names, units and meanings say."""
    meanings = meaning.of(fields)
    return tuple(
        [
            field
            for field in fields
            if field.codec.unit_ns
            or ((known := meanings.get(field)) and known.name in _MEANINGS)
            or field.path[-1] in _NAMES
            or field.path[-1].endswith(_ENDINGS)
        ]
    )
