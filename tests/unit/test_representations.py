"""What a session at Python's prompt shows of a value fits a line, however large the value is."""

from beepy.btf.types import TypeId
from beepy.collection.collection import Collection
from beepy.events.batch import Batch, Part, Schema
from beepy.events.decoder import Decoder
from beepy.obj.spec import CollectionSpec
from beepy.oci.image import Image
from beepy.oci.lookup import bundled_store
from beepy.session import Run
from beepy.source import parse
from beepy.streams import Stream
from tests.support.events import Exits
from tests.support.given import Given

LONG = "registry.example.com/team/" + 20 * "project/"
IMAGE = bundled_store().get("exitsnoop")._replace(name=LONG)
SCHEMA = Exits().schema._replace(image=LONG, map=100 * "m")


def test_images_and_specs() -> None:
    spec = parse(IMAGE)
    image = repr(IMAGE._replace(name="exitsnoop"))
    assert image.startswith("Image('exitsnoop', 'bee', 'sha256:")
    assert image.endswith("', programs=1)")
    assert (
        repr(spec._replace(name="exitsnoop"))
        == "CollectionSpec('exitsnoop', programs=1, maps=2, variables=3)"
    )
    collection = Collection(spec._replace(name="exitsnoop"), {})
    assert repr(collection) == "Collection('exitsnoop', programs=0, maps=0, links=0)"


def test_what_carries_records() -> None:
    schema = Exits().schema
    assert repr(schema).startswith("Schema('image:1', 'print_exits', record=")
    assert (
        repr(schema._replace(record=TypeId(0), key=TypeId(3), value=TypeId(4)))
        == "Schema('image:1', 'print_exits', key=3, value=4)"
    )
    assert repr(Decoder(schema)) == "Decoder('print_exits', 8 fields, 56 bytes)"
    assert (
        repr(Batch(schema, (Part(bytes(1 << 20), 8, 0),), 7, 8, 0))
        == "Batch('print_exits', records=7, lost=None)"
    )
    many = [schema._replace(map=f"print_{number}") for number in range(20)]
    with Run(Given([], *many)) as run, Stream([]) as stream:
        assert repr(run) == "Run('print_0', 'print_1', 'print_2', 'print_3', ...)"
        assert repr(stream) == "Stream()"


def test_all_fit_a_line() -> None:
    spec = parse(IMAGE)
    made: list[Image | CollectionSpec | Collection | Schema | Decoder | Batch | Run] = [
        *(IMAGE, spec, Collection(spec, {}), SCHEMA, Decoder(SCHEMA), Batch(SCHEMA, (), 1, 56, 0)),
        Run(Given([], *[SCHEMA._replace(map=f"{number}{SCHEMA.map}") for number in range(9)])),
    ]
    assert [one for one in map(repr, made) if len(one) > 120 or "\n" in one] == []
