"""``-f map,field,regex`` or ``-f field,regex``: which rows reach the sinks."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from beepy.errors import UsageError, restated
from beepy.events import regex as regexes
from beepy.events import selection
from beepy.events.batch import Batch, Schema
from beepy.events.batch_ops import select
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.events.memo import Memo
from beepy.events.selection import Option
from beepy.text import safe

_EXPECTED: Final = "expected map,field,regex or field,regex"
_QUOTED: Final = re.compile(r'"((?:[^"]|"")*)"', re.DOTALL)


def check(sources: Iterable[str]) -> None:
    """Raise UsageError for what is wrong with a filter whatever maps there are.

    Only the maps tell whether ``a,b,c`` is a map, its field and the regex ``c``, or a field and the
    regex ``b,c``: one of the two has to be a regex.
    """
    for source in sources:
        option = _option(source)
        first, comma, rest = source.partition(",")
        if not first or not comma:
            raise option.refuse(_EXPECTED, [] if comma or not first else [_with_comma(source)])
        field, comma, regex = rest.partition(",")
        readings = [regex, rest] if field and comma else [rest]
        errors = []
        for reading in readings:
            try:
                _compiled(option, reading)
            except UsageError as error:
                errors.append(error)
        if len(errors) == len(readings):
            raise errors[0]


class _MapFilters:
    """All filters on one map: a field and a regex each."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.fields: list[Field] = []
        self.searchers: list[Callable[[str], bool]] = []

    def mask(self, batch: Batch) -> list[bool]:
        """Return for each row whether all regexes match."""
        columns = self.decoder.texts(batch, self.fields)
        searched = zip(self.searchers, columns, strict=True)
        matches = [map(search, column) for search, column in searched]
        return list(map(all, zip(*matches, strict=True)))


class Filter:
    """The filters of a run: a row passes if each filter on its map matches Go's text of the field.

    Raises UsageError for a map or field that does not exist or is ambiguous, and for a malformed
    regular expression.
    """

    def __init__(self, sources: Iterable[str], decoders: Sequence[Decoder]) -> None:
        self._by_map: dict[Schema, _MapFilters] = {}
        for source in sources:
            fields, search = _resolve(source, decoders)
            for decoder, field in fields:
                filters = self._by_map.setdefault(decoder.schema, _MapFilters(decoder))
                filters.fields.append(field)
                filters.searchers.append(search)

    def apply(self, batch: Batch) -> Batch:
        """Return the batch with the rows that match; its other members (lost, final) are kept."""
        filters = self._by_map.get(batch.schema)
        if not filters or not batch.records:
            return batch
        mask = filters.mask(batch)
        return batch if all(mask) else select(batch, mask)


def _resolve(
    source: str, decoders: Sequence[Decoder]
) -> tuple[list[tuple[Decoder, Field]], Callable[[str], bool]]:
    """Return the fields that a filter names, each with its map's decoder, and its regex.

    If the first part is the name of a map it means the map; otherwise it means a field, and all the
    rest is the regex.
    """
    option = _option(source)
    first, comma, rest = source.partition(",")
    if not first or not comma:
        raise option.refuse(_EXPECTED)
    maps = selection.maps_named(option, first, rest, decoders)
    if maps:
        name, comma, regex = rest.partition(",")
        if not name or not comma:
            reason = f"'{safe(first)}' is a map: expected map,field,regex"
            raise option.refuse(reason, _with_map(option, decoders))
        tail = f",{regex}"
    else:
        maps = selection.maps_with_field(option, first, rest, decoders)
        if not maps:
            raise selection.not_found(option, first, rest, decoders)
        name, regex, tail = first, rest, f",{rest}"
    search = _compiled(option, regex)
    fields = [(decoder, selection.field_of(option, decoder, name, tail)) for decoder in maps]
    return fields, search


def _with_comma(source: str) -> str:
    """Return what may be meant by a filter without a comma: ``field=regex``, or a name as regex."""
    field, equals, regex = source.partition("=")
    return f"{field},{regex}" if field.isidentifier() and equals else f"comm,{source}"


def _with_map(option: Option, decoders: Sequence[Decoder]) -> list[str]:
    """Return filters that mean a field by the first part, though a map has its name."""
    name = option.text.partition(",")[0]
    maps = [
        decoder.schema.map
        for decoder in decoders
        if name in selection.fields_by_name(decoder.fields)
    ]
    return [f"{map_name},{option.text}" for map_name in dict.fromkeys(maps)]


def _option(source: str) -> Option:
    return Option("filter", "-f", source)


def _compiled(option: Option, regex: str) -> Callable[[str], bool]:
    """Return a function that searches for the regex, which may be quoted as in CSV.

    Raises UsageError.
    """
    quoted = _QUOTED.fullmatch(regex)
    regex = quoted[1].replace('""', '"') if quoted else regex
    try:
        return Memo(regexes.searcher(regex)).__getitem__
    except UsageError as error:
        raise restated(option.refuse(f"regex '{safe(regex)}': {safe(str(error))}"), error) from None
