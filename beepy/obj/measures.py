"""What a gadget's annotations say of metrics: numbers in its rows that are added up."""

from typing import NamedTuple

from beepy.obj.spec import Role


class Measure(NamedTuple):
    """A metric that the rows of one data source feed.

    ``field`` is the row's number, "" if rows are counted. A counter adds numbers up, a gauge has
    the last one, a histogram counts them by ``bounds``; with ``slots`` the field is an array whose
    item N is how many values there were from 2**N on. ``labels`` are fields, with the names of
    their labels. ``scope`` is the name of the data source, which is a label of each series.
    """

    name: str
    role: Role
    field: str
    help: str
    labels: tuple[tuple[str, str], ...]
    scope: str
    bounds: tuple[float, ...] = ()
    slots: bool = False
