"""The fields of Inspektor Gadget's vocabulary: what its typedefs, structs and names mean.

A number keeps its field, and its meaning is a field of its own beside it::

    gadget_errno error_raw             error_raw: 2, error: "ENOENT"
    enum type type_raw                 type_raw: 1, type: "accept"
    gadget_uid uid                     uid: 0, user: "root"
    struct gadget_l4endpoint_t src     src.addr: "127.0.0.1", src.endpoint: "127.0.0.1:80",
                                       src.proto_raw: 6, src.proto: "TCP"
    struct gadget_user_stack ustack    ustack.addresses: "0x7f3a3f9", ustack.symbols: "read+0x11"
    char args[N]                       args: all the texts in it, if args_size and args_count stand
                                       beside it; a non-breaking space is between them

Members whose names begin with ``__`` are left out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from beepy.btf import types
from beepy.btf.layout import skip_mods_and_typedefs
from beepy.btf.types import AnyEnum, Bits
from beepy.events import enums, gadget_texts, semantics
from beepy.events.batch import Machine, Schema
from beepy.events.codec import Codec, Value
from beepy.events.fields import RECORD, Field
from beepy.text import escaped

RAW: Final = "_raw"
ADDRESS: Final = "gadget_ip_addr_t"
ENDPOINT: Final = "gadget_l4endpoint_t"
USER_STACK: Final = "gadget_user_stack"
STACK_ID: Final = "stack_id"

_PROCESS: Final = "tgid_level0"  # of a user stack, by the first PID namespace

_HIDDEN: Final = "__"
_SET: Final = "_set"  # the end of the names of enums whose values are sets of bits
_V4, _V6 = 4, 6
_ADDRESS_SIZE: Final = 16
_BETWEEN: Final = "\xa0"  # texts, which may have blanks
_MAX_BITS: Final = 256  # names of such an enum
_MAX_REST: Final = 1 << 16  # bytes of what follows a record

_Text = Callable[[int], str]


class _Meaning(NamedTuple):
    """``field`` is the name where the raw field's has no ``_raw`` ("": it has no meaning then)."""

    text: _Text
    field: str = ""
    cacheable: bool = True
    width: int = 12


def _meanings(machine: Machine) -> Mapping[str, _Meaning]:
    """Return what numbers mean, by their typedef."""
    return {
        "gadget_signal": _Meaning(gadget_texts.signal),
        "gadget_errno": _Meaning(gadget_texts.errno),
        "gadget_syscall": _Meaning(gadget_texts.syscall, width=16),
        "gadget_timestamp": _Meaning(gadget_texts.timestamp, cacheable=False, width=30),
        "gadget_bytes": _Meaning(gadget_texts.size, width=8),
        "gadget_duration": _Meaning(gadget_texts.duration),
        "gadget_file_mode": _Meaning(gadget_texts.file_mode),
        "gadget_file_flags": _Meaning(gadget_texts.file_flags, width=20),
        "gadget_uid": _Meaning(_known(machine.user, "uid"), "user"),
        "gadget_gid": _Meaning(_known(machine.group, "gid"), "group"),
        "gadget_kernel_stack": _Meaning(machine.kernel_stack, cacheable=False, width=32),
    }


def _known(name_of: _Text, kind: str) -> _Text:
    """Return what names a number, or says what kind of number it is: uid:4711."""
    return lambda number: name_of(number) or f"{kind}:{number}"


def user_stacks(fields: Sequence[Field]) -> list[tuple[Field | None, Field]]:
    """Return the numbers of users' stacks, each with the field of its process before it.

    That is None for a stack whose functions are not shown.
    """
    by_path = {(field.part, field.path): field for field in fields}
    return [(_process_of(field, by_path), field) for field in fields if _is_user_stack(field)]


def _is_user_stack(field: Field) -> bool:
    return field.path[-1] == STACK_ID and USER_STACK in field.owners and field.codec.number


def _process_of(stack: Field, by_path: Mapping[tuple[int, tuple[str, ...]], Field]) -> Field | None:
    """Return the field with the process of a user's stack, None if there is none."""
    process = by_path.get((stack.part, (*stack.path[:-1], _PROCESS)))
    return process if process and process.codec.size == stack.codec.size else None


def of(schema: Schema, leaves: Sequence[Field]) -> tuple[Field, ...]:
    """Return the fields of records whose types have the ``leaves``."""
    visible = [leaf for leaf in leaves if not any(name.startswith(_HIDDEN) for name in leaf.path)]
    return tuple(_Vocabulary(schema, visible).fields())


class _Vocabulary:
    """Makes the fields of one schema."""

    def __init__(self, schema: Schema, leaves: Sequence[Field]) -> None:
        self._schema = schema
        self._leaves = leaves
        self._by_path = {(leaf.part, leaf.path): leaf for leaf in leaves}
        self._starts: dict[tuple[int, tuple[str, ...]], int] = {}  # of addresses
        for leaf in leaves:
            at = _position(leaf, ADDRESS)
            if at is not None:
                key = leaf.part, leaf.path[: at + 1]
                self._starts[key] = min(leaf.start, self._starts.get(key, leaf.start))
        # names that an image chooses for more fields must not be those of others
        self._taken = {path for leaf in leaves for path in _owned(leaf)}
        self._made: set[tuple[str, ...]] = set()
        self._meanings = _meanings(schema.machine)
        # a struct as a field, and the codec of its meaning, until its members are yielded
        self._after: tuple[()] | tuple[Field, Codec] = ()
        self._addresses: set[tuple[int, tuple[str, ...]]] = set()  # those that are made

    def fields(self) -> Iterator[Field]:
        for leaf in self._leaves:
            if self._after and self._after[0].path != leaf.path[: len(self._after[0].path)]:
                yield from self._meaning_of_struct()
            at = _position(leaf, ADDRESS)
            if at is not None:
                yield from self._address(leaf, leaf.path[: at + 1])
            else:
                yield from self._number(leaf)
        yield from self._meaning_of_struct()
        yield from self._rest()

    def _meaning_of_struct(self) -> Iterator[Field]:
        """Yield what stands beside a struct, once all members of the struct have been."""
        if self._after:
            stack, codec = self._after
            self._after = ()
            yield from self._derived(stack, _named(stack), codec)

    def _number(self, leaf: Field) -> Iterator[Field]:
        """Yield a leaf, and its meaning."""
        enum = self._enum(leaf)
        if enum and leaf.path[-1].endswith(RAW):
            name_of = self._namer(leaf, enum)
            yield leaf._replace(codec=leaf.codec.as_number() or leaf.codec)
            yield from self._beside(leaf, _named(leaf), name_of)
        elif enum and enum.name.endswith(_SET):
            yield leaf._replace(codec=_texts(leaf.codec, self._namer(leaf, enum)))
        else:
            yield self._arguments(leaf) or leaf
        meaning = next((self._meanings[t] for t in leaf.typedefs if t in self._meanings), None)
        if meaning and leaf.codec.number:
            name = self._target(leaf) or _named(leaf) or meaning.field
            codec = _texts(leaf.codec, meaning.text, meaning.width, cacheable=meaning.cacheable)
            yield from self._derived(leaf, name, codec)
        elif leaf.path[-1] == f"proto{RAW}" and _position(leaf, ENDPOINT) is not None:
            yield from self._beside(leaf, _named(leaf), gadget_texts.protocol)
        elif leaf.path[-1] == STACK_ID and (at := _position(leaf, USER_STACK)) is not None:
            codec = _texts(leaf.codec, self._schema.machine.user_stack, 32, cacheable=False)
            yield from self._derived(leaf, "addresses", codec)
            named = self._symbols(leaf)
            yield from self._derived(named, "symbols", named.codec)
            path = leaf.path[: at + 1]
            self._after = named._replace(path=path, label="_".join(path)), named.codec

    def _symbols(self, leaf: Field) -> Field:
        """Return the field of the functions of a user stack; of addresses if it has no process."""
        machine = self._schema.machine
        process = _process_of(leaf, self._by_path)
        if not process:
            return leaf._replace(codec=_texts(leaf.codec, machine.user_stack, 32, cacheable=False))
        start = min(leaf.start, process.start)
        size = max(leaf.start, process.start) + leaf.codec.size - start
        value = partial(_frames, machine.user_symbols, process.start - start, leaf.start - start)
        codec = _bytes(size, value, 32)._replace(cacheable=False)
        return leaf._replace(start=start, codec=codec)

    def _arguments(self, leaf: Field) -> Field | None:
        """Return the field of an array with several texts, None if ``leaf`` is no such array."""
        _, array = skip_mods_and_typedefs(self._schema.btf, leaf.type)
        size, count = (
            self._by_path.get((leaf.part, (*leaf.path[:-1], f"{leaf.path[-1]}_{name}")))
            for name in ("size", "count")
        )
        if not (isinstance(array, types.Array) and size and count and size.start < leaf.start):
            return None
        _, element = skip_mods_and_typedefs(self._schema.btf, array.type)
        if not (isinstance(element, types.Int) and element.name == "char"):
            return None
        skip = leaf.start - size.start
        total = skip + leaf.codec.size
        codec = leaf.codec._replace(
            code=f"{total}s",
            size=total,
            value=partial(_joined, skip, size.codec.size),
            cacheable=False,
        )
        return leaf._replace(start=size.start, codec=codec)

    def _target(self, leaf: Field) -> str:
        """Return the name that the image gives to a field's meaning, "" if it gives none."""
        presentation = self._schema.presentation
        return presentation.targets.get(leaf.name, "") if presentation else ""

    def _beside(self, leaf: Field, name: str, text: Callable[[int], Value]) -> Iterator[Field]:
        return self._derived(leaf, name, _texts(leaf.codec.as_number() or leaf.codec, text))

    def _derived(self, leaf: Field, name: str, codec: Codec) -> Iterator[Field]:
        """Yield the field ``name`` beside ``leaf`` and of its bytes, unless there is one."""
        path = (*leaf.path[:-1], name)
        if name and self._is_free(path):
            self._made.add(path)
            yield leaf._replace(
                name=".".join(path),
                path=path,
                label=leaf.label.removesuffix(leaf.path[-1]) + name,
                codec=codec,
            )

    def _is_free(self, path: tuple[str, ...]) -> bool:
        """Tell whether no field has that name, nor a struct with fields in it."""
        return path not in self._taken and path not in self._made

    def _enum(self, leaf: Field) -> AnyEnum | None:
        _, resolved = skip_mods_and_typedefs(self._schema.btf, leaf.type)
        return resolved if isinstance(resolved, types.Enum | types.Enum64) else None

    def _namer(self, leaf: Field, enum: AnyEnum) -> Callable[[int], Value]:
        kernel = self._schema.kernel() if enum.name else None
        enum = enum if kernel is None else enums.renumbered(enum, kernel)
        if enum.name.endswith(_SET):
            return partial(_set_text, tuple(enum.values[:_MAX_BITS]))
        name_of = enums.namer(enum, leaf.bits)
        return lambda number: str(name_of(number))

    def _address(self, leaf: Field, path: tuple[str, ...]) -> Iterator[Field]:
        """Yield an address, and the endpoint that it begins, in the place of its union's members.

        The sibling ``version`` says which member counts; without it they stay as they are.
        """
        version = self._by_path.get((leaf.part, (*path[:-1], "version")))
        start = self._starts[leaf.part, path]
        if version is None or version.start < start + _ADDRESS_SIZE:
            yield leaf._replace(codec=_member_codec(leaf))
            return
        if (leaf.part, path) in self._addresses:
            return
        self._addresses.add((leaf.part, path))
        first = leaf._replace(path=path, start=start, offset=Bits(8 * start))
        first = first._replace(label="_".join(path), owners=leaf.owners[: len(path)])
        size = version.start - start + 1
        name = path[-1].removesuffix(RAW)
        text = partial(_address_text, version.start - start)
        port = self._by_path.get((leaf.part, (*path[:-1], "port")))
        if port and port.start > start and _position(leaf, ENDPOINT) is not None:
            size_of_all = max(size, port.start - start + port.codec.size)
            codec = _bytes(size_of_all, partial(_endpoint_text, text, port.start - start), 21)
            yield from self._derived(first._replace(bits=8 * size_of_all), "endpoint", codec)
        yield from self._derived(first._replace(bits=8 * size), name, _bytes(size, text, 15))

    def _rest(self) -> Iterator[Field]:
        """Yield the field with what follows after the record's type."""
        presentation = self._schema.presentation
        if not presentation or not presentation.rest or not self._schema.is_stream:
            return
        name = presentation.rest
        if not self._is_free((name,)):
            return
        size = max([leaf.start + leaf.codec.size for leaf in self._leaves], default=0)
        size = max(size, self._size())
        length = self._by_path.get((RECORD, tuple(presentation.rest_length.split("."))))
        start = length.start if length else size
        read = partial(_rest, size - start, length.codec.size if length else 0)
        codec = Codec(code="0s", size=0, value=read, text=str, width=32, open_ended=True)
        yield Field(
            name=name,
            path=(name,),
            label=name,
            type=types.VOID,
            offset=Bits(8 * size),
            bits=0,
            part=RECORD,
            start=start,
            codec=codec,
            flexible=True,
        )

    def _size(self) -> int:
        _, record = skip_mods_and_typedefs(self._schema.btf, self._schema.record)
        return record.size if isinstance(record, types.Struct | types.Union) else 0


def _owned(leaf: Field) -> Iterator[tuple[str, ...]]:
    """Yield the path of a leaf, and those of the structs that it is in.

    An address takes the place of its union: neither that nor its members are among them.
    """
    at = _position(leaf, ADDRESS)
    for end in range(1, len(leaf.path) + 1 if at is None else at + 1):
        yield leaf.path[:end]


def _position(leaf: Field, owner: str) -> int | None:
    """Return where the path of a leaf leads through a struct of that name, None if nowhere."""
    return leaf.owners.index(owner) if owner in leaf.owners else None


def _named(leaf: Field) -> str:
    """Return the name for the meaning of a field ``X_raw``, "" for other names."""
    name = leaf.path[-1]
    return name.removesuffix(RAW) if name.endswith(RAW) else ""


def _texts(
    codec: Codec, text: Callable[[int], Value], width: int = 12, *, cacheable: bool = True
) -> Codec:
    """Return a codec of the texts of a codec's numbers."""
    read = codec.to_number or codec.value
    return codec._replace(
        value=(lambda item: text(read(item))) if read else text,  # type: ignore[arg-type]
        text=str,
        width=width,
        number=False,
        cacheable=cacheable,
        to_number=None,
        from_text=None,
        unit_ns=0,
        integer="",
    )


def _bytes(size: int, text: Callable[[bytes], str], width: int) -> Codec:
    return Codec(code=f"{size}s", size=size, value=text, text=str, width=width, cacheable=True)


def _set_text(values: Sequence[tuple[str, int]], number: int) -> str:
    """Return the names of the bits in a number; those without a name in hex."""
    names = [name for name, value in values if value and number & value == value]
    known = 0
    for name, value in values:
        known |= value if name in names else 0
    rest = number & ~known
    if not number:
        return next((name for name, value in values if not value), "")
    return "|".join([*names, *([f"{rest:#x}"] if rest else [])])


def _member_codec(leaf: Field) -> Codec:
    """Return the codec of a member of an address without a version."""
    sizes = {"v4": semantics.codec_of("ipv4_addr", 4), "v6": semantics.codec_of("ipv6_addr", 16)}
    return sizes.get(leaf.path[-1]) or leaf.codec


def _address_text(version_at: int, raw: bytes) -> str:
    match raw[version_at]:
        case 4:
            return semantics.ipv4(raw[:4])
        case 6:
            return semantics.ipv6(raw[:_ADDRESS_SIZE])
        case _:
            return ""


def _frames(symbols: Callable[[int, int], str], pid_at: int, stack_at: int, raw: bytes) -> str:
    """Return the functions of a stack; a record without one has no process."""
    pid, stack = (int.from_bytes(raw[at : at + 4], "little") for at in (pid_at, stack_at))
    return symbols(pid, stack) if pid else ""


def _endpoint_text(address: Callable[[bytes], str], port_at: int, raw: bytes) -> str:
    host = address(raw)
    port = int.from_bytes(raw[port_at : port_at + 2], "little")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _joined(skip: int, length_size: int, raw: bytes) -> str:
    """Return the texts in an array, joined; their length together is at the start of ``raw``."""
    length = int.from_bytes(raw[:length_size], "little")
    texts = raw[skip:][:length].removesuffix(b"\0").split(b"\0")
    return _BETWEEN.join(map(escaped, texts))


def _rest(skip: int, length_size: int, raw: Any) -> str:  # noqa: ANN401 - bytes
    """Return what follows a record in hex; its length may stand at the beginning of ``raw``."""
    rest: bytes = raw[skip:]
    if length_size:
        rest = rest[: int.from_bytes(raw[:length_size], "little")]
    return rest[:_MAX_REST].hex()
