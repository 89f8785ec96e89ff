import struct
from collections import Counter

from beepy.events.decoder import Decoder
from beepy.outputs.pending import PendingRecords, to_batches
from tests.support.events import Exits, decode, ring


def test_records_of_any_length_come_back_as_batches() -> None:
    schema = Exits().schema
    pending = PendingRecords(Decoder(schema), ordered=False)
    whole = Exits.record(pid=7)
    for length in (56, 0, 20, 56, 20, 0, 0):
        pending.add(ring(schema, [whole[:length]]))
    batches = list(to_batches(Decoder(schema), pending.take()))
    assert [(batch.length, batch.records, times) for batch, times in batches] == [
        *((56, 1, [2]), (0, 1, [3]), (20, 1, [2])),
    ]
    assert [decode(schema, batch)["pid"] for batch, _ in batches] == [[7], [None], [7]]
    assert pending.take() == Counter()


def test_the_last_arrival_counts_where_order_matters() -> None:
    schema = Exits().schema
    pending = PendingRecords(Decoder(schema), ordered=True)
    first, second = Exits.record(pid=1), Exits.record(pid=2)
    pending.add(ring(schema, [first, second, second, first]))
    assert list(pending.take().items()) == [(second, 1), (first, 1)]


def test_empty_records_of_one_length_are_one_batch() -> None:
    schema = Exits().schema
    pending = PendingRecords(Decoder(schema), ordered=False)
    batch = ring(schema, [b"", b""])
    pending.add(
        batch._replace(parts=(batch.parts[0]._replace(raw=struct.pack("<4I", 0, 7, 0, 7)),))
    )
    ((batch, times),) = to_batches(Decoder(schema), pending.take())
    assert (batch.records, batch.length, times) == (1, 0, [2])
