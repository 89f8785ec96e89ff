"""What a package of eunomia-bpf says of its object: untrusted JSON becomes values."""

import json
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from beepy.errors import UnsupportedImage
from beepy.oci.descriptor import parse_text
from beepy.text import excerpt, safe

_MAX_ITEMS: Final = 1 << 12  # variables of a section, maps, types, members
_MAX_DEFAULTS: Final = 256  # each copies its section
_MAX_INTERVAL: Final = 1 << 40  # milliseconds; NaN is not below it
_MAX_TYPE: Final = (1 << 31) - 1
_DUMMY: Final = "__eunomia_dummy"

_Object: TypeAlias = Mapping[str, object]


class Argument(NamedTuple):
    """A variable that ecli has an option for; ``default`` is None if the package has none."""

    variable: str
    key: str
    description: str
    default: bool | int | float | str | None


class Sample(NamedTuple):
    """How a map is shown: every ``interval`` seconds, as ``kind``; ``clears``: then emptied."""

    interval: float
    kind: str
    clears: bool


class Member(NamedTuple):
    """A member of a record; ``offset`` in bytes, ``type`` in the object's BTF."""

    name: str
    offset: int
    type: int


class Map(NamedTuple):
    """A map: whether it is exported, and records of the ``type`` or ``members`` that it holds.

    ``sample`` is None for buffers. ``has_stacks``: ecli would resolve stacks in its records.
    """

    name: str
    sample: Sample | None
    is_exported: bool
    type: int
    members: tuple[Member, ...]
    has_stacks: bool


class Type(NamedTuple):
    """A struct by its name, and by its number in the object's BTF (0: not given)."""

    name: str
    type: int


class Meta(NamedTuple):
    """What a package says; ``several``: each map says its type, else ``types`` has that of one."""

    arguments: tuple[Argument, ...]
    maps: tuple[Map, ...]
    types: tuple[Type, ...]
    several: bool


def parse(data: bytes, where: str) -> Meta:
    """Return what ``meta`` says. Raises UnsupportedImage for wrong types."""
    meta = json.loads(data)  # the format has written it
    skeleton = _object(meta.get("bpf_skel"), f"{where}: bpf_skel")
    where = f"{where}: bpf_skel"
    arguments = [
        _argument(variable, f"{where}: variable")
        for section in _list(skeleton, "data_sections", where)
        for variable in _list(section, "variables", where)
        if not _name(variable, f"{where}: variable").startswith(_DUMMY)
    ]
    if sum(argument.default is not None for argument in arguments) > _MAX_DEFAULTS:
        raise UnsupportedImage(f"{where}: more than {_MAX_DEFAULTS} defaults of variables")
    return Meta(
        arguments=tuple(arguments),
        maps=tuple([_map(item, f"{where}: map") for item in _list(skeleton, "maps", where)]),
        types=tuple([_type(item, where) for item in _list(meta, "export_types", where)]),
        several=meta.get("enable_multiple_export_types") is True,
    )


def _object(value: object, where: str) -> _Object:
    if not isinstance(value, dict):
        raise UnsupportedImage(f"{where}: an object is expected, not {excerpt(value)}")
    return value


def _list(value: _Object, key: str, where: str) -> list[_Object]:
    """Return a list of objects, [] for null or nothing."""
    items = value.get(key)
    if items is None:
        return []
    if not isinstance(items, list) or len(items) > _MAX_ITEMS:
        raise UnsupportedImage(f"{where}: {key}: a list of at most {_MAX_ITEMS} is expected")
    return [_object(item, f"{where}: {key}") for item in items]


def _name(value: _Object, where: str) -> str:
    name = parse_text(value.get("name"), f"{where}: name")
    if not name:
        raise UnsupportedImage(f"{where}: name: missing")
    return name


def _number(value: object, where: str, most: int = _MAX_TYPE) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise UnsupportedImage(f"{where}: a number up to {most} is expected, not {excerpt(value)}")
    return value


def _argument(value: _Object, where: str) -> Argument:
    name = _name(value, where)
    where = f"{where} '{safe(name[:80])}'"
    argument = _object(value.get("cmdarg") or {}, f"{where}: cmdarg")
    default = argument.get("default")
    if default is None:
        default = value.get("value")
    if default is not None and not isinstance(default, bool | int | float | str):
        raise UnsupportedImage(f"{where}: default: {excerpt(default)}: expected a number or text")
    descriptions = (argument.get("help"), value.get("description"))
    return Argument(
        variable=name,
        key=parse_text(argument.get("long"), f"{where}: cmdarg: long") or name,
        description=next((text for text in descriptions if isinstance(text, str)), ""),
        default=default,
    )


def _map(value: _Object, where: str) -> Map:
    name = _name(value, where)
    where = f"{where} '{safe(name[:80])}'"
    sample = value.get("sample")
    exported = value.get("export_config", "no_export")
    record: _Object = exported if isinstance(exported, dict) else {}
    return Map(
        name=name,
        sample=None if sample is None else _sample(_object(sample, where), f"{where}: sample"),
        is_exported=bool(record) or exported == "default",
        type=_number(record.get("btf_type_id", 0), f"{where}: btf_type_id"),
        members=tuple(
            [_member(member, where) for member in _list(record, "custom_members", where)]
        ),
        has_stacks=isinstance(value.get("intepreter"), dict),  # as the format spells it
    )


def _sample(value: _Object, where: str) -> Sample:
    interval = value.get("interval")
    if (
        not isinstance(interval, int | float)
        or isinstance(interval, bool)
        or not 0 <= interval <= _MAX_INTERVAL
    ):
        raise UnsupportedImage(f"{where}: interval: {excerpt(interval)}: expected milliseconds")
    kind = parse_text(value.get("type"), f"{where}: type") or "default_kv"
    return Sample(interval / 1000, kind, value.get("clear_map") is True)


def _member(value: _Object, where: str) -> Member:
    name = _name(value, f"{where}: member")
    where = f"{where}: member '{safe(name[:80])}'"
    offset = _number(value.get("offset"), f"{where}: offset", 1 << 20)
    return Member(name, offset, _number(value.get("btf_type_id"), f"{where}: btf_type_id"))


def _type(value: _Object, where: str) -> Type:
    where = f"{where}: type"
    return Type(_name(value, where), _number(value.get("type_id", 0), f"{where}: type_id"))
