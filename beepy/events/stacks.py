"""Stacks in records: which fields hold one, and the frames of each row.

A stack is a field of a vocabulary (its frames as a text), an id of a map of stacks, or the
addresses themselves. ``frames`` knows the last two by their names.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from beepy.events import meaning
from beepy.events.batch import Batch, Machine, Schema
from beepy.events.codec import Value
from beepy.events.decoder import Decoder
from beepy.events.fields import VALUE, Field
from beepy.events.frames import (
    ADDRESS,
    KERNEL,
    KERNEL_HALF,
    MAX_FRAMES,
    SEPARATOR,
    USER,
    array_part,
    function,
    named_stack,
    own_name,
    parsed,
)
from beepy.events.gadget_fields import RAW, USER_STACK
from beepy.events.own import pid_field

_NAMES: Final = ("comm", "task", "name")  # whose stack it is
_KERNEL_TYPE: Final = "gadget_kernel_stack"
_FLOATS: Final = frozenset("efd")
_DECODER: Final = "kstack"


class _Stack(NamedTuple):
    """A field with a stack; ``frames`` makes those of a value, the innermost first.

    ``size`` is the field that says how many bytes of an array are set.
    """

    field: Field
    kind: int
    frames: Callable[[Any], Sequence[str]]
    size: Field | None = None


class Sample(NamedTuple):
    """A row with its stack: what is shown before it, its frames (the outermost first), a number."""

    before: tuple[str, ...]
    frames: tuple[str, ...]
    value: int


class Stacks:
    """Reads the stacks of a map's rows.

    ``before`` are the fields that say whose stack it is, ``value`` the number of a table's row:
    the first that is shown of its value, None where each row counts as one. ``unit_ns`` is how many
    nanoseconds one count of it is, 0 for other numbers.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._stacks = _stacks_of(decoder)
        self._pid = pid_field(decoder)
        shown = decoder.shown()
        numbers = [field for field in shown if field.part == VALUE and _is_whole(field)]
        self.value: Field | None = numbers[0] if numbers else None
        self.unit_ns = 0
        if self.value:
            self.unit_ns = meaning.duration_unit(self.value, decoder.fields)
        self.before = _before(decoder, {stack.field for stack in self._stacks}, self.value)

    @property
    def fields(self) -> frozenset[Field]:
        """The fields that hold stacks."""
        return frozenset([stack.field for stack in self._stacks])

    def samples(self, batch: Batch) -> Iterator[Sample]:
        """Yield one for each row."""
        decoder = self._decoder
        fields = [stack.field for stack in self._stacks]
        sizes = [stack.size for stack in self._stacks if stack.size]
        values = [self.value] if self.value else []
        pids = [self._pid] if self._pid else []
        columns = iter(decoder.values(batch, [*fields, *sizes, *values, *pids]))
        stacks = []
        columns_of = [next(columns) for _ in fields]
        sizes_of = {size: next(columns) for size in sizes}
        for stack, column in zip(self._stacks, columns_of, strict=True):
            cut: Iterable[Any] = column
            if stack.size:
                cut = map(_cut, column, sizes_of[stack.size])
            stacks.append([stack.frames(value) for value in cut])
        counts: Sequence[Any] = next(columns) if self.value else [1] * batch.records
        if self._pid:
            self._name_functions(stacks, next(columns))
        texts = decoder.texts(batch, self.before)
        names = zip(*texts, strict=True) if texts else iter([()] * batch.records)
        for before, count, *found in zip(names, counts, *stacks, strict=True):
            frames = [frame for inner in found for frame in reversed(inner)]
            yield Sample(before, tuple(frames) or ("[no stack]",), int(count or 0))

    def _name_functions(self, stacks: list[list[Sequence[str]]], pids: Sequence[Value]) -> None:
        """Replace addresses of processes by their functions, where the machine knows them."""
        machine = self._decoder.schema.machine
        for stack, rows in zip(self._stacks, stacks, strict=True):
            if stack.kind == KERNEL:
                continue
            rows[:] = [
                [
                    function(machine, parsed(pid if isinstance(pid, int) else 0, word))
                    for word in words
                ]
                for pid, words in zip(pids, rows, strict=True)
            ]


def lacks(decoder: Decoder) -> str:
    """Return why a map's rows are not shown as stacks, "" if they are."""
    return "" if _stacks_of(decoder) else "no field with a stack"


def _stacks_of(decoder: Decoder) -> tuple[_Stack, ...]:
    found = [stack for field in decoder.shown() if (stack := _stack(decoder, field))]
    # the symbols in a struct X_raw that is itself a field, X, are the same stack
    structs = {(*path[:-1], path[-1] + RAW) for path in [stack.field.path for stack in found]}
    kept = [stack for stack in found if stack.field.path[:-1] not in structs]
    # what a vocabulary has frames of may have an id or addresses beside them
    listed = {stack.kind for stack in kept if stack.frames is _listed}
    kept = [stack for stack in kept if stack.frames is _listed or stack.kind not in listed]
    return tuple(sorted(kept, key=lambda stack: stack.kind))


def _stack(decoder: Decoder, field: Field) -> _Stack | None:
    machine, codec = decoder.schema.machine, field.codec
    is_text = not codec.number and codec.text is str and not codec.inner
    if _KERNEL_TYPE in field.typedefs:
        return _Stack(field, KERNEL, _listed) if is_text else None
    if USER_STACK in field.owners:
        is_stack = is_text and (own_name(field) == "symbols" or _is_struct(field))
        return _Stack(field, USER, _listed) if is_stack else None
    if stack := named_stack(decoder, field):
        frames = _by_id(machine, stack.part) if stack.is_id else _by_address(machine)
        return _Stack(field, stack.part, frames, stack.size)
    if codec.value is bytes.hex and codec.size % ADDRESS == 0:
        kind = KERNEL if _is_label(decoder.schema, field) else array_part(field)
        return None if kind is None else _Stack(field, kind, _by_hex(machine))
    return None


def _is_label(schema: Schema, field: Field) -> bool:
    """Return whether ebpf_exporter's YAML decodes a field as a stack of the kernel."""
    labels = [label for plan in schema.metrics for label in plan.labels]
    return any(label.name == field.name and label.steps[0].name == _DECODER for label in labels)


def _is_struct(field: Field) -> bool:
    """Return whether a field stands for the struct whose member it has been made of."""
    return len(field.path) == field.owners.index(USER_STACK) + 1


def _is_whole(field: Field) -> bool:
    """Return whether values are integers."""
    return field.codec.number and field.codec.code not in _FLOATS


def _before(decoder: Decoder, stacks: set[Field], value: Field | None) -> tuple[Field, ...]:
    if decoder.choice and decoder.choice.only:
        return tuple([f for f in decoder.shown() if f not in stacks and f != value])
    for name in _NAMES:
        for field in decoder.fields:
            if field.path[-1] == name and not (field.codec.number or field.codec.inner):
                return (field,)
    return ()


def _listed(text: Value) -> Sequence[str]:
    return str(text).split(SEPARATOR) if text else ()


def _by_id(machine: Machine, kind: int) -> Callable[[Any], Sequence[str]]:
    text_of = machine.user_stack if kind == USER else machine.kernel_stack

    def frames(number: int | None) -> Sequence[str]:
        """Return the frames of an id; a negative one is an errno, of a stack that there is not."""
        if number is None or number < 0 or number >= KERNEL_HALF:
            return ()
        return _listed(text_of(number)) or (f"[stack {number}]",)

    return frames


def _by_address(machine: Machine) -> Callable[[Any], Sequence[str]]:
    def frames(addresses: Sequence[int] | None) -> Sequence[str]:
        texts = []
        for address in (addresses or ())[:MAX_FRAMES]:
            if not address:
                break
            name = machine.kernel_function(address) if address >= KERNEL_HALF else ""
            texts.append(name or hex(address))
        return texts

    return frames


def _by_hex(machine: Machine) -> Callable[[Any], Sequence[str]]:
    frames = _by_address(machine)

    def of_hex(text: str | None) -> Sequence[str]:
        raw = bytes.fromhex(text or "")
        return frames([int.from_bytes(raw[at : at + 8], "little") for at in range(0, len(raw), 8)])

    return of_hex


def _cut(addresses: Any, size: Any) -> Sequence[int]:  # noqa: ANN401 - values of fields
    """Return the addresses in the first ``size`` bytes; a negative size is an errno."""
    return (addresses or ())[: max(size or 0, 0) // ADDRESS]


def name_of(schema: Schema, value: Field | None) -> str:
    """Return what the numbers of a map's samples are: the name of the value, or the map's."""
    return value.path[-1] if value and value.path[-1] != "value" else schema.map
