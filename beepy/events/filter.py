"""``-f map,field,regex`` or ``-f field,regex``: which rows go on to the sinks."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from beepy.errors import UsageError, restated
from beepy.events import regex as regexes
from beepy.events import selection
from beepy.events.batch import Batch, Schema
from beepy.events.batch_ops import select
from beepy.events.decoder import Decoder, Memo
from beepy.events.fields import Field
from beepy.events.selection import Option
from beepy.text import safe

_EXPECTED: Final = "expected map,field,regex or field,regex"
_QUOTED: Final = re.compile(r'"((?:[^"]|"")*)"', re.DOTALL)


def check(sources: Iterable[str]) -> None:
    """Raise UsageError for what is wrong with a filter whatever the maps are.

    Only the maps tell whether ``a,b,c`` is a map, its field and the regex ``c``, or a field and the regex ``b,c``: one
    of the two has to be a regex.
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


class _Test:
    """All filters on one map."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.fields: list[Field] = []
        self.matches: list[Callable[[str], bool]] = []

    def mask(self, batch: Batch) -> list[bool]:
        columns = self.decoder.texts(batch, self.fields)
        answers = [map(matches, column) for matches, column in zip(self.matches, columns, strict=True)]
        return list(map(all, zip(*answers, strict=True)))


class Filter:
    """The filters of one run; a row stays if every filter on its map finds its regex in the field's Go text.

    Raises UsageError for a map or a field that does not exist or is not the only one, and for a bad regular expression.
    """

    def __init__(self, sources: Iterable[str], decoders: Sequence[Decoder]) -> None:
        self._tests: dict[Schema, _Test] = {}
        for source in sources:
            found, matches = _resolve(source, decoders)
            for decoder, field in found:
                test = self._tests.setdefault(decoder.schema, _Test(decoder))
                test.fields.append(field)
                test.matches.append(matches)

    def apply(self, batch: Batch) -> Batch:
        """Return the batch with the rows that match; its other members (lost, final) stay the same."""
        test = self._tests.get(batch.schema)
        if not test or not batch.records:
            return batch
        mask = test.mask(batch)
        return batch if all(mask) else select(batch, mask)


def _resolve(source: str, decoders: Sequence[Decoder]) -> tuple[list[tuple[Decoder, Field]], Callable[[str], bool]]:
    """Return the fields that a filter is about, with their maps, and its regex.

    If the first part names a map it is the map; otherwise it is a field, and all the rest is the regex.
    """
    option = _option(source)
    first, comma, rest = source.partition(",")
    if not first or not comma:
        raise option.refuse(_EXPECTED)
    maps = selection.named(option, first, rest, decoders)
    if maps:
        name, comma, regex = rest.partition(",")
        if not name or not comma:
            raise option.refuse(f"'{safe(first)}' is a map: expected map,field,regex", _with_map(option, decoders))
        tail = f",{regex}"
    else:
        maps = selection.by_field(option, first, rest, decoders)
        if not maps:
            raise selection.nothing_named(option, first, rest, decoders)
        name, regex, tail = first, rest, f",{rest}"
    matches = _compiled(option, regex)
    return [(decoder, selection.field_of(option, decoder, name, tail)) for decoder in maps], matches


def _with_comma(source: str) -> str:
    """Return what may be meant by a filter without a comma: ``field=regex``, or a regex alone, for a name."""
    field, equals, regex = source.partition("=")
    return f"{field},{regex}" if field.isidentifier() and equals else f"comm,{source}"


def _with_map(option: Option, decoders: Sequence[Decoder]) -> list[str]:
    """Return how to say that the first part is meant as a field, though a map has that name."""
    name = option.text.partition(",")[0]
    having = [decoder.schema.map for decoder in decoders if name in selection.by_name(decoder.fields)]
    return [f"{map_name},{option.text}" for map_name in dict.fromkeys(having)]


def _option(source: str) -> Option:
    return Option("filter", "-f", source)


def _compiled(option: Option, regex: str) -> Callable[[str], bool]:
    """Return what searches for the regex, which may be quoted as in CSV. Raises UsageError."""
    quoted = _QUOTED.fullmatch(regex)
    regex = quoted[1].replace('""', '"') if quoted else regex
    try:
        return Memo(regexes.searcher(regex)).__getitem__
    except UsageError as error:
        raise restated(option.refuse(f"regex '{safe(regex)}': {safe(str(error))}"), error) from None
