"""``--fields``: which fields of a map's records are shown, and in which order.

::

    pid,comm        only these, in this order       peer           all members of the struct
    -tid,-ppid      all but these                   events:pid     those of this map
    +mntns_id       one more, that the image hides
    +age            one more, that is derived
"""

from collections.abc import Container, Iterable, Sequence
from typing import NamedTuple

from beepy.errors import UsageError
from beepy.events import named
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.events.selection import Option

_EXPECTED = "expected names, -NAME for all but this one, +NAME for one more"


class Choice(NamedTuple):
    """The fields that are shown: ``only`` these (empty: all), ``without`` and ``also`` these."""

    only: tuple[Field, ...] = ()
    without: frozenset[Field] = frozenset()
    also: tuple[Field, ...] = ()

    def of(self, fields: Sequence[Field], hidden: Container[str]) -> tuple[Field, ...]:
        """Return the chosen ones of ``fields``; ``hidden`` are shown only if they are named."""
        if self.only:
            return self.only
        chosen = [
            field
            for field in fields
            if field in self.also or (field.name not in hidden and field not in self.without)
        ]
        return (*chosen, *[field for field in self.also if field.derived])


def check(sources: Iterable[str]) -> None:
    """Raise UsageError for what is wrong with a choice whatever maps there are."""
    for source in sources:
        _parsed(source)


def apply(sources: Iterable[str], decoders: Sequence[Decoder]) -> None:
    """Set what each decoder shows. Raise UsageError for what no map, or more than one, has."""
    for source in sources:
        option, words = _parsed(source)
        for decoder, fields in named.fields_of_maps(option, words, decoders):
            if decoder.choice:
                raise option.refuse(f"map '{named.shown_name(decoder)}' is named twice")
            decoder.choice = _choice(words.names, fields)


def _parsed(source: str) -> tuple[Option, named.Words]:
    option = Option("fields", "--fields", source)
    words = named.split(option, signs="-+")
    signed = [name[0] in "-+" for name in words.names]
    if any(signed) and not all(signed):
        raise _mixed(option)
    return option, words


def _mixed(option: Option) -> UsageError:
    return option.refuse(f"names with and without a sign: {_EXPECTED}")


def _choice(names: Sequence[str], groups: Sequence[Sequence[Field]]) -> Choice:
    """Return the choice of the fields that each name means."""
    signed: dict[str, dict[Field, None]] = {"-": {}, "+": {}, "": {}}
    for name, group in zip(names, groups, strict=True):
        signed[name[0] if name[0] in signed else ""].update(dict.fromkeys(group))
    return Choice(tuple(signed[""]), frozenset(signed["-"]), tuple(signed["+"]))
