"""Options that name fields, ``[MAP:]FIELD,FIELD``: the map and the fields that they mean."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from beepy.errors import UsageError
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.events.selection import Option, listed, short_name
from beepy.text import safe

_MOST = 256  # names in an option


class Words(NamedTuple):
    """The parts of an option; ``map`` is "" if it names none. Names have their signs."""

    map: str
    names: tuple[str, ...]
    signs: str = ""

    @property
    def bare(self) -> tuple[str, ...]:
        """The names without their signs."""
        return tuple([name[1:] if name[0] in self.signs else name for name in self.names])


def split(option: Option, mark: str = ":", signs: str = "") -> Words:
    """Split ``MAP:a,b`` or ``a,b``, with another ``mark`` if that is given.

    Each name may begin with one of ``signs``. Raises UsageError.
    """
    before, found, after = option.text.rpartition(mark)
    map_name = before.strip()
    words = Words(map_name, tuple([name.strip() for name in after.split(",")]), signs)
    if (found and not map_name) or not all(words.names) or not all(words.bare):
        raise option.refuse(f"expected FIELD,FIELD or MAP{mark}FIELD,FIELD")
    if len(words.names) > _MOST:
        raise option.refuse(f"{len(words.names)} names exceed {_MOST}")
    return words


def fields_of_maps(
    option: Option, words: Words, decoders: Sequence[Decoder]
) -> Iterator[tuple[Decoder, list[list[Field]]]]:
    """Yield the maps that are meant, each with the fields that each name means in it.

    These are several maps only if maps of several images have one name. Raises UsageError.
    """
    for decoder in maps(option, words, decoders):
        yield decoder, [_fields(decoder, name) for name in words.bare]


def maps(option: Option, words: Words, decoders: Sequence[Decoder]) -> list[Decoder]:
    """Return the maps that are meant, all of which have the fields. Raises UsageError."""
    chosen = [decoder for decoder in decoders if not words.map or _is_called(decoder, words.map)]
    if not chosen:
        known = listed(dict.fromkeys(decoder.schema.map for decoder in decoders))
        why = f"no map '{safe(words.map)}': there are {known}" if words.map else "no map is shown"
        raise option.refuse(why)
    # a field of a record comes before a derived one of another map
    having = [d for d in chosen if all(_own_fields(d, name) for name in words.bare)] or [
        d for d in chosen if all(_fields(d, name) for name in words.bare)
    ]
    names = list(dict.fromkeys(decoder.schema.map for decoder in having))
    if len(names) > 1:
        similar = [f"{name}:{option.text}" for name in names]
        raise option.refuse(f"several maps have these fields: {listed(names)}", similar)
    if not having or (words.map and len(having) < len(chosen)):
        raise _unknown(option, words.bare, [d for d in chosen if d not in having])
    return having


def shown_name(decoder: Decoder) -> str:
    """Return the name of the map, safe for a terminal."""
    return safe(decoder.schema.map)


def _is_called(decoder: Decoder, name: str) -> bool:
    schema = decoder.schema
    return name in (
        schema.map,
        short_name(schema.map, schema.role),
        f"{schema.image}.{schema.map}",
    )


def _fields(decoder: Decoder, name: str) -> list[Field]:
    """Return the field of that name, a derived one too, or all members of a struct so named."""
    own = _own_fields(decoder, name)
    derived = None if own else decoder.named(name)
    return [derived] if derived else own


def _own_fields(decoder: Decoder, name: str) -> list[Field]:
    field = decoder.own(name)
    if field:
        return [field]
    path = tuple(name.split("."))
    return [field for field in decoder.fields if field.path[: len(path)] == path]


def _unknown(option: Option, names: Sequence[str], decoders: Sequence[Decoder]) -> UsageError:
    """Return the error for the first name that the map with most of them lacks."""
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way to an error

    from beepy.events import derived  # noqa: PLC0415 - as above

    nearest = max(decoders, key=lambda d: sum(bool(_fields(d, name)) for name in names))
    missing = next(name for name in names if not _fields(nearest, name))
    known = [field.name for field in nearest.fields]
    computed = derived.names(nearest)
    similar = get_close_matches(missing[:64], [*known, *computed], 3)
    hint = (
        f"did you mean {' or '.join(map(safe, similar))}?"
        if similar
        else f"its fields are {listed(known)}; derived: {listed(computed)}"
    )
    return option.refuse(f"no field '{safe(missing)}' in {shown_name(nearest)}: {hint}")
