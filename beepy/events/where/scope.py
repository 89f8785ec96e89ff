"""Which maps an expression is about: the one that it names, or the one that has its fields."""

from collections.abc import Sequence

from beepy.errors import UsageError
from beepy.events.decoder import Decoder
from beepy.events.selection import listed, short_name
from beepy.events.where import tree
from beepy.events.where.grammar import refused
from beepy.text import safe


def maps(expression: tree.Expression, decoders: Sequence[Decoder]) -> list[Decoder]:
    """Return the maps, several only if maps of several images have one name. Raises UsageError."""
    if expression.map:
        return _named(expression, decoders)
    names = tree.names(expression.node)
    # a field of a record comes before a derived one of another map
    having = [d for d in decoders if all(d.own(name.text) for name in names)] or [
        d for d in decoders if all(d.named(name.text) for name in names)
    ]
    known = list(dict.fromkeys(decoder.schema.map for decoder in having))
    if len(known) == 1:
        return having
    if known:
        why = f"several maps have '{safe(names[0].text)}': begin with one of {listed(known)}"
        error = refused(expression.source, names[0].column, why)
        error.add_note(f"--where '{safe(known[0])}: {safe(expression.source)}'")
        raise error
    raise _missing(expression, decoders)


def _missing(expression: tree.Expression, decoders: Sequence[Decoder]) -> UsageError:
    """Return the error for the first field that the map with most of them lacks."""
    names = tree.names(expression.node)

    def had(decoder: Decoder) -> int:
        return sum(decoder.named(name.text) is not None for name in names)

    if not decoders:
        return refused(expression.source, names[0].column, "no map is shown")
    nearest = max(decoders, key=had)
    missing = next(name for name in names if not nearest.named(name.text))
    return _unknown(expression, missing, nearest)


def _unknown(expression: tree.Expression, name: tree.Name, decoder: Decoder) -> UsageError:
    """Return the error for a field that a map does not have."""
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way to an error

    from beepy.events import derived  # noqa: PLC0415 - as above

    fields = [field.name for field in decoder.fields]
    computed = derived.names(decoder)
    similar = get_close_matches(name.text[:64], [*fields, *computed], 3)
    hint = (
        f"did you mean {' or '.join(map(safe, similar))}?"
        if similar
        else f"its fields are {listed(fields)}; derived: {listed(computed)}"
    )
    where = safe(decoder.schema.map)
    why = f"no field '{safe(name.text)}' in {where}: {hint}"
    return refused(expression.source, name.column, why)


def _named(expression: tree.Expression, decoders: Sequence[Decoder]) -> list[Decoder]:
    """Return the maps that ``MAP:`` or ``IMAGE.MAP:`` names."""
    name = expression.map
    chosen = [
        decoder
        for decoder in decoders
        if name in (decoder.schema.map, short_name(decoder.schema.map, decoder.schema.role))
    ] or [decoder for decoder in decoders if name == f"{decoder.schema.image}.{decoder.schema.map}"]
    if not chosen:
        known = listed(dict.fromkeys(decoder.schema.map for decoder in decoders))
        raise refused(expression.source, 1, f"no map '{safe(name)}': there are {known}")
    for decoder in chosen:
        for field in tree.names(expression.node):
            if not decoder.named(field.text):
                raise _unknown(expression, field, decoder)
    return chosen
