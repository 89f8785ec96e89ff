"""Say which types of maps were guessed or are unknown, and which tables are not shown."""

from collections.abc import Iterator
from contextlib import suppress
from shlex import quote
from typing import Final

from beepy.btf.cformat import c_type
from beepy.conventions import untyped
from beepy.conventions.choices import NAMED
from beepy.errors import BtfError
from beepy.events import raw
from beepy.obj.spec import CollectionSpec, MapSpec
from beepy.text import safe

_MAX_NOTICES: Final = 10  # about maps of one object
_MAX_LISTED: Final = 8  # names in a message


def of(spec: CollectionSpec) -> Iterator[str]:
    """Yield a line for each map of which the type was guessed or is unknown, and one for the rest.

    Each says which option changes that.
    """
    maps = {map_spec.name: map_spec for map_spec in spec.maps}
    untold = [tracked for tracked in spec.tracked if tracked.reason]
    for tracked in untold[:_MAX_NOTICES]:
        kind, _, why = tracked.reason.partition(": ")
        btf = tracked.types or spec.btf
        assert btf
        shown = c_type(btf, tracked.record or tracked.value or maps[tracked.map].value)
        option = f"--type {quote(f'{safe(tracked.map)}=struct NAME')}"
        if kind == untyped.ABSENT:
            text = f"shown as {shown}: {why}"
        elif kind == "guess":
            text = f"shown as {shown}, which is a guess ({why}): {option} overrules it"
        else:
            text = f"shown as {shown}, for the type is unknown ({why}): {option} gives it one"
        yield f"map '{safe(tracked.map)}': {text}"
    if len(untold) > _MAX_NOTICES:
        yield f"{len(untold) - _MAX_NOTICES} more maps: shown by a guess, or in hex"
    hidden = [maps[decision.map] for decision in spec.not_shown if decision.by_choice]
    if hidden:
        names = ", ".join([safe(map_spec.name) for map_spec in hidden[:_MAX_LISTED]])
        more = ", ..." if len(hidden) > _MAX_LISTED else ""
        example = quote(f"{safe(hidden[0].name)}={_value_name(spec, hidden[0])}")
        yield f"tables not shown: {names}{more}: --type {example} shows one"


def _value_name(spec: CollectionSpec, map_spec: MapSpec) -> str:
    """Return the name for ``--type`` of the type of a map's values, ``hex`` if there is none."""
    with suppress(BtfError):
        if spec.btf and map_spec.value and isinstance(spec.btf.type(map_spec.value), NAMED):
            name = c_type(spec.btf, map_spec.value)
            if "{" not in name:
                return name
    return raw.NAME
