import copy

import pytest

from beepy.btf.writer import BtfWriter
from beepy.events.decoder import Decoder
from beepy.events.row import Row, Rows
from tests.support.events import Exits, ring, stream


def rows_of_peers() -> Rows:
    w = BtfWriter()
    u32, u16 = w.integer("u32", 4, 0), w.integer("u16", 2, 0)
    peer = w.struct("peer", 8, [("port", u16, 0), ("addr", u32, 32)])
    schema = stream(w, w.struct("event", 12, [("pid", u32, 0), ("peer", peer, 32)]))
    records = [
        bytes([7, 0, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0]),
        bytes([8, 0, 0, 0, 81, 0, 0, 0, 2, 0, 0, 0]),
    ]
    return Rows(ring(schema, records), Decoder(schema))


def test_fields_are_attributes_and_items() -> None:
    first, second = rows_of_peers()
    assert (
        first.pid,
        first["pid"],
        first.peer.port,
        first["peer.port"],
        second["peer"]["addr"],
    ) == (7, 7, 80, 80, 2)
    assert first.asdict() == {"pid": 7, "peer": {"port": 80, "addr": 1}}
    assert repr(second) == "Row(pid=8, peer=Row(port=81, addr=2))"
    assert [*first] == [7, first.peer]
    assert len(first) == 2
    assert first.schema.map == "print_exits"
    assert {"pid", "peer", "asdict", "schema"} <= {*dir(first)}


def test_names_that_are_not_there() -> None:
    (first, _) = rows_of_peers()
    with pytest.raises(AttributeError, match="no field 'nothing': the fields are pid, peer"):
        first.nothing  # noqa: B018 - it is looked up
    for name in ("nothing", "pid.x", "peer.nothing", "peer.port.x", ""):
        with pytest.raises(KeyError):
            first[name]


def test_rows_are_compared_and_hashed_by_their_values() -> None:
    first, second = rows_of_peers()
    again, _ = rows_of_peers()
    assert first == again != second
    assert len({first, again, second}) == 2
    assert first != "pid"


def test_rows_are_compared_with_tuples_too() -> None:
    first, second = rows_of_peers()
    assert first == (7, (80, 1))
    entries: dict[object, str] = {first: "a", second: "b"}
    assert entries[8, (81, 2)] == "b"
    assert first != (7, (80, 2))


def test_rows_can_be_copied() -> None:
    (first, _) = rows_of_peers()
    again = copy.copy(first)
    assert (again, again.schema, again.time_ns) == (first, first.schema, first.time_ns)


def test_columns() -> None:
    rows = rows_of_peers()
    assert rows.columns() == {"pid": [7, 8], "peer.port": [80, 81], "peer.addr": [1, 2]}
    assert rows.column("peer.addr") == [1, 2]
    with pytest.raises(KeyError):
        rows.column("addr")
    assert (rows.map, rows.image, len(rows), rows.lost) == ("print_exits", "image:1", 2, None)
    assert repr(rows) == "Rows('print_exits', 2 rows)"


def test_a_field_that_is_called_like_a_method_is_an_item() -> None:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    schema = stream(w, w.struct("event", 8, [("schema", u32, 0), ("asdict", u32, 32)]))
    (row,) = Rows(ring(schema, [bytes([1, 0, 0, 0, 2, 0, 0, 0])]), Decoder(schema))
    assert (row["schema"], row["asdict"], getattr(row, "schema")) == (1, 2, 1)  # noqa: B009 - a field comes first


def test_exits() -> None:
    schema = Exits().schema
    (row,) = Rows(ring(schema, [Exits.record(b"sh", 4, -1)]), Decoder(schema))
    assert isinstance(row, Row)
    assert (row.comm, row.pid, row.exit_code) == ("sh", 4, -1)
