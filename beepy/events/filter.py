"""``-f map,field,regex``: which rows go on to the sinks."""

import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from beepy.errors import UsageError
from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder, Memo
from beepy.events.fields import Field
from beepy.events.rows import per_cpu_rows, select
from beepy.text import safe

_QUOTED: Final = re.compile(r'"((?:[^"]|"")*)"', re.DOTALL)


class Expression(NamedTuple):
    """One ``-f``, split; ``source`` is what the user typed."""

    source: str
    map: str
    field: str
    regex: str


def parse(source: str) -> Expression:
    """Split ``map,field,regex``; the regex may hold commas, and may be quoted as in CSV.

    Raises UsageError for less than three parts.
    """
    parts = source.split(",", 2)
    if len(parts) < 3 or not parts[0] or not parts[1]:
        raise UsageError(f"filter '{safe(source)}': expected map,field,regex")
    quoted = _QUOTED.fullmatch(parts[2])
    return Expression(source, parts[0], parts[1], quoted[1].replace('""', '"') if quoted else parts[2])


def check(sources: Iterable[str]) -> None:
    """Raise UsageError for what is wrong with a filter whatever the maps are."""
    for source in sources:
        _compiled(parse(source))


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

    Raises UsageError for a map or a field that does not exist, and for a bad regular expression.
    """

    def __init__(self, sources: Iterable[str], schemas: Sequence[Schema]) -> None:
        self._tests: dict[Schema, _Test] = {}
        for source in sources:
            expression = parse(source)
            matches = _compiled(expression)
            for schema in _schemas(expression, schemas):
                test = self._tests.setdefault(schema, _Test(Decoder(schema)))
                test.fields.append(_field(expression, test.decoder))
                test.matches.append(matches)

    def apply(self, batch: Batch) -> Batch:
        """Return the batch with the rows that stay; what it tells besides (lost, final) is kept."""
        test = self._tests.get(batch.schema)
        if not test or not batch.records:
            return batch
        batch = per_cpu_rows(batch)
        mask = test.mask(batch)
        return batch if all(mask) else select(batch, mask)


def _compiled(expression: Expression) -> Callable[[str], bool]:
    try:
        with warnings.catch_warnings():  # of what a later Python may read differently: the user did not ask
            warnings.simplefilter("ignore")
            search = re.compile(expression.regex).search
    except (re.error, OverflowError, RecursionError) as error:
        where = f"filter '{safe(expression.source)}': regex '{safe(expression.regex)}'"
        raise UsageError(f"{where}: {safe(str(error))}") from None
    return Memo(lambda text: search(text) is not None).__getitem__


def _schemas(expression: Expression, schemas: Sequence[Schema]) -> list[Schema]:
    found = [schema for schema in schemas if schema.map == expression.map]
    if not found:
        known = _listed(dict.fromkeys(schema.map for schema in schemas))
        raise UsageError(f"filter '{safe(expression.source)}': map '{safe(expression.map)}': there is only {known}")
    return found


def _field(expression: Expression, decoder: Decoder) -> Field:
    """Return the field of that name; its label is good too, which is what bee calls it."""
    known = {field.label: field for field in decoder.fields} | {field.name: field for field in decoder.fields}
    field = known.get(expression.field)
    if not field:
        where = f"filter '{safe(expression.source)}': field '{safe(expression.field)}'"
        raise UsageError(f"{where}: map '{safe(expression.map)}' has only {_listed(f.name for f in decoder.fields)}")
    return field


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(safe, names)) or "none"
