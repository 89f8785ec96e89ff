"""What carries records from a map to a sink: raw bytes in batches, and the schema that explains them."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol, TypeAlias

from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
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
    of bytes and are read as text.
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

    def __repr__(self) -> str:
        """Return a line: the types behind the ids are megabytes."""
        kind = f"record={self.record}" if self.record else f"key={self.key}, value={self.value}"
        return f"Schema({self.image[:40]!r}, {self.map[:30]!r}, {kind})"


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

    ``parts`` is (records,) or (keys, values). ``records`` of them are in it, each ``length`` bytes (of a table: its
    values): a record may be shorter than its type, or longer. ``time_ns`` is the wall clock (ns since the epoch) when
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

    def __repr__(self) -> str:
        """Return a line: the records are megabytes."""
        return f"Batch({self.schema.map[:50]!r}, records={self.records}, lost={self.lost})"


def total_lost(before: int | None, lost: int | None) -> int | None:
    """Add up losses; once a source cannot tell (None), it cannot tell for the whole run."""
    return None if before is None or lost is None else before + lost


def lost_yet(schema: Schema) -> int | None:
    """Return what is lost before anything is read: nothing, or (None) nobody can tell."""
    return 0 if schema.counts_loss else None


class Reader(Protocol):
    """What reads one map; the stream owns it and closes it.

    ``fileno`` is polled for reading, or -1 for a table, which is read on demand. ``window`` is how long (seconds)
    records may wait until they are read. ``patience`` is after how many it is read though no wake-up came: infinite
    where the kernel wakes for every record.
    """

    schema: Schema
    window: float
    patience: float

    def fileno(self) -> int:
        """Return the fd to poll; it stays the reader's."""

    def read(self) -> Iterator[Batch]:
        """Give what is there when it begins, in order; nothing if nothing is there. Never blocks.

        Each batch is read when it is asked for, so that one at a time is in memory. A table may be read by several
        threads at once.
        """

    def end(self) -> Iterator[Batch]:
        """Give what is known of losses only when no more is read; not asked of tables."""

    def close(self) -> None:
        """Release what the reader holds; reading afterwards is an error."""
