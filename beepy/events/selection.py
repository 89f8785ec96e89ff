"""Which map and which field an option means: the rules that ``-f``, ``-b`` and ``-k`` share.

A map has its full name, and the one without the prefix of its role: ``exits`` is ``print_exits``, and the other way
round, as the two conventions of bee have it. Maps of several images that share their full name are chosen together.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from beepy.errors import UsageError
from beepy.events.batch import Schema
from beepy.events.fields import Field, fields
from beepy.obj.spec import Role
from beepy.text import safe

KINDS: Final[Mapping[Role, str]] = {Role.COUNTER: "counter", Role.GAUGE: "gauge", Role.HIST: "histogram"}

_MOST_LISTED: Final = 12
_MOST_ADVISED: Final = 5
_MOST_COMPARED: Final = 64  # characters of a name that is looked for


class Option(NamedTuple):
    """An option as it was typed; ``title`` is what messages call it."""

    title: str
    flag: str
    text: str

    def refuse(self, why: str, instead: Iterable[str] = ()) -> UsageError:
        """Return the error; ``instead`` are values that could be typed, of which it names the first few."""
        error = UsageError(f"{self.title} '{safe(self.text)}': {why}")
        for text in islice(instead, _MOST_ADVISED):
            from shlex import quote  # noqa: PLC0415 - only on the way to an error

            error.add_note(f"{self.flag} {quote(safe(text))}")
        return error


def by_name(found: Iterable[Field]) -> dict[str, Field]:
    """Return the fields by their names, and by their labels, which is what bee calls them."""
    found = tuple(found)
    return {field.label: field for field in found} | {field.name: field for field in found}


def named(option: Option, name: str, rest: str, schemas: Iterable[Schema]) -> list[Schema]:
    """Return the maps that ``name`` names, [] if there are none; ``rest`` is what follows it in the option.

    Raises UsageError if it is the short name of several maps.
    """
    schemas = tuple(schemas)
    full = [schema for schema in schemas if schema.map == name]
    short = [schema for schema in schemas if _short(schema.map, schema.role) == _short(name, schema.role)]
    return full or _of_one_name(option, f"several maps are called '{safe(name)}'", rest, short)


def by_field(option: Option, name: str, rest: str, schemas: Iterable[Schema]) -> list[Schema]:
    """Return the maps of one name that have the field, [] if none has.

    Raises UsageError if maps of several names have it.
    """
    having = [schema for schema in schemas if name in by_name(fields(schema, {}))]
    return _of_one_name(option, f"several maps have a field '{safe(name)}'", f"{name},{rest}", having)


def field_of(option: Option, schema: Schema, name: str, tail: str = "") -> Field:
    """Return the map's field of that name; ``tail`` is what follows it in the option. Raises UsageError."""
    known = by_name(fields(schema, {}))
    if name not in known:
        near = [f"{schema.map},{other}{tail}" for other in _similar(name, known)]
        why = f"no field '{safe(name)}' in {safe(schema.map)}: its fields are {listed(_names(schema))}"
        raise option.refuse(why, near)
    return known[name]


def of_role(
    option: Option, name: str, rest: str, schemas: Sequence[Schema], *, roles: Sequence[Role], field: str = ""
) -> list[Schema]:
    """Return the streams with one of ``roles`` that ``name`` names, or, if it is "", the only ones there are.

    If there are several, those that have ``field``, unless it is "". Raises UsageError if there are none, or several.
    """
    kinds = " or ".join(KINDS[role] for role in roles)
    fitting = [schema for schema in schemas if schema.role in roles and schema.is_stream]
    instead = [f"{other},{rest}" for other in _maps(fitting)]
    if name:
        found = named(option, name, rest, fitting)
        if not found and (others := named(option, name, rest, schemas)):
            raise option.refuse(f"map '{safe(others[0].map)}' is not a {kinds} of a stream of events", instead)
        if not found:
            raise option.refuse(f"no map '{safe(name)}': {_what_is_there(schemas)}", instead)
        return found
    if not fitting:
        raise option.refuse(f"no map is a {kinds} of a stream of events: {_what_is_there(schemas)}")
    if len(_maps(fitting)) > 1 and field:
        fitting = [schema for schema in fitting if field in by_name(fields(schema, {}))] or fitting
    plural = " or ".join(f"{KINDS[role]}s" for role in roles)
    return _of_one_name(option, f"several maps are {plural}", rest, fitting)


def nothing_named(option: Option, name: str, rest: str, schemas: Sequence[Schema]) -> UsageError:
    """Return the error for what names neither a map nor a field; ``rest`` is what follows it in the option."""
    maps = _maps(schemas)
    of_maps = {schema.map: by_name(fields(schema, {})) for schema in schemas}
    why = f"no map or field '{safe(name)}': {_what_is_there(schemas)}"
    if len(maps) == 1:
        why += f", and its fields are {listed(_names(schemas[0]))}"
    field = rest.partition(",")[0]
    having = [map_ for map_ in maps if field in of_maps[map_]]
    short = {_short(schema.map, schema.role): schema.map for schema in schemas if schema.map in having}
    near = dict.fromkeys(short[other] for other in _similar(name, short)) or having
    instead = [f"{map_},{rest}" for map_ in near]
    if not instead:
        known = dict.fromkeys(other for found in of_maps.values() for other in found)
        instead = [f"{other},{rest}" for other in _similar(name, known)]
    return option.refuse(why, instead)


def listed(names: Iterable[str]) -> str:
    """Return the names for a message, not more of them than a line holds."""
    names = list(names)
    shown = ", ".join(map(safe, names[:_MOST_LISTED])) or "none"
    return f"{shown} and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else shown


def _of_one_name(option: Option, what: str, rest: str, schemas: list[Schema]) -> list[Schema]:
    names = _maps(schemas)
    if len(names) > 1:
        raise option.refuse(f"{what}: {listed(names)}", [f"{name},{rest}" for name in names])
    return schemas


def _what_is_there(schemas: Iterable[Schema]) -> str:
    names = _maps(schemas)
    if not names:
        return "no map is shown"
    return f"the map is {safe(names[0])}" if len(names) == 1 else f"the maps are {listed(names)}"


def _maps(schemas: Iterable[Schema]) -> list[str]:
    return list(dict.fromkeys(schema.map for schema in schemas))


def _names(schema: Schema) -> list[str]:
    return [field.name for field in fields(schema, {})]


def _short(name: str, role: Role | None) -> str:
    return name.removeprefix(f"{role}_") if role else name


def _similar(name: str, names: Iterable[str]) -> list[str]:
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way to an error

    return get_close_matches(name[:_MOST_COMPARED], list(names))
