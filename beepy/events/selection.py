"""Which map and which field an option means: the rules that ``-f``, ``-b`` and ``-k`` share.

A map has its full name, and the one without the prefix of its role: ``exits`` is ``print_exits``, and the other way
round, as the two conventions of bee have it. Maps of several images that share their full name are chosen together.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from beepy.errors import UsageError
from beepy.events.batch import Schema
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
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


def named(option: Option, name: str, rest: str, decoders: Iterable[Decoder]) -> list[Decoder]:
    """Return the maps that ``name`` names, [] if there are none; ``rest`` is what follows it in the option.

    Raises UsageError if it is the short name of several maps.
    """
    decoders = tuple(decoders)
    full = [decoder for decoder in decoders if decoder.schema.map == name]
    short = [decoder for decoder in decoders if _is_short(name, decoder.schema)]
    return full or _of_one_name(option, f"several maps are called '{safe(name)}'", rest, short)


def by_field(option: Option, name: str, rest: str, decoders: Iterable[Decoder]) -> list[Decoder]:
    """Return the maps of one name that have the field, [] if none has.

    Raises UsageError if maps of several names have it.
    """
    having = [decoder for decoder in decoders if name in by_name(decoder.fields)]
    return _of_one_name(option, f"several maps have a field '{safe(name)}'", f"{name},{rest}", having)


def field_of(option: Option, decoder: Decoder, name: str, tail: str = "") -> Field:
    """Return the map's field of that name; ``tail`` is what follows it in the option. Raises UsageError."""
    known = by_name(decoder.fields)
    if name not in known:
        map_name = decoder.schema.map
        near = [f"{map_name},{other}{tail}" for other in _similar(name, known)]
        why = f"no field '{safe(name)}' in {safe(map_name)}: its fields are {listed(_names(decoder))}"
        raise option.refuse(why, near)
    return known[name]


def of_role(
    option: Option, name: str, rest: str, decoders: Sequence[Decoder], *, roles: Sequence[Role], field: str = ""
) -> list[Decoder]:
    """Return the streams with one of ``roles`` that ``name`` names, or, if it is "", the only ones there are.

    If there are several, those that have ``field``, unless it is "". Raises UsageError if there are none, or several.
    """
    kinds = " or ".join(KINDS[role] for role in roles)
    fitting = [decoder for decoder in decoders if decoder.schema.role in roles and decoder.schema.is_stream]
    instead = [f"{other},{rest}" for other in _maps(fitting)]
    if name:
        found = named(option, name, rest, fitting)
        if not found and (others := named(option, name, rest, decoders)):
            raise option.refuse(f"map '{safe(others[0].schema.map)}' is not a {kinds} of a stream of events", instead)
        if not found:
            raise option.refuse(f"no map '{safe(name)}': {_what_is_there(decoders)}", instead)
        return found
    if not fitting:
        raise option.refuse(f"no map is a {kinds} of a stream of events: {_what_is_there(decoders)}")
    if len(_maps(fitting)) > 1 and field:
        fitting = [decoder for decoder in fitting if field in by_name(decoder.fields)] or fitting
    plural = " or ".join(f"{KINDS[role]}s" for role in roles)
    return _of_one_name(option, f"several maps are {plural}", rest, fitting)


def nothing_named(option: Option, name: str, rest: str, decoders: Sequence[Decoder]) -> UsageError:
    """Return the error for what names neither a map nor a field; ``rest`` is what follows it in the option."""
    maps = _maps(decoders)
    of_maps = {decoder.schema.map: by_name(decoder.fields) for decoder in decoders}
    why = f"no map or field '{safe(name)}': {_what_is_there(decoders)}"
    if len(maps) == 1:
        why += f", and its fields are {listed(_names(decoders[0]))}"
    field = rest.partition(",")[0]
    having = [map_ for map_ in maps if field in of_maps[map_]]
    schemas = [decoder.schema for decoder in decoders]
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


def _of_one_name(option: Option, what: str, rest: str, decoders: list[Decoder]) -> list[Decoder]:
    names = _maps(decoders)
    if len(names) > 1:
        raise option.refuse(f"{what}: {listed(names)}", [f"{name},{rest}" for name in names])
    return decoders


def _what_is_there(decoders: Iterable[Decoder]) -> str:
    names = _maps(decoders)
    if not names:
        return "no map is shown"
    return f"the map is {safe(names[0])}" if len(names) == 1 else f"the maps are {listed(names)}"


def _maps(decoders: Iterable[Decoder]) -> list[str]:
    return list(dict.fromkeys(decoder.schema.map for decoder in decoders))


def _names(decoder: Decoder) -> list[str]:
    return [field.name for field in decoder.fields]


def _is_short(name: str, schema: Schema) -> bool:
    return _short(schema.map, schema.role) == _short(name, schema.role)


def _short(name: str, role: Role | None) -> str:
    return name.removeprefix(f"{role}_") if role else name


def _similar(name: str, names: Iterable[str]) -> list[str]:
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way to an error

    return get_close_matches(name[:_MOST_COMPARED], list(names))
