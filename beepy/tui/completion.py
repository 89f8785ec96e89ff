"""What can come next in an expression of ``--where``: fields, operators, values that were seen."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from beepy.events import derived
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.events.where import constants
from beepy.events.where.constants import Type
from beepy.text import safe
from beepy.tui.rows import Rows

_WORD: Final = re.compile(r"""("[^"]*|'[^']*|[\w.:/-]*)$""")
_BEFORE_VALUE: Final = re.compile(r"([\w.]+)\s*(==|!=|<=|>=|<|>|!?~|(?:not\s+)?in\s*\([^)]*)\s*$")
_BEFORE_FIELD: Final = re.compile(r"(^|\(|\b(?:and|or|not)\s)\s*$")
_LAST_WORD: Final = re.compile(r"([\w.]+)\s+$")
_MAX: Final = 12  # candidates
_MAX_VALUE: Final = 40  # characters of one
_ORDERED: Final = ("==", "!=", "<", "<=", ">", ">=", "in (")
_TEXTS: Final = ("==", "!=", "~", "!~", "in (")


class Candidates(NamedTuple):
    """Texts that may stand in the place of the characters from ``start`` on."""

    start: int
    texts: Sequence[str]


def candidates(text: str, rows: Rows) -> Candidates:
    """Return what may follow ``text``, or complete its last word; what is likely comes first."""
    word = _WORD.search(text)
    assert word, "the pattern matches an empty word, too"
    typed, before = word[1], text[: word.start()]
    fields = _fields(rows.decoder)
    value = _BEFORE_VALUE.search(before)
    texts: Sequence[str]
    if value and value[1] in fields:
        texts = values(rows, fields[value[1]])
    elif _BEFORE_FIELD.search(before):
        texts = [name for name in fields if _kind(rows.decoder, fields[name])]
    else:
        last = _LAST_WORD.search(before)
        field = fields.get(last[1]) if last else None
        texts = _operators(rows.decoder, field) if field else ["and", "or"]
    lowered = typed.lower().strip("\"'")
    fitting = [text for text in texts if text.lower().strip('"').startswith(lowered)]
    others = [text for text in texts if lowered in text.lower() and text not in fitting]
    fitting = [text for text in [*fitting, *others] if text != typed]
    return Candidates(word.start(), fitting[:_MAX])


def _fields(decoder: Decoder) -> dict[str, Field]:
    """Return the fields by name: a map's own, and those derived ones that are known."""
    age = derived.field(decoder, "age")  # others only the machine knows, if it was asked before
    found = [*decoder.fields, *decoder.shown(), *([age] if age else [])]
    names: dict[str, Field] = {}
    for field in found:
        names.setdefault(field.name, field)
    return names


def values(rows: Rows, field: Field) -> list[str]:
    """Return the values of a field as an expression has them, the most frequent first."""
    kind = _kind(rows.decoder, field)
    if kind is None:
        return []
    counts = Counter([value for value in rows.values(field) if value is not None])
    return [
        constant(kind, value)
        for value, _ in counts.most_common(_MAX)
        if len(str(value)) <= _MAX_VALUE and safe(str(value)) == str(value)
    ]


def constant(kind: Type, value: object) -> str:
    """Return a value as an expression has it."""
    if kind in (Type.TEXT, Type.ADDRESS):
        escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return str(value).lower() if kind is Type.BOOL else str(value)


def equals(decoder: Decoder, field: Field, value: object) -> str:
    """Return the expression for rows in which a field has this value, "" if there is none."""
    kind = _kind(decoder, field)
    if kind is None:
        return ""
    return f"{field.name} is null" if value is None else f"{field.name} == {constant(kind, value)}"


def _operators(decoder: Decoder, field: Field) -> Sequence[str]:
    kind = _kind(decoder, field)
    return _TEXTS if kind in (Type.TEXT, Type.ADDRESS) else _ORDERED


def _kind(decoder: Decoder, field: Field) -> Type | None:
    return constants.type_of(decoder, field)
