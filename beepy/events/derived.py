"""TABLE: name -> derived field: computed from those of a record, when it is asked for.

::

    --fields +age,+container       --where 'age > 10ms and unit == "nginx.service"'

A record's own field of such a name comes first. What is not known is None. Who a process is only
the machine that made the record knows (``Machine``).
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import attrgetter
from typing import Final, NamedTuple, TypeAlias

from beepy.btf.types import VOID, Bits
from beepy.events import frames, go_format, meaning
from beepy.events.batch import Batch, Machine, Subject
from beepy.events.clock import Clock
from beepy.events.codec import Codec, Value
from beepy.events.decoder import Decoder
from beepy.events.fields import RECORD, Derivation, Field
from beepy.events.own import pid_field
from beepy.events.rules import CGROUPS, KERNEL_STACK_IDS, USER_STACK_IDS

Columns: TypeAlias = Sequence[list[Value]]
Know: TypeAlias = Callable[[Machine, Subject], str]

_AGE: Final = Codec(
    code="q",
    size=0,
    value=lambda value: value,
    text=lambda value: "" if value is None else go_format.duration(value),
    width=12,
    number=True,
    unit_ns=1,
    integer="q",
)


class Derived(NamedTuple):
    """How a derived field is made: ``of`` returns how it is computed, None where it cannot be.

    ``sources`` and ``how`` are its row in docs/meaning.md. ``asks`` are the functions of
    ``Machine`` that it calls.
    """

    sources: str
    how: str
    codec: Codec
    of: Callable[[Decoder], Derivation | None]
    asks: tuple[str, ...] = ()


def field(decoder: Decoder, name: str) -> Field | None:
    """Return the derived field of that name, None if a map's records cannot have it."""
    row = TABLE.get(name)
    derivation = row and row.of(decoder)
    if not row or not derivation:
        return None
    return Field(
        name=name,
        path=(name,),
        label=name,
        type=VOID,
        offset=Bits(0),
        bits=8 * row.codec.size,
        part=RECORD,
        start=0,
        codec=row.codec,
        derived=derivation,
    )


def names(decoder: Decoder) -> list[str]:
    """Return the names of the derived fields that a map's records can have."""
    return [name for name, row in TABLE.items() if row.of(decoder)]


def subject_fields(decoder: Decoder) -> tuple[Field | None, Field | None]:
    """Return the fields with the pid and with the cgroup's id of what a record is about."""
    cgroup = next((field for field in decoder.fields if _is_cgroup(field)), None)
    return pid_field(decoder), cgroup


def _age(decoder: Decoder) -> Derivation | None:
    begin, end = meaning.beginning_and_end(decoder.fields)
    if begin and end:
        return Derivation((begin.field, end.field), partial(_between, begin.unit, end.unit))
    if time := begin or end:
        return Derivation((time.field,), partial(_until_read, decoder.schema.clock, time.unit))
    return None


def _between(first_unit: int, last_unit: int, columns: Columns, _batch: Batch) -> list[Value]:
    """Return the time from one column of times to the other, None where one is none (0)."""
    ages: list[Value] = []
    for first, last in zip(*columns, strict=True):
        begin, end = _number(first) * first_unit, _number(last) * last_unit
        ages.append(end - begin if begin and begin <= end else None)
    return ages


def _until_read(clock: Clock, unit: int, columns: Columns, batch: Batch) -> list[Value]:
    """Return the time from a column of times until the batch was read."""
    times = [value * unit if isinstance(value, int) else 0 for value in columns[0]]
    # a table may be read while its entries change
    return [
        max(batch.time_ns - wall, 0) if wall and batch.time_ns else None
        for wall in clock.walls(times)
    ]


def _of_process(know: Know, *, by_cgroup: bool, decoder: Decoder) -> Derivation | None:
    """Return what asks the machine about the process of each record, by its pid or its cgroup."""
    pid, cgroup = subject_fields(decoder)
    cgroup = cgroup if by_cgroup else None
    sources = [source for source in (pid, cgroup) if source]
    if not sources:
        return None
    event_time = meaning.event_time(decoder.fields, decoder.schema.clock)
    if event_time:
        sources.append(event_time.field)
    machine = decoder.schema.machine

    def compute(columns: Columns, batch: Batch) -> list[Value]:
        rest = iter(columns)
        none: list[Value] = [0] * batch.records
        pids = next(rest) if pid else none
        cgroups = next(rest) if cgroup else none
        walls = event_time.to_wall(next(rest), batch.time_ns) if event_time else none
        known: dict[tuple[Value, Value], str] = {}  # of one batch: a process may change meanwhile
        values: list[Value] = []
        for number, group, wall in zip(pids, cgroups, walls, strict=True):
            key = number, group
            if key not in known:
                subject = Subject(_number(number), _number(group), _number(wall) or batch.time_ns)
                known[key] = know(machine, subject)
            values.append(known[key] or None)
        return values

    return Derivation(tuple(sources), compute)


def _of_named(function: str, decoder: Decoder) -> Derivation | None:
    """Return the name of the first number of a record that a function of the machine names."""
    named = meaning.named_numbers(decoder.fields)
    number = next((field for field, known in named if known == function), None)
    if number is None:
        return None
    name_of = getattr(decoder.schema.machine, function)

    def compute(columns: Columns, _batch: Batch) -> list[Value]:
        names = {value: name_of(value) if isinstance(value, int) else "" for value in {*columns[0]}}
        return [names[value] or None for value in columns[0]]

    return Derivation((number,), compute)


def _number(value: Value) -> int:
    return value if isinstance(value, int) else 0


def _is_cgroup(field: Field) -> bool:
    return field.path[-1] in CGROUPS and field.bits == 64 and field.codec.is_plain_int


def _process(sources: str, how: str, know: Know, width: int, asks: str = "place") -> Derived:
    of = partial(_of_process_field, know, asks == "place")
    return Derived(sources, how, _text(width), of, (asks,))


def _text(width: int) -> Codec:
    return Codec(
        code="",
        size=0,
        value=lambda value: value,
        text=lambda value: "" if value is None else str(value),
        width=width,
    )


def _of_process_field(know: Know, by_cgroup: bool, decoder: Decoder) -> Derivation | None:  # noqa: FBT001 - for partial
    return _of_process(know, by_cgroup=by_cgroup, decoder=decoder)


def _placed(member: str) -> Know:
    get = attrgetter(member)
    return lambda machine, subject: str(get(machine.place(subject)))


def _listed(names: Iterable[str]) -> str:
    """Return names as the page has them: in code, the last after "or"."""
    *most, last = [f"`{name}`" for name in sorted(names)]
    return f"{', '.join(most)} or {last}"


_PID: Final = "`tgid`, `pid` or `proc.pid`"
_PID_OR_CGROUP: Final = f"{_listed(CGROUPS)} of 64 bits, else {_PID}"

TABLE: Final[dict[str, Derived]] = {
    "age": Derived(
        "a time of a beginning and one of an end or of the event; or one of them",
        "the time between them; of a single one, until the record was read",
        _AGE,
        _age,
    ),
    "exe": _process(_PID, "`/proc/PID/exe`", lambda m, subject: m.exe(subject), 32, "exe"),
    "argv": _process(
        _PID,
        "`/proc/PID/cmdline`, quoted as for a shell",
        lambda m, subject: m.argv(subject),
        48,
        "argv",
    ),
    "cgroup": _process(
        _PID_OR_CGROUP, "the path of the cgroup, from the root of cgroups on", _placed("cgroup"), 32
    ),
    "container": _process(
        _PID_OR_CGROUP,
        "the name that docker, podman, containerd or CRI-O know; the first 12 digits of its id"
        " where they know none; the id that crun or runc were given",
        _placed("container"),
        16,
    ),
    "pod": _process(_PID_OR_CGROUP, "the pod's name, else its UID", _placed("pod"), 24),
    "namespace": _process(
        _PID_OR_CGROUP, "the namespace of the pod in Kubernetes", _placed("namespace"), 16
    ),
    "user": Derived(
        "the first user id of the record",
        "its name",
        _text(16),
        partial(_of_named, "user"),
        ("user",),
    ),
    "group": Derived(
        "the first group id of the record",
        "its name",
        _text(16),
        partial(_of_named, "group"),
        ("group",),
    ),
    "kernel_frames": Derived(
        f"{_listed(KERNEL_STACK_IDS)} with a map of stacks, or"
        f" `u64` {_listed(f'{name}[]' for name in frames.KERNEL_ARRAYS)}",
        "the kernel's functions, the innermost first, from `/proc/kallsyms`",
        _text(48),
        frames.of_kernel,
        ("kernel_stack", "kernel_function"),
    ),
    "user_frames": Derived(
        f"{_listed(USER_STACK_IDS)} with a map of stacks, or"
        f" `u64` {_listed(f'{name}[]' for name in frames.USER_ARRAYS)}; and {_PID}",
        "the process's functions, the innermost first, from the symbols of its files and of"
        " `/usr/lib/debug/.build-id`; `FILE+OFFSET` where they have none",
        _text(48),
        frames.of_user,
        ("user_stack", "user_function"),
    ),
    "unit": _process(
        _PID_OR_CGROUP,
        "the innermost unit of systemd that is no slice, on the host: a service or a scope",
        _placed("unit"),
        24,
    ),
}
