"""Batches, which carry raw records from a map to a sink, and the schemas that describe them."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from beepy.btf.btf import Btf
from beepy.btf.types import VOID, TypeId
from beepy.events.clock import LIVE, Clock
from beepy.obj.spec import Role

if TYPE_CHECKING:
    from beepy.obj.exporter import MetricPlan  # of images of ebpf_exporter only
    from beepy.obj.measures import Measure  # of gadgets only
    from beepy.obj.presentation import Presentation  # bee's images have none

KernelTypes: TypeAlias = Callable[[], Btf | None]


def no_types() -> None:
    """Return None: enums have the numbers of the image."""


def no_name(_number: int) -> str:
    """Return "": nothing is known of the number."""
    return ""


def no_frames(_pid: int, _number: int) -> str:
    """Return "": nothing is known of the stack."""
    return ""


class Subject(NamedTuple):
    """The process that a record is about: its pid and the id of its cgroup, 0 if unknown.

    ``time_ns`` is the wall clock (ns since the epoch) when it did what the record says, 0 if that
    is not known.
    """

    pid: int
    cgroup_id: int
    time_ns: int


class Place(NamedTuple):
    """The cgroup of a process, and what it belongs to; "" for what is not known.

    ``cgroup`` is a path, from the root of cgroups on. ``namespace`` is the pod's, in Kubernetes.
    """

    cgroup: str = ""
    container: str = ""
    pod: str = ""
    namespace: str = ""
    unit: str = ""


class Frame(NamedTuple):
    """An address in the memory of a process, where it was or returned to."""

    pid: int
    address: int


def no_function(_frame: Frame) -> str:
    """Return "": nothing is known of the process."""
    return ""


def no_text(_subject: Subject) -> str:
    """Return "": nothing is known of the process."""
    return ""


def no_place(_subject: Subject) -> Place:
    """Return a place of which nothing is known."""
    return Place()


class Machine(NamedTuple):
    """What only the machine that made the records knows: functions from a number to its text.

    They return "" for what is not known. ``user`` and ``group`` are names of ids. A stack's number
    is its key in a map; its text has the frames, the innermost first: ``user_stack`` their
    addresses, ``user_symbols`` their functions, which takes the process before the number.
    ``kernel_function`` is the name of the function at an address, ``symbol`` has the offset behind
    it. ``cgroup`` is the path of a cgroup's id, ``device`` a block device by the kernel's number,
    ``namespace`` takes the number of the inode, ``syscall`` the number for the machine's
    architecture.

    ``user_function`` is the function of a process that has an address, ``exe`` the path of a
    process's program, ``argv`` its arguments, quoted as for a shell, ``place`` where it runs.
    """

    user: Callable[[int], str] = no_name
    group: Callable[[int], str] = no_name
    kernel_stack: Callable[[int], str] = no_name
    user_stack: Callable[[int], str] = no_name
    user_symbols: Callable[[int, int], str] = no_frames
    kernel_function: Callable[[int], str] = no_name
    cgroup: Callable[[int], str] = no_name
    symbol: Callable[[int], str] = no_name
    device: Callable[[int], str] = no_name
    namespace: Callable[[int], str] = no_name
    syscall: Callable[[int], str] = no_name
    user_function: Callable[[Frame], str] = no_function
    exe: Callable[[Subject], str] = no_text
    argv: Callable[[Subject], str] = no_text
    place: Callable[[Subject], Place] = no_place


NO_MACHINE: Machine = Machine()


class Schema(NamedTuple):
    """What the records of one tracked map look like.

    A stream of events (ring buffer, perf buffer) has a type ``record``. A table (hash, array) has
    the types ``key`` and ``value``, and ``record`` is 0. ``key_size`` and ``value_size`` are the
    kernel's, in bytes. ``cpus`` is the number of possible CPUs of a per-CPU table, else 0; each of
    its values is that many slots of ``value_size`` bytes, rounded up to 8. ``counts_loss``: its
    source counts the records that it loses, as perf buffers do and ring buffers do not. ``kernel``
    returns the types of the kernel that made the records, whose numbers its enums have. ``texts``
    are the names of the fields of bytes that are read as text. ``metric``, ``metric_value``,
    ``metrics`` and ``measures`` are the convention's; ``drains``, ``vocabulary`` and
    ``presentation`` its decisions (see ``Tracked``). ``machine`` gives the vocabulary names that
    only the machine knows, ``clock`` converts the timestamps of that kernel. ``interval`` is the
    image's for reading a table, in seconds (0: none).
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
    clock: Clock = LIVE
    drains: bool = False
    vocabulary: str = ""
    machine: Machine = NO_MACHINE
    presentation: "Presentation | None" = None
    metrics: "tuple[MetricPlan, ...]" = ()
    measures: "tuple[Measure, ...]" = ()
    interval: float = 0.0

    @property
    def is_stream(self) -> bool:
        """Whether it is a stream of records; else it is a table."""
        return self.record != VOID

    def __repr__(self) -> str:
        """Return a line: the types behind the ids are megabytes."""
        kind = f"record={self.record}" if self.record else f"key={self.key}, value={self.value}"
        return f"Schema({self.image[:40]!r}, {self.map[:30]!r}, {kind})"


def map_names(schemas: Sequence[Schema]) -> list[str]:
    """Return the name of each map, ``IMAGE.MAP`` where several images have a map of one name."""
    names = [schema.map for schema in schemas]
    return [
        schema.map if names.count(schema.map) == 1 else f"{schema.image}.{schema.map}"
        for schema in schemas
    ]


class Part(NamedTuple):
    r"""A run of pieces of one length: piece i starts at byte ``i * stride + skip`` of ``raw``.

    A ring's run is one part, with its headers still in it. A table's snapshot is two parts::

        ring    | u32 len | u32 pgoff | record, padded to 8 |   stride = 8 + padded length, skip = 8
        table   | key | key | ...   and   | value | value |     stride = size, skip = 0
    """

    raw: bytes
    stride: int
    skip: int


class Batch(NamedTuple):
    """Records of one map, as bytes; it owns them.

    ``parts`` is (records,), (keys, values), or (keys, values, CPU numbers) where each CPU has a row
    of its own. ``records`` is how many there are, each a row of ``length`` bytes (in a table: those
    of its value); a record may be shorter than its type, or longer. ``time_ns`` is the wall clock
    (ns since the epoch) when they were read. ``lost`` is how many records the source lost since the
    batch before, None if it does not count them. ``snapshot`` numbers the readings of a table (0
    for events), ``final`` marks the last batch of one. A batch without records reports losses, or
    the end of a snapshot.
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
    """Return the sum of two losses; it is unknown (None) if one of them is."""
    return None if before is None or lost is None else before + lost


def lost_yet(schema: Schema) -> int | None:
    """Return the losses before anything is read: 0, or None if they cannot be known."""
    return 0 if schema.counts_loss else None


class Reader(Protocol):
    """Reads one map; the stream owns it and closes it.

    ``coalesce_s`` is how long records may wait, so that several are read at once. After
    ``poll_period_s`` a map is read even if the kernel did not wake the poll; it is infinite where
    the kernel wakes the poll for every record.
    """

    schema: Schema
    coalesce_s: float
    poll_period_s: float

    def fileno(self) -> int:
        """Return the fd to poll, which the reader owns; -1 for a table."""

    def read(self) -> Iterator[Batch]:
        """Yield the records that the map holds when the reading begins, in order. Never blocks.

        Each batch is read when it is asked for, so that only one is in memory. Several threads may
        read a table at once.
        """

    def end(self) -> Iterator[Batch]:
        """Yield the losses that are known only after the last reading; not called for tables."""

    def close(self) -> None:
        """Release what the reader holds; reading afterwards is an error."""
