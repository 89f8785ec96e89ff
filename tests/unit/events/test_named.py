import pytest

from beepy.btf.writer import BtfWriter
from beepy.errors import UsageError
from beepy.events import named
from beepy.events.decoder import Decoder
from beepy.events.selection import Option
from beepy.obj.spec import Role
from tests.support.events import Exits, stream, with_role

EXITS = Decoder(with_role(Exits().schema, Role.PRINT))
OTHER = Decoder(Exits("print_other").schema)

NAMES = [field.name for field in EXITS.fields]


def nested() -> Decoder:
    w = BtfWriter()
    u32, u16 = w.integer("u32", 4, 0), w.integer("u16", 2, 0)
    peer = w.struct("peer", 8, [("addr", u32, 0), ("port", u16, 32)])
    return Decoder(stream(w, w.struct("event", 12, [("pid", u32, 0), ("peer", peer, 32)]), "conns"))


def meant(text: str, *decoders: Decoder, signs: str = "") -> list[tuple[str, list[str]]]:
    option = Option("fields", "--fields", text)
    words = named.split(option, signs=signs)
    return [
        (decoder.schema.map, [field.name for group in groups for field in group])
        for decoder, groups in named.fields_of_maps(option, words, decoders)
    ]


def test_the_map_that_has_the_fields_is_meant() -> None:
    conns = nested()
    assert meant("comm, pid", EXITS, conns) == [("print_exits", ["comm", "pid"])]
    assert meant("peer.port,pid", EXITS, conns) == [("conns", ["peer.port", "pid"])]
    assert meant("-comm", EXITS, signs="-") == [("print_exits", ["comm"])]


@pytest.mark.parametrize("text", ["print_exits:pid", "exits:pid", "image:1.print_exits:pid"])
def test_a_map_is_named_in_full_or_short_or_with_its_image(text: str) -> None:
    assert meant(text, EXITS, OTHER) == [("print_exits", ["pid"])]


def test_the_name_of_a_struct_means_its_members() -> None:
    assert meant("peer", nested()) == [("conns", ["peer.addr", "peer.port"])]
    assert meant("peer_port", nested()) == [("conns", ["peer.port"])]  # as bee calls it


def test_maps_of_one_name_are_meant_together() -> None:
    twin = Decoder(EXITS.schema._replace(image="other"))
    assert [name for name, _ in meant("pid", EXITS, twin)] == ["print_exits", "print_exits"]


DERIVED = "; derived: age, exe, argv, cgroup, container, pod, namespace, unit"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected FIELD,FIELD or MAP:FIELD,FIELD"),
        ("pid,", "expected FIELD,FIELD or MAP:FIELD,FIELD"),
        (":pid", "expected FIELD,FIELD or MAP:FIELD,FIELD"),
        ("-", "expected FIELD,FIELD or MAP:FIELD,FIELD"),
        (",".join(["pid"] * 257), "257 names exceed 256"),
        ("exits:com", "no field 'com' in print_exits: did you mean comm?"),
        (
            "print_exits:zzz\x1b",
            r"no field 'zzz\x1b' in print_exits: its fields are " + ", ".join(NAMES) + DERIVED,
        ),
        ("x:pid", "no map 'x': there are print_exits, print_other"),
        ("pid", "several maps have these fields: print_exits, print_other"),
    ],
)
def test_what_means_nothing_is_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError) as error:
        meant(text, EXITS, OTHER, signs="-")
    message = str(error.value)
    assert message.endswith(f": {why}")
    assert message.isprintable()


def test_an_ambiguous_name_is_advised_upon() -> None:
    with pytest.raises(UsageError) as error:
        meant("pid", EXITS, OTHER)
    assert [getattr(note, "typed", note) for note in error.value.__notes__] == [
        "--fields print_exits:pid",
        "--fields print_other:pid",
    ]


def test_no_map_is_shown() -> None:
    with pytest.raises(UsageError, match="no map is shown"):
        meant("pid")
