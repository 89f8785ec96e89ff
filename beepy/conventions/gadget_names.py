"""What a gadget says by the names of variables, or by declaration tags: its streams, tables, ...

::

    const void *gadget_tracer_open___events___event;    stream "open": struct event in map "events"
    const void *gadget_mapiter_file___stats;            table "file" is the map "stats"
    const void *gadget_iter_sockets___entry___tcp___udp;   iterator "sockets": two programs
    const void *gadget_param_all_files;                 the variable "all_files" may be set

A newer form has tags, ``__attribute__((btf_decl_tag("ig:tracer:open___events___event")))``.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.types import Kind
from beepy.conventions import gadget_expressions
from beepy.errors import BtfError, UnsupportedImage
from beepy.obj.conditions import Conditions, Named
from beepy.text import excerpt

_MAX_MARKERS: Final = 512  # of an object
_SEPARATOR: Final = "___"
_VARIABLE: Final = "gadget_"
_TAG: Final = "ig:"

_ITERATORS: Final = ("iter_", "snapshotter_")  # the second is the older one
_MAP_TARGETS: Final = ("mapelem_iter_target_", "sk_prog_target_")
_NAMED: Final = ("assert", "define")  # expressions with a name before them
_SILENT: Final = "only_if"  # maps that a gadget can do without: all are created

_T = TypeVar("_T")


class Tracer(NamedTuple):
    """A stream: ``map`` is its buffer, ``record`` the name of the struct of its records."""

    name: str
    map: str
    record: str


class MapIterator(NamedTuple):
    """A table: a hash whose entries are taken out at each reading."""

    name: str
    map: str


class RecordIterator(NamedTuple):
    """Programs that write structs of the type ``record``, with bpf_seq_write."""

    name: str
    record: str
    programs: tuple[str, ...]


class Names(NamedTuple):
    """What the names of an object say.

    ``buffers`` are maps that are made to be buffers. ``targets`` are the maps that programs attach
    to, by program. ``variables`` are those that only say this. ``conditions`` are the expressions
    that can be read, ``ignored`` the tags and variables without an effect here.
    """

    tracers: tuple[Tracer, ...] = ()
    map_iterators: tuple[MapIterator, ...] = ()
    iterators: tuple[RecordIterator, ...] = ()
    parameters: tuple[str, ...] = ()
    targets: Mapping[str, str] = {}
    variables: frozenset[str] = frozenset()
    conditions: Conditions = Conditions((), (), (), ())
    ignored: tuple[str, ...] = ()


class _Marker(NamedTuple):
    """``text`` is what follows the kind; ``on`` is the name of the map or function of a tag."""

    kind: str
    text: str
    on: str
    shown: str


def read(btf: Btf) -> Names:
    """Return what the names and tags in ``btf`` say. Raises BtfError for malformed ones."""
    markers: list[_Marker] = []
    variables = set()
    for type_id in btf.ids():
        kind = btf.kind(type_id)
        if kind is Kind.VAR:
            variable = btf.type(type_id)
            assert isinstance(variable, types.Var)
            marker = _of_variable(variable.name)
            if marker:
                variables.add(variable.name)
        elif kind is Kind.DECL_TAG:
            marker = _of_tag(btf, btf.type(type_id))
        else:
            continue
        markers += [marker] * (marker is not None)  # type: ignore[list-item]
        if len(markers) > _MAX_MARKERS:
            raise BtfError(f"{btf.name}: more than {_MAX_MARKERS} gadget_ variables and ig: tags")
    return _Reader(btf.name, markers).names()._replace(variables=frozenset(variables))


_KINDS: Final = {
    "tracer_": "tracer",
    "mapiter_": "mapiter",
    "map_tracer_": "buffer",
    "param_": "param",
    "var_": "ignored",
    "pf_": "packet filter",
    **dict.fromkeys(_ITERATORS, "iterator"),
    **dict.fromkeys(_MAP_TARGETS, "target"),
}


def _of_variable(name: str) -> _Marker | None:
    if not name.startswith(_VARIABLE):
        return None
    rest = name.removeprefix(_VARIABLE)
    for prefix, kind in _KINDS.items():
        if rest.startswith(prefix):
            return _Marker(kind, rest.removeprefix(prefix), "", f"variable '{excerpt(name)}'")
    return None  # such as gadget_filter_by_mntns, which programs read


_TAGS: Final = {
    "tracer": "tracer",
    "tracer_map": "buffer",
    "mapiter": "mapiter",
    "iter_type": "iterator type",
    "iter": "iterator program",
    "param": "param",
    "iter_target_map": "target",
    "attach_to": "attach_to",
    **{kind: kind for kind in (*_NAMED, _SILENT)},
}


def _of_tag(btf: Btf, tag: types.Type) -> _Marker | None:
    assert isinstance(tag, types.DeclTag)
    if not tag.name.startswith(_TAG):
        return None
    kind, _, text = tag.name.removeprefix(_TAG).partition(":")
    on = getattr(btf.type(tag.type), "name", "")
    return _Marker(_TAGS.get(kind, "ignored"), text, on, f"tag '{excerpt(tag.name)}'")


class _Reader:
    """Sorts the markers of one object; ``where`` begins each message."""

    def __init__(self, where: str, markers: Sequence[_Marker]) -> None:
        self._where = where
        self._markers = markers

    def names(self) -> Names:
        parameters = _distinct([marker.text for marker in self._of("param")])
        read, unread = self._expressions()
        return Names(
            tracers=_distinct([Tracer(*parts) for parts in self._parts("tracer", 3)]),
            map_iterators=_distinct([MapIterator(*parts) for parts in self._parts("mapiter", 2)]),
            iterators=_distinct([*self._iterators(), *self._tagged_iterators()]),
            parameters=parameters,
            targets={parts[0]: parts[1] for parts in self._parts("target", 2)},
            conditions=Conditions(
                defines=tuple(read["define"]),
                asserts=tuple(read["assert"]),
                targets=tuple(read["attach_to"]),
                parameters=parameters,
            ),
            ignored=(
                *[marker.shown for marker in self._of("ignored", "packet filter")],
                *unread,
            ),
        )

    def _expressions(self) -> tuple[dict[str, list[Named]], list[str]]:
        """Return the expressions by kind, and the tags whose expressions cannot be read."""
        read: dict[str, list[Named]] = {kind: [] for kind in ("attach_to", *_NAMED)}
        unread: list[str] = []
        for marker in self._of(*read):
            name, text = marker.on, marker.text
            if marker.kind in _NAMED:
                name, _, text = text.partition(":")
            try:
                gadget_expressions.parse(text)
            except UnsupportedImage as error:
                unread.append(f"{marker.shown}: {error}")
            else:
                read[marker.kind].append(Named(name, text))
        return read, unread

    def _of(self, *kinds: str) -> Iterator[_Marker]:
        return (marker for marker in self._markers if marker.kind in kinds)

    def _parts(self, kind: str, count: int) -> Iterator[list[str]]:
        for marker in self._of(kind):
            parts = marker.text.split(_SEPARATOR)
            if len(parts) != count or not all(parts):
                raise self._malformed(marker, f"expected {count} names, separated by {_SEPARATOR}")
            yield parts

    def _iterators(self) -> Iterator[RecordIterator]:
        for marker in self._of("iterator"):
            name, *rest = marker.text.split(_SEPARATOR)
            if len(rest) < 2 or not all([name, *rest]):
                expected = _SEPARATOR.join(["NAME", "STRUCT", "PROGRAM"])
                raise self._malformed(marker, f"expected {expected}")
            yield RecordIterator(name, rest[0], tuple(rest[1:]))

    def _tagged_iterators(self) -> Iterator[RecordIterator]:
        """Yield the iterators whose programs are tagged functions."""
        programs: dict[str, list[str]] = {}
        for marker in self._of("iterator program"):
            programs.setdefault(marker.text, []).append(marker.on)
        for name, record in self._parts("iterator type", 2):
            yield RecordIterator(name, record, tuple(programs.get(name, ())))

    def _malformed(self, marker: _Marker, why: str) -> BtfError:
        return BtfError(f"{self._where}: {marker.shown}: {why}")


def _distinct(values: Sequence[_T]) -> tuple[_T, ...]:
    """Return the values without those that are there already, as a header's that is used twice."""
    return tuple(dict.fromkeys(values))
