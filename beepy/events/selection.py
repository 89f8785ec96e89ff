"""Which map and which field an option means: the rules that ``-f``, ``-b`` and ``-k`` share.

A map has its full name, and a short one without the prefix of its role: ``exits`` is
``print_exits``. The other way round works too, for bee's older images name the map ``exits``.
Maps of several images with the same full name are chosen together.
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

KINDS: Final[Mapping[Role, str]] = {
    Role.COUNTER: "counter",
    Role.GAUGE: "gauge",
    Role.HIST: "histogram",
}

_MAX_LISTED: Final = 12  # names in a message
_MAX_ADVISED: Final = 5  # notes of an error
_MAX_COMPARED: Final = 64  # characters of a name that similar ones are searched for


class Option(NamedTuple):
    """An option as it was typed; ``title`` is its name in messages."""

    title: str
    flag: str
    text: str

    def refuse(self, reason: str, alternatives: Iterable[str] = ()) -> UsageError:
        """Return the error, with the first few values that could be typed instead as notes."""
        error = UsageError(f"{self.title} '{safe(self.text)}': {reason}")
        for text in islice(alternatives, _MAX_ADVISED):
            from shlex import quote  # noqa: PLC0415 - only on the way to an error

            error.add_note(f"{self.flag} {quote(safe(text))}")
        return error


def short_name(map_name: str, role: Role | None) -> str:
    """Return a map's name without the prefix that says its role."""
    return map_name.removeprefix(f"{role}_") if role else map_name


def fields_by_name(fields: Iterable[Field]) -> dict[str, Field]:
    """Return the fields by their names, and by their labels, as bee calls them."""
    fields = tuple(fields)
    return {field.label: field for field in fields} | {field.name: field for field in fields}


def maps_named(option: Option, name: str, rest: str, decoders: Iterable[Decoder]) -> list[Decoder]:
    """Return the maps with that full or short name, [] if there are none.

    ``rest`` follows the name in the option. Raises UsageError if several maps have the short name.
    """
    decoders = tuple(decoders)
    full = [decoder for decoder in decoders if decoder.schema.map == name]
    if full:
        return full
    short = [decoder for decoder in decoders if _is_short(name, decoder.schema)]
    return _of_one_name(option, f"several maps are called '{safe(name)}'", rest, short)


def maps_with_field(
    option: Option, name: str, rest: str, decoders: Iterable[Decoder]
) -> list[Decoder]:
    """Return the maps that have the field, [] if none has.

    ``rest`` follows the name in the option. Raises UsageError if maps of several names have it.
    """
    maps = [decoder for decoder in decoders if name in fields_by_name(decoder.fields)]
    reason = f"several maps have a field '{safe(name)}'"
    return _of_one_name(option, reason, f"{name},{rest}", maps)


def field_of(option: Option, decoder: Decoder, name: str, tail: str = "") -> Field:
    """Return the map's field of that name; ``tail`` follows it in the option. Raises UsageError."""
    fields = fields_by_name(decoder.fields)
    if name in fields:
        return fields[name]
    map_name = decoder.schema.map
    names = listed(_field_names(decoder))
    reason = f"no field '{safe(name)}' in {safe(map_name)}: its fields are {names}"
    alternatives = [f"{map_name},{similar}{tail}" for similar in _similar(name, fields)]
    raise option.refuse(reason, alternatives)


def maps_of_role(
    option: Option,
    name: str,
    rest: str,
    decoders: Sequence[Decoder],
    *,
    roles: Sequence[Role],
    field: str = "",
) -> list[Decoder]:
    """Return the streams with one of the ``roles`` and that name; if it is "", the only ones.

    If several have such a role, those that have ``field`` (unless it is "") are meant. ``rest``
    follows the name in the option. Raises UsageError if none or several remain.
    """
    kinds = " or ".join(KINDS[role] for role in roles)
    streams = [decoder for decoder in decoders if decoder.schema.is_stream]
    fitting = [decoder for decoder in streams if decoder.schema.role in roles]
    alternatives = [f"{map_name},{rest}" for map_name in _map_names(fitting)]
    if name:
        maps = maps_named(option, name, rest, fitting)
        if not maps and (others := maps_named(option, name, rest, decoders)):
            map_name = safe(others[0].schema.map)
            reason = f"map '{map_name}' is not a {kinds} of a stream of events"
            raise option.refuse(reason, alternatives)
        if not maps:
            raise option.refuse(f"no map '{safe(name)}': {_known(decoders)}", alternatives)
        return maps
    if not fitting:
        raise option.refuse(f"no map is a {kinds} of a stream of events: {_known(decoders)}")
    if len(_map_names(fitting)) > 1 and field:
        with_field = [d for d in fitting if field in fields_by_name(d.fields)]
        fitting = with_field or fitting
    plural = " or ".join(f"{KINDS[role]}s" for role in roles)
    return _of_one_name(option, f"several maps are {plural}", rest, fitting)


def not_found(option: Option, name: str, rest: str, decoders: Sequence[Decoder]) -> UsageError:
    """Return the error for a name of neither a map nor a field; ``rest`` follows it in the option.

    It proposes, in this order: maps with a similar name that have the field named next, all maps
    that have it, and similar names of fields.
    """
    map_names = _map_names(decoders)
    reason = f"no map or field '{safe(name)}': {_known(decoders)}"
    if len(map_names) == 1:
        reason += f", and its fields are {listed(_field_names(decoders[0]))}"
    fields_of = {decoder.schema.map: fields_by_name(decoder.fields) for decoder in decoders}
    field = rest.partition(",")[0]
    having = [map_name for map_name in map_names if field in fields_of[map_name]]
    short = {
        short_name(schema.map, schema.role): schema.map
        for schema in (decoder.schema for decoder in decoders)
        if schema.map in having
    }
    near = dict.fromkeys(short[similar] for similar in _similar(name, short)) or having
    alternatives = [f"{map_name},{rest}" for map_name in near]
    if not alternatives:
        known = dict.fromkeys(known for fields in fields_of.values() for known in fields)
        alternatives = [f"{similar},{rest}" for similar in _similar(name, known)]
    return option.refuse(reason, alternatives)


def listed(names: Iterable[str]) -> str:
    """Return the names for a message, no more of them than fit on a line."""
    names = list(names)
    text = ", ".join(map(safe, names[:_MAX_LISTED])) or "none"
    return f"{text} and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else text


def _of_one_name(option: Option, reason: str, rest: str, decoders: list[Decoder]) -> list[Decoder]:
    """Return the maps. Raises UsageError if they have several names."""
    names = _map_names(decoders)
    if len(names) > 1:
        raise option.refuse(f"{reason}: {listed(names)}", [f"{name},{rest}" for name in names])
    return decoders


def _known(decoders: Iterable[Decoder]) -> str:
    names = _map_names(decoders)
    if not names:
        return "no map is shown"
    return f"the map is {safe(names[0])}" if len(names) == 1 else f"the maps are {listed(names)}"


def _map_names(decoders: Iterable[Decoder]) -> list[str]:
    return list(dict.fromkeys(decoder.schema.map for decoder in decoders))


def _field_names(decoder: Decoder) -> list[str]:
    return [field.name for field in decoder.fields]


def _is_short(name: str, schema: Schema) -> bool:
    return short_name(schema.map, schema.role) == short_name(name, schema.role)


def _similar(name: str, names: Iterable[str]) -> list[str]:
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way to an error

    return get_close_matches(name[:_MAX_COMPARED], list(names))
