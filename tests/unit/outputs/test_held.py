import struct
from collections import Counter

from beepy.events.decoder import Decoder
from beepy.outputs.held import Held, batches
from tests.support.events import Exits, decode, ring


def test_records_of_any_length_come_back_as_batches() -> None:
    schema = Exits().schema
    held = Held(Decoder(schema), ordered=False)
    whole = Exits.record(pid=7)
    for length in (56, 0, 20, 56, 20, 0, 0):
        held.add(ring(schema, [whole[:length]]))
    found = list(batches(Decoder(schema), held.take()))
    assert [(batch.length, batch.records, times) for batch, times in found] == [
        *((56, 1, [2]), (0, 1, [3]), (20, 1, [2])),
    ]
    assert [decode(schema, batch)["pid"] for batch, _ in found] == [[7], [None], [7]]
    assert held.take() == Counter()


def test_the_last_arrival_counts_where_order_matters() -> None:
    schema = Exits().schema
    held = Held(Decoder(schema), ordered=True)
    one, two = Exits.record(pid=1), Exits.record(pid=2)
    held.add(ring(schema, [one, two, two, one]))
    assert list(held.take().items()) == [(two, 1), (one, 1)]


def test_empty_records_of_one_length_are_one_batch() -> None:
    schema = Exits().schema
    held = Held(Decoder(schema), ordered=False)
    batch = ring(schema, [b"", b""])
    held.add(batch._replace(parts=(batch.parts[0]._replace(raw=struct.pack("<4I", 0, 7, 0, 7)),)))
    ((found, times),) = batches(Decoder(schema), held.take())
    assert (found.records, found.length, times) == (1, 0, [2])
