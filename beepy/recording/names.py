"""What only the machine that recorded knows of its records: names of users, containers, symbols.

A recording has an item of names before the batch whose records have their numbers::

    {"user": [[0, "root"]], "place": [[[4711, 0], ["/docker/d0d0...", "web", "", "", ""]]]}

The members are functions of ``Machine``, each with pairs of what it is asked and what it answers. A
process is asked about by its pid and the id of its cgroup, a function of it by the pid and the
address, and about the functions of a gadget's stack by the pid and the stack's number. A name that
changes is written again.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from beepy.errors import RecordingError
from beepy.events import derived, frames, gadget_fields, meaning
from beepy.events.batch import Batch, Frame, Machine, Place, Subject
from beepy.events.codec import Value
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.recording import items
from beepy.recording.blocks import Item
from beepy.recording.items import Kind

_Key: TypeAlias = "int | tuple[int, int]"

_OF_PROCESSES: Final = ("exe", "argv", "place")
_OF_PAIRS: Final = ("user_function", "user_symbols", *_OF_PROCESSES)
_AGAIN_S: Final = 0.1  # a process may execute another program, or enter a cgroup
_MOST: Final = 1 << 16  # names of one function that are remembered
_MOST_BYTES: Final = 8 << 20  # ... and of their texts
_READ: Final = 2  # times as many: a name in use is not forgotten before it is read again
_MAX_ITEM: Final = 1 << 16  # bytes of texts in one item
_U32: Final = (1 << 32) - 1


class _Sources(NamedTuple):
    """The fields of one map that name something: numbers by function, and those of a process.

    ``named_stacks`` are the process and the number of stacks of a gadget, which shows functions.
    """

    decoder: Decoder
    numbers: Sequence[tuple[Field, str]]
    pid: Field | None
    cgroup: Field | None
    of_processes: Sequence[str]
    user_stacks: Sequence[frames.UserStack]
    named_stacks: Sequence[tuple[Field, Field]]
    kernel_array: Sequence[Field]


class NamesWriter:
    """Asks the machine about the numbers in batches, and makes items of what is new."""

    def __init__(
        self, decoders: Sequence[Decoder], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._now = now
        self._sources = {decoder.schema: _sources(decoder) for decoder in decoders}
        self._known: dict[str, dict[_Key, Any]] = {}
        self._sizes: dict[str, int] = {}  # of the texts, by function
        self._asked_at: dict[_Key, float] = {}

    def items(self, batch: Batch) -> list[bytes]:
        """Return items with the names that the batch's records have and that were not yet given."""
        sources = self._sources[batch.schema]
        fields = [field for field, _ in sources.numbers]
        subjects = [field for field in (sources.pid, sources.cgroup) if field]
        if not batch.records:
            return []
        new: dict[str, list[list[Any]]] = {}
        columns = sources.decoder.values(batch, [*fields, *subjects])
        machine = batch.schema.machine
        for (_, function), column in zip(sources.numbers, columns, strict=False):
            known = self._known.setdefault(function, {})
            for number in {*column} - known.keys():
                if isinstance(number, int):
                    self._note(new, function, number, getattr(machine, function)(number))
        if subjects:
            self._note_processes(new, sources, batch, columns[len(fields) :])
        self._note_stacks(new, sources, batch)
        return list(_items(new))

    def all(self) -> Iterator[bytes]:
        """Yield items with all names that are known."""
        for function, names in self._known.items():
            yield from _items({function: [[key, answer] for key, answer in names.items()]})

    def _note_processes(
        self,
        new: dict[str, list[list[Any]]],
        sources: _Sources,
        batch: Batch,
        columns: Any,  # noqa: ANN401 - of integers
    ) -> None:
        none = [0] * batch.records
        pids = columns[0] if sources.pid else none
        groups = columns[-1] if sources.cgroup else none
        now = self._now()
        for pid, group in {*zip(pids, groups, strict=True)}:
            key = pid or 0, group or 0
            if now - self._asked_at.get(key, -_AGAIN_S) < _AGAIN_S:
                continue
            if len(self._asked_at) >= _MOST:
                self._asked_at.clear()
            self._asked_at[key] = now
            subject = Subject(*key, batch.time_ns)
            for function in sources.of_processes:
                answer = getattr(batch.schema.machine, function)(subject)
                self._note(new, function, key, answer)

    def _note_stacks(
        self, new: dict[str, list[list[Any]]], sources: _Sources, batch: Batch
    ) -> None:
        machine = batch.schema.machine
        addresses: set[int] = set()  # of the kernel
        known = self._known.setdefault("user_function", {})
        for user_stack in sources.user_stacks:
            columns = sources.decoder.values(batch, user_stack.sources)
            stacks = user_stack.frames(machine, columns)
            for frame in {frame for stack in stacks for frame in stack} - known.keys():
                if isinstance(frame, str):  # of a file by its build id
                    continue
                if frame.address >= frames.KERNEL_HALF:
                    addresses.add(frame.address)
                    continue
                self._note(
                    new, "user_function", (frame.pid, frame.address), machine.user_function(frame)
                )
        for fields in sources.named_stacks:
            pids, numbers = sources.decoder.values(batch, fields)
            pairs = {(_u32(pid), _u32(n)) for pid, n in zip(pids, numbers, strict=True)}
            for pid, number in pairs - self._known.setdefault("user_symbols", {}).keys():
                if pid:
                    text = machine.user_symbols(pid, number)
                    self._note(new, "user_symbols", (pid, number), text)
        if sources.kernel_array:
            columns = sources.decoder.values(batch, sources.kernel_array)
            addresses |= frames.kernel_addresses(columns)
        for address in addresses - self._known.setdefault("kernel_function", {}).keys():
            self._note(new, "kernel_function", address, machine.kernel_function(address))

    def _note(self, new: dict[str, list[list[Any]]], function: str, key: _Key, answer: Any) -> None:  # noqa: ANN401 - as the function has it
        known = self._known.setdefault(function, {})
        if known.get(key) == answer or (not any(answer) and key not in known):
            return  # what is not known is not known in the recording either
        size = self._sizes.get(function, 0) + _size(answer)
        if len(known) >= _MOST or size > _MOST_BYTES:
            known.clear()
            size = _size(answer)
        self._sizes[function] = size
        known[key] = answer
        new.setdefault(function, []).append([key, answer])


def _sources(decoder: Decoder) -> _Sources:
    pid, cgroup = derived.subject_fields(decoder)
    chosen = {field.name for field in decoder.shown() if field.derived}
    # arguments may be secrets: they are recorded only if the run shows them
    of_processes = [name for name in _OF_PROCESSES if name == "place" or name in chosen]
    numbers = meaning.named_numbers(decoder.fields)
    gadget_stacks = gadget_fields.user_stacks(decoder.fields) if decoder.schema.vocabulary else []
    numbers += [(stack, "user_stack") for _, stack in gadget_stacks]
    mixed_ids = [field for field in decoder.fields if _is_mixed_id(decoder, field)]
    numbers += [(field, "kernel_stack") for field in mixed_ids]
    user_stacks = (frames.user_stack(decoder), frames.mixed_array(decoder))
    return _Sources(
        decoder=decoder,
        numbers=numbers,
        pid=pid,
        cgroup=cgroup,
        of_processes=of_processes,
        user_stacks=[stack for stack in user_stacks if stack],
        named_stacks=[(process, stack) for process, stack in gadget_stacks if process],
        kernel_array=frames.kernel_array(decoder),
    )


def _is_mixed_id(decoder: Decoder, field: Field) -> bool:
    """Return whether a field is the number of a stack whose part the name does not say."""
    stack = frames.named_stack(decoder, field)
    is_mixed = stack is not None and stack.is_id and stack.part == frames.EITHER
    return is_mixed and gadget_fields.USER_STACK not in field.owners


def _u32(value: Value) -> int:
    return value & _U32 if isinstance(value, int) else 0


def _items(names: dict[str, list[list[Any]]]) -> Iterator[bytes]:
    for function, pairs in names.items():
        part: list[list[Any]] = []
        size = 0
        for pair in pairs:
            part.append(pair)
            size += _size(pair[1])
            if size >= _MAX_ITEM:
                yield items.document(Kind.NAMES, {function: part})
                part, size = [], 0
        if part:
            yield items.document(Kind.NAMES, {function: part})


def _size(answer: str | Place) -> int:
    return 32 + (len(answer) if isinstance(answer, str) else sum(map(len, answer)))


class RecordedNames:
    """The names of a recording as its ``machine``, which knows those that were read so far."""

    def __init__(self) -> None:
        # a dict takes longer to find its oldest item the more were deleted before it
        self._known: dict[str, OrderedDict[Any, Any]] = {}
        self._sizes: dict[str, int] = {}  # of the texts, by function
        named: dict[str, Any] = {
            function: self._of_pair(function)
            if function in _OF_PAIRS
            else self._of_number(function)
            for function in Machine._fields
        }
        symbols = named["user_symbols"]
        named["user_symbols"] = lambda pid, number: symbols((pid, number))
        self.machine = Machine(**named)

    def read(self, item: Item, where: str) -> None:
        """Read an item of names. Raises RecordingError."""
        for function, pairs in items.read_document(item, where).items():
            if function not in Machine._fields:
                continue  # of a later version
            try:
                for key, answer in pairs:
                    self._add(function, *_checked(function, key, answer))
            except (RecursionError, TypeError, ValueError) as error:
                raise RecordingError(f"{where}: malformed names: {error}") from None

    def _add(self, function: str, key: _Key, answer: str | Place) -> None:
        """Add a name, and forget the oldest of too many."""
        known = self._known[function]
        size = self._sizes.get(function, 0) + _size(answer)
        if key in known:
            size -= _size(known.pop(key))
        known[key] = answer
        while len(known) > _READ * _MOST or size > _READ * _MOST_BYTES:
            size -= _size(known.popitem(last=False)[1])
        self._sizes[function] = size

    def _of_number(self, function: str) -> Callable[[int], str]:
        known = self._known.setdefault(function, OrderedDict())
        return lambda number: known.get(number, "")

    def _of_pair(self, function: str) -> Callable[[Subject | Frame | tuple[int, int]], Any]:
        known = self._known.setdefault(function, OrderedDict())
        unknown = Place() if function == "place" else ""
        return lambda asked: known.get((asked[0], asked[1]), unknown)


def _checked(function: str, key: Any, answer: Any) -> tuple[_Key, str | Place]:  # noqa: ANN401 - JSON
    if function not in _OF_PAIRS:
        if not isinstance(key, int) or not isinstance(answer, str):
            raise TypeError(f"{function}: expected a number and a text")
        return key, answer
    pid, group = key
    if not isinstance(pid, int) or not isinstance(group, int):
        raise TypeError(f"{function}: expected two numbers")
    if function != "place":
        return (pid, group), str(answer)
    return (pid, group), Place(*map(str, answer))
