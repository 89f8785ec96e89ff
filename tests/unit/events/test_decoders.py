from beepy.btf.btf import Btf
from beepy.btf.writer import BtfWriter
from beepy.errors import BtfError
from beepy.events.batch import Schema
from beepy.events.decoders import Decoders
from tests.support.refusal import refused


def test_records_of_the_same_types_share_a_decoder() -> None:
    w = BtfWriter()
    number = w.integer()
    pair = w.struct("pair", 8, [("a", number, 0), ("b", number, 32)])
    btf, decoders = Btf(w.data()), Decoders()
    first = decoders.of(Schema("image", "one", None, btf, pair))
    assert decoders.of(Schema("image", "two", None, btf, pair)) is first
    assert (
        decoders.of(Schema("image", "two", None, btf, pair, metric="two", metric_value="le"))
        is first
    )
    assert decoders.of(Schema("image", "one", None, btf, number)) is not first


def test_all_decoders_have_one_budget() -> None:
    w = BtfWriter()
    number = w.integer()
    large = w.struct("large", 16_000, [(f"m{at}", number, 32 * at) for at in range(4000)])
    aliases = [w.typedef(f"t{at}", large) for at in range(9)]
    btf, decoders = Btf(w.data()), Decoders()
    for alias in aliases[:8]:
        decoders.of(Schema("image", "map", None, btf, alias))
    for _ in range(2):
        with refused(BtfError, "the records of all maps have more than 32768 members together"):
            decoders.of(Schema("image", "map", None, btf, aliases[8]))
    decoders.of(Schema("image", "map", None, btf, aliases[0]))
