"""How an image's format wants rows to look."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class ColumnHint(NamedTuple):
    """How one field is shown in columns; 0, "" and None leave it to the output.

    ``heading`` is foreign text. ``right``: aligned to the right. Widths are in columns of a
    terminal.
    """

    hidden: bool = False
    heading: str = ""
    right: bool | None = None
    width: int = 0
    min_width: int = 0
    max_width: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Presentation:
    """How the rows of one map look; compared by identity, for schemas are keys of dicts.

    ``columns`` are hints by field. A table shows at most ``limit`` rows at a time (0: all), those
    with the largest values of the field ``sort`` ("": those with the smallest keys).
    ``not_in_json`` are fields that JSON leaves out. ``rest`` is the name of a field with what
    follows after the record's type, ``rest_length`` that of the field with its length ("": it
    extends to the record's end). ``targets`` are the names of the fields that the vocabulary adds,
    by those of the fields beside which they are, where they are not the usual ones.
    """

    columns: Mapping[str, ColumnHint]
    limit: int = 0
    sort: str = ""
    not_in_json: frozenset[str] = frozenset()
    rest: str = ""
    rest_length: str = ""
    targets: Mapping[str, str] = field(default_factory=dict)
