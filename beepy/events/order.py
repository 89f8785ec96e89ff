"""In which order the rows of a snapshot are shown."""

from typing import NamedTuple

from beepy.events.decoder import Decoder
from beepy.events.fields import VALUE, Field
from beepy.obj.spec import Role


class Order(NamedTuple):
    """Rows by their values of these fields; without fields, they stay as they come."""

    fields: tuple[Field, ...]
    largest_first: bool = False


def default_order(decoder: Decoder) -> Order:
    """Return the order of a map if nobody asks for another one.

    Counters and gauges are sorted by value, the largest first, other tables by key, unless the
    presentation names a field. The lines of an iterator keep their order.
    """
    schema = decoder.schema
    presentation = schema.presentation
    chosen = tuple([f for f in decoder.fields if presentation and f.name == presentation.sort])
    if chosen:
        return Order(chosen, largest_first=True)
    if schema.is_stream:
        return Order(())
    values = tuple([field for field in decoder.fields if field.part == VALUE])
    is_number = len(values) == 1 and values[0].codec.number
    if schema.role in (Role.COUNTER, Role.GAUGE) and is_number:
        return Order(values, largest_first=True)
    return Order(tuple([field for field in decoder.fields if field.part != VALUE]))


def comparable(value: object) -> tuple[int, float | str]:
    """Return the sort key of a value of any type: missing ones first, then numbers, then texts."""
    if isinstance(value, int | float):
        return 1, value
    return (0, 0) if value is None else (2, str(value))
