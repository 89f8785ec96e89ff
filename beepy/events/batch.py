"""What carries records from a map to a sink: raw bytes in batches, and the schema that explains them."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol, TypeAlias

from beepy.btf.btf import Btf
from beepy.btf.types import VOID, TypeId
from beepy.obj.spec import Role

KernelTypes: TypeAlias = Callable[[], Btf | None]


def no_types() -> None:
    """Return no types of a kernel: the image's own enums count."""


class Schema(NamedTuple):
    """What the records of one tracked map look like.

    A stream of events (ring buffer) has ``record``; a table (hash, array) has ``key`` and ``value``, its ``record`` is
    0. ``key_size`` and ``value_size`` are the kernel's, in bytes; ``cpus`` is the number of possible CPUs of a per-CPU
    table (each value is that many slots of ``value_size`` rounded up to 8), else 0. ``counts_loss``: its source
    tells how many records it loses, as perf buffers do, and ring buffers do not. ``kernel`` returns the types of the
    kernel that made the records, by whose numbers its enums are read. ``texts`` are the names of fields that are arrays
    of bytes and are read as text. ``metric`` and ``metric_value`` are the convention's names (see ``Tracked``).
    """

    image: str
    map: str
    role: Role | None
    btf: Btf
    record: TypeId = TypeId(0)
    key: TypeId = TypeId(0)
    value: TypeId = TypeId(0)
    key_size: int = 0
    value_size: int = 0
    cpus: int = 0
    counts_loss: bool = False
    kernel: KernelTypes = no_types
    texts: frozenset[str] = frozenset()
    metric: str = ""
    metric_value: str = ""

    @property
    def is_stream(self) -> bool:
        """Whether it has records; else it is a table."""
        return self.record != VOID


class Part(NamedTuple):
    r"""A run of equally long pieces: piece i starts at ``i * stride + skip`` of ``raw`` (bytes owned by the batch).

    A ring's run is one part with its headers still in it, a table's snapshot two without any::

        ring    | u32 len | u32 pgoff | record, padded to 8 |   stride = 8 + padded length, skip = 8
        table   | key |  and  | value |                         stride = size,               skip = 0
    """

    raw: bytes
    stride: int
    skip: int


class Batch(NamedTuple):
    """Records of one map, as bytes.

    A record is a row as it is shown. ``parts`` is (records,), (keys, values), or (keys, values, CPU numbers) where a
    per-CPU table has a row for each CPU. ``records`` of them are in it, each ``length`` bytes (of a table: its values):
    a record may be shorter than its type, or longer. ``time_ns`` is the wall clock (ns since the epoch) when
    they were read. ``lost`` is how many records the source lost since the batch before, None where it cannot tell.
    ``snapshot`` numbers the reading of a table (0: events, no snapshot), ``final`` marks its last batch. A batch
    without records carries only what it counts, or the end of a snapshot.
    """

    schema: Schema
    parts: tuple[Part, ...]
    records: int
    length: int
    time_ns: int
    lost: int | None = None
    snapshot: int = 0
    final: bool = False


def total_lost(before: int | None, lost: int | None) -> int | None:
    """Add up losses; once they are unknown (None), they are for the whole run."""
    return None if before is None or lost is None else before + lost


def lost_yet(schema: Schema) -> int | None:
    """Return the losses before anything is read: 0, or None where they cannot be known."""
    return 0 if schema.counts_loss else None


class Reader(Protocol):
    """What reads one map; the stream owns it and closes it.

    ``fileno`` is polled for reading, or -1 for a table, which is read on demand. ``coalesce_s`` is
    how long records may wait, so that several are read at once. After ``poll_period_s`` it is read though no wake-up
    came: infinite where the kernel wakes for every record.
    """

    schema: Schema
    coalesce_s: float
    poll_period_s: float

    def fileno(self) -> int:
        """Return the fd to poll; it stays the reader's."""

    def read(self) -> Iterator[Batch]:
        """Yield in order what is there when it begins. Never blocks.

        Each batch is read when it is asked for, so that only one is in memory. Several threads may read a table at
        once.
        """

    def end(self) -> Iterator[Batch]:
        """Yield the losses that are known only when no more is read; not called for tables."""

    def close(self) -> None:
        """Release what the reader holds; reading afterwards is an error."""
