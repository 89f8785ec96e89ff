r"""A lazy index over BTF bytes: a type is located and built when it is asked for.

::

    header | type 1 | type 2 | type 3 | ...                              | \0int\0comm\0...
           | name_off | info | size or type | what the kind adds         |  ^ name_off
                        kind_flag: bit 31, kind: 24..30, vlen: 0..23

A running kernel has 130,000 types in 5 MB, of which a run needs a few. Types have no index in the
file and differ in length, so the index of their offsets is made by walking them, only as far as an
id is asked for. Names are never collected: one is searched for in the bytes of the strings, and its
types by its offset in the bytes of the types.

What iterates over a memoryview (``iter_unpack``, ``finditer``) is made a list at once: an exception
would leave it half read in a traceback, and Python 3.11 and 3.12 die when they collect a memoryview
that is still exported.
"""

import re
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from struct import Struct as Packer
from typing import Final

from beepy.btf import header, types
from beepy.btf.build import build
from beepy.btf.names import essential_name, text
from beepy.btf.types import KINDS, Kind, Type, TypeId
from beepy.errors import BtfError

MAX_STRING: Final = 1 << 16
"""Bytes of a type's or tag's name, a source line or another string: the kernel bounds no tag."""

MAX_NAME: Final = 511
"""Bytes of the name of a member, enumerator or parameter (KSYM_NAME_LEN without its NUL).

Members in their thousands may share one long string, and each is shown.
"""

MAX_ADDED: Final = 1 << 19
"""Members, enumerators and the like of all types that are built; those of vmlinux have 170,000."""

MAX_VLEN: Final = 1 << 18
"""Members, enumerators and the like of one type, of the 24 bits that count them.

No real type has a quarter as many.
"""

MAX_WALKED: Final = 1 << 16
"""Types of an object that are looked at one after another, where all of them may matter."""

# names that are found faster one by one: 0.9 ms each in vmlinux, 2.2 ms for any number together
_FEW: Final = 2

_INT = Packer("<I")
_ANY_KIND: Final = b"[" + re.escape(types.INFO_BYTES) + b"]"


class Btf:
    """The types in ``data``, which must not change.

    The ids and string offsets of split BTF (a kernel module's) continue those of its ``base``.
    ``name`` is for messages: "vmlinux", a module's name, the object's.

    Raises BtfError if the header is malformed; methods raise it if the type or string that they
    read is malformed.
    """

    def __init__(self, data: bytes, base: "Btf | None" = None, name: str = "btf") -> None:
        self.name = name
        self.base = base
        self.data = data
        self._first = len(base) if base else 1
        self._string_base = base.string_end if base else 0
        types_at, types_end, strings_at, strings_end = header.read(data, name)
        self._types_at = types_at
        self._types = memoryview(data)[types_at : types_end - (types_end - types_at) % 4]
        self._strings_at = strings_at
        self._strings_end = strings_end
        empty = strings_at == strings_end
        if (not empty and data[strings_end - 1]) or (not base and (empty or data[strings_at])):
            raise BtfError(f"{name}: strings: do not begin and end with a NUL")
        self._words = self._types.cast("I")
        self._offsets = array("I")  # of each own type indexed so far, in words
        self._end = 0  # where the next type begins, in words
        # info word -> words of the type: vmlinux has 130,000 types, few info words
        self._steps: dict[int, int] = {}
        self._built: dict[TypeId, Type] = {}
        self._named: dict[str, tuple[TypeId, ...]] = {}
        self._essentials: dict[frozenset[str], dict[int, str]] = {}
        self._strings: dict[int, str] = {}  # by offset
        self._unshared = len(data)  # characters: what overlapping strings may still take
        self._unbuilt = MAX_ADDED
        self._datasecs: dict[str, TypeId] | None = None

    def __len__(self) -> int:
        """Return the first id after the last type, base included; indexes all types."""
        self._grow(len(self._words), len(self._words))
        return self._first + len(self._offsets)

    @property
    def string_end(self) -> int:
        """The first string offset after this BTF's own strings."""
        return self._string_base + self._strings_end - self._strings_at

    def string(self, offset: int, limit: int = MAX_STRING) -> str:
        """Return the string at ``offset``; bytes outside ASCII become ``\\xNN``."""  # noqa: D301 - one backslash
        if offset < self._string_base and self.base:
            return self.base.string(offset, limit)
        known = self._strings.get(offset)
        if known is not None and len(known) <= limit:
            return known
        start = self._strings_at + offset - self._string_base
        if not self._strings_at <= start < self._strings_end:
            raise BtfError(f"{self.name}: string offset {offset}: beyond {self.string_end}")
        end = self.data.find(b"\0", start, start + limit + 1)
        if end < 0:
            raise BtfError(f"{self.name}: string offset {offset}: longer than {limit} bytes")
        if known is not None:
            return known
        string = text(self.data[start:end])
        # strings that do not overlap take no more than the data has: many offsets into a long one
        # would cost any amount
        self._unshared -= len(string)
        if self._unshared < 0:
            raise BtfError(f"{self.name}: string offset {offset}: overlapping strings")
        self._strings[offset] = string
        return string

    def kind(self, type_id: TypeId) -> Kind:
        """Return the kind of a type without building it."""
        if type_id == 0:
            return Kind.UNKN
        if type_id < self._first and self.base:
            return self.base.kind(type_id)
        return KINDS[self._words[self._at(type_id) + 1] >> 24 & 0x7F]

    def type(self, type_id: TypeId) -> Type:
        """Return the type of that id; the same object each time."""
        if type_id < self._first and self.base:
            return self.base.type(type_id)
        built = self._built.get(type_id)
        if built is None:
            built = self._built[type_id] = self._build(type_id) if type_id else types.Void()
        return built

    def ids(self) -> Iterator[TypeId]:
        """Return the ids of this BTF's own types, in order."""
        return (TypeId(number) for number in range(self._first, len(self)))

    def of_kind(self, kind: Kind) -> list[TypeId]:
        """Return the ids of all own types of that kind, in order; none of them is built."""
        first, words = self._first, self._words
        self._grow(len(words), len(words))
        return [
            TypeId(first + index)
            for index, at in enumerate(self._offsets)
            if words[at + 1] >> 24 & 0x7F == kind
        ]

    def composite_sizes(self) -> frozenset[int]:
        """Return the sizes in bytes of all own structs and unions; none of them is built."""
        ids = (*self.of_kind(Kind.STRUCT), *self.of_kind(Kind.UNION))
        return frozenset([self._words[self._at(type_id) + 2] for type_id in ids])

    def named(self, name: str) -> tuple[TypeId, ...]:
        """Return the ids of all own types called ``name``, of any kind, in order."""
        ids = self._named.get(name)
        if ids is None:
            ids = self._named[name] = tuple(self._with_names(list(self._string_offsets(name))))
        return ids

    def ids_by_names(self, names: Collection[str], kind: Kind) -> list[TypeId]:
        """Return the ids of all own types of that kind and one of many names, in order.

        It takes one walk over all types.
        """
        wanted = {offset for name in names for offset in self._string_offsets(name)}
        self._grow(len(self._words), len(self._words))
        words = self._words
        return [
            TypeId(self._first + index)
            for index, at in enumerate(self._offsets)
            if words[at] in wanted and words[at + 1] >> 24 & 0x7F == kind
        ]

    def find(self, name: str, kind: Kind) -> TypeId | None:
        """Return the id of the first type, base first, of that name and kind."""
        first = self.base.find(name, kind) if self.base else None
        if first is None:
            first = next(
                (type_id for type_id in self.named(name) if self.kind(type_id) == kind), None
            )
        return first

    def datasec(self, name: str) -> TypeId | None:
        """Return the id of the first own DATASEC of that name.

        The first call finds all of them by one walk over all types.
        """
        if self._datasecs is None:
            self._datasecs = {
                self.string(self.name_offset(type_id)): type_id
                for type_id in reversed(self.of_kind(Kind.DATASEC))
            }
        return self._datasecs.get(name)

    def flavors(self, essentials: Iterable[str]) -> dict[str, list[TypeId]]:
        """Return the ids of own types called ``NAME`` or ``NAME___FLAVOR``, in order, by NAME.

        They are the candidates of CO-RE. A flavor follows the last ``___`` between other characters
        (libbpf's ``bpf_core_essential_name_len``). Searching for many names takes as long as for a
        few.
        """
        names = frozenset(essentials)
        offsets = self._flavored(names)
        ids: dict[str, list[TypeId]] = {name: [] for name in names}
        for type_id in self._with_names(list(offsets)):
            ids[offsets[self.name_offset(type_id)]].append(type_id)
        return ids

    def name_offset(self, type_id: TypeId) -> int:
        """Return the string offset of an own type's name."""
        return self._words[self._at(type_id)]

    def with_words(self, words: Mapping[tuple[TypeId, int], int]) -> "Btf":
        """Return a Btf with words of own types replaced (see ``types.Words``).

        The types must keep their lengths.
        """
        data = bytearray(self.data)
        for (type_id, word), value in words.items():
            _INT.pack_into(
                data, self._types_at + (self._at(type_id) + word) * 4, value & 0xFFFFFFFF
            )
        return Btf(bytes(data), self.base, self.name)

    def with_types(self, added: bytes, strings: bytes) -> "Btf":
        """Return a Btf with the types ``added`` and ``strings`` (each with its NUL) appended."""
        names = self.data[self._strings_at : self._strings_end] + strings
        return Btf(header.encode(bytes(self._types) + added, names), self.base, self.name)

    def _string_offsets(self, name: str) -> Iterator[int]:
        """Yield the offsets of the string ``name``: several where strings are not shared."""
        # a NUL on either side: the string, not the end or the beginning of a longer one
        wanted = b"\0" + name.encode("utf-8", "backslashreplace") + b"\0"
        end = self._strings_end
        if self.base:
            yield from self.base._string_offsets(name)  # noqa: SLF001 - split BTF shares its base's strings
            if (
                self.data[self._strings_at : min(self._strings_at + len(wanted) - 1, end)]
                == wanted[1:]
            ):
                yield self._string_base  # at offset 0: it follows no NUL of ours
        at = self.data.find(wanted, self._strings_at, end)
        while at >= 0:
            yield self._string_base + at + 1 - self._strings_at
            at = self.data.find(wanted, at + 1, end)

    def _flavored(self, names: frozenset[str]) -> dict[int, str]:
        """Map offsets of strings, base included, to their essential names, if in ``names``."""
        offsets = self._essentials.get(names)
        if offsets is None:
            base = self.base
            inherited = base._flavored(names) if base else {}  # noqa: SLF001 - as above
            offsets = self._essentials[names] = dict(inherited)
            for start in self._beginning([name.encode() for name in sorted(names) if name]):
                offset = self._string_base + start
                name = essential_name(self.string(offset))
                if name in names:
                    offsets[offset] = name
        return offsets

    def _beginning(self, names: Sequence[bytes]) -> Iterator[int]:
        """Yield the positions of own strings that are ``NAME`` or begin with ``NAME___``."""
        own = memoryview(self.data)[self._strings_at : self._strings_end]
        either = b"(?:" + b"|".join(map(re.escape, names)) + b")(?=\0|___)"
        fits = re.compile(either).match
        if self.base and fits(own):  # it follows no NUL of ours
            yield 0
        if len(names) > _FEW:
            yield from [match.start() + 1 for match in list(re.finditer(b"\0" + either, own))]
            return
        for name in names:
            at = self.data.find(b"\0" + name, self._strings_at, self._strings_end)
            while at >= 0:
                start = at + 1 - self._strings_at
                if fits(own, start):
                    yield start
                at = self.data.find(b"\0" + name, at + 1, self._strings_end)

    def _with_names(self, offsets: list[int]) -> list[TypeId]:
        """Return the own types whose name_off is one of ``offsets``, by one search over the bytes.

        ::

            name_off | vlen, 3 bytes | kind_flag, kind | ...
            one of    any             of any Kind

        The pattern also fits elsewhere: across words, and where a member has the name. So a match
        counts only if a type begins there, which the index knows. It grows only up to the last
        match.
        """
        if not offsets:
            return []
        names = b"|".join([re.escape(_INT.pack(offset)) for offset in offsets])
        pattern = re.compile(b"(?s:(?:" + names + b")..." + _ANY_KIND + b")")  # name_off, then info
        ids = []
        match = pattern.search(self._types)
        while match:
            at = match.start()
            if not at % 4:
                self._grow(at // 4, len(self._words))
                index = bisect_left(self._offsets, at // 4)
                if index < len(self._offsets) and self._offsets[index] == at // 4:
                    ids.append(TypeId(self._first + index))
            # not from its end: a match that does not count may overlap one that does
            match = pattern.search(self._types, at + 1)
        return ids

    def _grow(self, position: int, count: int) -> None:
        """Extend the index until it has passed ``position`` (in words) or holds ``count`` types.

        ::

            words    | type 1 | type 2   | type 3 | ...             | limit
            offsets  ^        ^          ^ end: where the next type begins; position 5 is passed
        """
        words, offsets, steps = self._words, self._offsets, self._steps
        end, limit = self._end, len(words)
        last = limit - 3  # where the last type can begin: none is shorter than 3 words
        position = min(position, last)
        # the loop runs for each of 130,000 types of vmlinux: everything in it is local
        append = offsets.append
        for _ in range(count - len(offsets)):
            if end > position:
                break
            try:
                step = steps[words[end + 1]]
            except KeyError:  # an info word that has not been met before
                # should it be malformed, the index holds the types before it, each once
                self._end = end
                step = steps[words[end + 1]] = self._step(words[end + 1], len(offsets))
            append(end)
            end += step
        cut = end > limit  # the last type is not all there
        self._end = offsets.pop() if cut else end
        # one or two words after the last type
        rest = position == last and len(offsets) < count and end != limit
        if cut or rest:
            raise BtfError(
                f"{self.name}: type {self._first + len(offsets)}: exceeds the type section"
            )

    def _step(self, info: int, index: int) -> int:
        """Return how many words a type takes; ``index``, for the message, is its number."""
        number = info >> 24 & 0x7F
        kind = KINDS.get(number)
        if kind is None:
            raise BtfError(f"{self.name}: type {self._first + index}: unknown kind {number}")
        return kind.item(info & 0xFFFFFF)  # the word after its last item

    def _at(self, type_id: TypeId) -> int:
        """Return the word at which an own type begins."""
        index = type_id - self._first
        if index >= len(self._offsets):
            self._grow(len(self._words), index + 1)
        if not 0 <= index < len(self._offsets):
            count = self._first + len(self._offsets)
            raise BtfError(f"{self.name}: type {type_id}: there are only {count} types")
        return self._offsets[index]

    def _build(self, type_id: TypeId) -> Type:
        at = self._at(type_id)
        name_off, info, third = self._words[at : at + 3]
        name = self.string(name_off)
        vlen, flag = info & 0xFFFFFF, bool(info >> 31)
        kind = KINDS[info >> 24 & 0x7F]
        if kind.each:
            if vlen > MAX_VLEN:
                raise BtfError(
                    f"{self.name}: type {type_id}: {vlen} members or values, "
                    f"at most {MAX_VLEN} are taken"
                )
            self._unbuilt -= vlen
            if self._unbuilt < 0:
                raise BtfError(
                    f"{self.name}: type {type_id}: more than {MAX_ADDED} members and values "
                    "of all types"
                )
        if kind is Kind.UNKN:
            raise BtfError(f"{self.name}: type {type_id}: unknown kind 0")
        added = self._types[(at + 3) * 4 : (at + self._steps[info]) * 4]
        return build(kind, name, third, added, vlen=vlen, flag=flag, name_at=self._name)

    def _name(self, offset: int) -> str:
        return self.string(offset, MAX_NAME)
