"""Stacks in records as derived fields: the functions of the kernel's part, and of the user's.

::

    int kern_stack_id;                    the frames are in the map of stacks
    u64 ustack[128]; s32 ustack_sz;       the frames, and how many bytes of them there are
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from beepy.events.batch import Batch, Frame, Machine
from beepy.events.codec import Value
from beepy.events.decoder import Decoder
from beepy.events.fields import Derivation, Field
from beepy.events.own import pid_field
from beepy.events.rules import KERNEL_STACK_IDS, USER_STACK_IDS

SEPARATOR: Final = "; "
KERNEL_ARRAYS: Final = frozenset(("kstack", "kern_stack", "kernel_stack"))
USER_ARRAYS: Final = frozenset(("ustack", "user_stack"))
KERNEL_HALF: Final = 1 << 63
"""Addresses from there on are the kernel's."""

ADDRESS: Final = 8  # bytes
MAX_FRAMES: Final = 1024

USER, EITHER, KERNEL = range(3)
"""Whose part a stack is, in the order of a whole one, the outermost frame first."""

_IDS: Final[Mapping[str, int]] = {
    **dict.fromkeys(KERNEL_STACK_IDS, KERNEL),
    **dict.fromkeys(USER_STACK_IDS, USER),
    **dict.fromkeys(("stack_id", "stackid"), EITHER),
}
_ARRAYS: Final[Mapping[str, int]] = {
    **dict.fromkeys(KERNEL_ARRAYS, KERNEL),
    **dict.fromkeys(USER_ARRAYS, USER),
    **dict.fromkeys(("stack", "stack_trace", "callchain"), EITHER),
}
_SIZES: Final = ("_sz", "_size")  # behind an array's name: how many bytes of it are set


class NamedStack(NamedTuple):
    """A field that holds a stack by its name: its id, or an array of addresses.

    ``part`` is USER, KERNEL or EITHER. ``size`` is the field that says how many bytes of an array
    are set.
    """

    field: Field
    part: int
    is_id: bool
    size: Field | None = None

    @property
    def sources(self) -> tuple[Field, ...]:
        """The fields that are there, the stack first."""
        return (self.field, self.size) if self.size else (self.field,)


class UserStack(NamedTuple):
    """Where a record has the user's part of a stack: an id or an array, its size, and the pid."""

    stack: Field
    size: Field | None
    pid: Field | None

    @property
    def sources(self) -> tuple[Field, ...]:
        """The fields that are there, the stack first."""
        return tuple([field for field in self if field])

    def frames(
        self, machine: Machine, columns: Sequence[list[Value]]
    ) -> Iterator[list[Frame | str]]:
        """Yield the frames of each row, the innermost first; a text is one without an address."""
        rest = iter(columns[1:])
        sizes = next(rest) if self.size else [None] * len(columns[0])
        pids = next(rest) if self.pid else [0] * len(columns[0])
        for value, size, pid in zip(columns[0], sizes, pids, strict=True):
            number = pid if isinstance(pid, int) else 0
            if isinstance(value, int):
                yield [parsed(number, word) for word in _words(machine, value)]
            else:
                yield [Frame(number, address) for address in _addresses(value, size)]


def user_stack(decoder: Decoder) -> UserStack | None:
    """Return where the records of a map have a user's stack, None if they have none."""
    return _with_pid(decoder, _first(decoder, USER, ids=True))


def mixed_array(decoder: Decoder) -> UserStack | None:
    """Return where records have addresses of both parts in one array, None if they have none."""
    return _with_pid(decoder, _first(decoder, EITHER))


def _with_pid(decoder: Decoder, stack: NamedStack | None) -> UserStack | None:
    return UserStack(stack.field, stack.size, pid_field(decoder)) if stack else None


def kernel_array(decoder: Decoder) -> tuple[Field, ...]:
    """Return the array with addresses of the kernel, and its size, () if there is none."""
    stack = _first(decoder, KERNEL)
    return stack.sources if stack else ()


def kernel_addresses(columns: Sequence[list[Value]]) -> set[int]:
    """Return the addresses in the columns of a ``kernel_array``."""
    sizes = columns[1] if len(columns) > 1 else [None] * len(columns[0])
    stacks = zip(columns[0], sizes, strict=True)
    return {at for value, size in stacks for at in _addresses(value, size)}


def of_user(decoder: Decoder) -> Derivation | None:
    """Return how the functions of the user's stack are found."""
    stack = user_stack(decoder)
    return stack and Derivation(stack.sources, partial(_user_texts, stack, decoder.schema.machine))


def of_kernel(decoder: Decoder) -> Derivation | None:
    """Return how the functions of the kernel's stack are found."""
    stack = _first(decoder, KERNEL, ids=True)
    if not stack:
        return None
    return Derivation(stack.sources, partial(_kernel_texts, decoder.schema.machine))


def _first(decoder: Decoder, part: int, *, ids: bool = False) -> NamedStack | None:
    """Return the first stack of that part, an array unless ``ids`` are asked for too."""
    stacks = (named_stack(decoder, field) for field in decoder.fields)
    return next((s for s in stacks if s and s.part == part and (ids or not s.is_id)), None)


def named_stack(decoder: Decoder, field: Field) -> NamedStack | None:
    """Return the stack that a field holds by its name, None if it holds none."""
    name, codec = own_name(field), field.codec
    if name in _IDS and codec.is_plain_int and field.bits >= 32:
        return NamedStack(field, _IDS[name], is_id=True)
    item = codec.inner[0][1] if codec.inner else None
    if name in _ARRAYS and item and item.code == "Q" and item.value is None:  # no enum, no pointer
        paths = {(*field.path[:-1], field.path[-1] + end) for end in _SIZES}
        sizes = (f for f in decoder.fields if f.path in paths and f.codec.is_plain_int)
        return NamedStack(field, _ARRAYS[name], is_id=False, size=next(sizes, None))
    return None


def array_part(field: Field) -> int | None:
    """Return whose part an array of that name holds, None if the name is no stack's."""
    return _ARRAYS.get(own_name(field))


def own_name(field: Field) -> str:
    """Return a member's own name, without the ``_`` that makes it distinct."""
    return field.path[-1].rstrip("_").lower()


def _kernel_texts(machine: Machine, columns: Sequence[list[Value]], _batch: Batch) -> list[Value]:
    def text(value: Value, size: Value) -> str:
        if isinstance(value, int):
            return machine.kernel_stack(value)
        addresses = _addresses(value, size)
        return SEPARATOR.join([machine.kernel_function(at) or hex(at) for at in addresses])

    sizes = columns[1] if len(columns) > 1 else [None] * len(columns[0])
    return [text(value, size) or None for value, size in zip(columns[0], sizes, strict=True)]


def _user_texts(
    stack: UserStack, machine: Machine, columns: Sequence[list[Value]], _batch: Batch
) -> list[Value]:
    texts = [
        [function(machine, frame) for frame in frames] for frames in stack.frames(machine, columns)
    ]
    return [SEPARATOR.join(functions) or None for functions in texts]


def function(machine: Machine, frame: Frame | str) -> str:
    """Return the function of a frame, else its address."""
    if isinstance(frame, str):
        return frame
    return machine.user_function(frame) or hex(frame.address)


def _words(machine: Machine, number: int) -> list[str]:
    """Return the texts of the frames of a stack in the map: addresses, or build ids and offsets."""
    text = machine.user_stack(number) if number >= 0 else ""
    return text.split(SEPARATOR)[:MAX_FRAMES] if text else []


def parsed(pid: int, word: str) -> Frame | str:
    """Return the frame of an address in hexadecimal; other words stay as they are."""
    try:
        return Frame(pid, int(word, 16)) if word.startswith("0x") else word
    except ValueError:
        return word


def _addresses(value: Value, size: Value) -> list[int]:
    """Return the addresses in an array, up to its size in bytes, or to the first 0."""
    addresses: list[int] = []
    most = max(size, 0) // ADDRESS if isinstance(size, int) else MAX_FRAMES
    for address in value[: min(most, MAX_FRAMES)] if isinstance(value, tuple) else ():
        if not isinstance(address, int) or not address:
            break
        addresses.append(address)
    return addresses
