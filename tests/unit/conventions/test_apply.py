from collections.abc import Iterator

import pytest

from beepy import conventions
from beepy.btf.types import TypeId
from beepy.btf.writer import BtfWriter
from beepy.conventions import Convention, Hints
from beepy.errors import BtfError
from beepy.obj.spec import CollectionSpec, MapSpec, NotShown, Parameter, Role, Tracked
from beepy.oci import formats
from beepy.uapi import MapType
from tests.support.refusal import refused
from tests.support.specs import spec


def types() -> tuple[BtfWriter, TypeId, TypeId, TypeId]:
    w = BtfWriter()
    u32, u64 = w.integer("u32", 4, 0), w.integer("u64", 8, 0)
    return w, u32, u64, w.struct("event", 8, [("pid", u32, 0), ("tid", u32, 32)])


@pytest.mark.parametrize(
    ("image_format", "shown"), [("bee", True), ("elf", True), ("other", False)]
)
def test_the_format_has_a_convention(image_format: str, *, shown: bool) -> None:
    w, _, _, event = types()
    ring = MapSpec("print_exits", ".maps", MapType.RINGBUF, value=event)
    assert bool(conventions.apply(spec(ring, writer=w), image_format).tracked) == shown


def test_a_convention_sees_hints_and_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """As formats have it that name the record's type, or that name maps in YAML."""

    def named(given: CollectionSpec, hints: Hints) -> Iterator[Tracked | NotShown]:
        assert given.btf
        for line in hints["names"].decode().splitlines():
            map_name, struct = line.split()
            ids = list(given.btf.named(struct))
            yield (
                Tracked(map_name, None, ids[0])
                if ids
                else NotShown(map_name, None, f"no struct {struct}")
            )

    monkeypatch.setitem(conventions.TABLE, "named", lambda: Convention("named", named))
    w, _, _, event = types()
    rings = [MapSpec(name, ".maps", MapType.RINGBUF) for name in ("a", "b", "c")]
    shown = conventions.apply(spec(*rings, writer=w), "named", {"names": b"a event\nb other"})
    assert shown.tracked == (Tracked("a", None, event),)
    assert shown.not_shown == (NotShown("b", None, "no struct other"),)


def test_a_convention_adapts_the_object_before_it_looks_at_maps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def sized(given: CollectionSpec, hints: Hints) -> CollectionSpec:
        maps = tuple([m._replace(max_entries=int(hints["size"])) for m in given.maps])
        return given._replace(maps=maps, parameters=(Parameter("pid", "target"),))

    def all_rings(given: CollectionSpec, _hints: Hints) -> Iterator[Tracked]:
        assert [m.max_entries for m in given.maps] == [4096]
        return (Tracked(m.name, None, m.value) for m in given.maps)

    monkeypatch.setitem(
        conventions.TABLE, "sized", lambda: Convention("sized", all_rings, adapt=sized)
    )
    w, _, _, event = types()
    ring = MapSpec("a", ".maps", MapType.RINGBUF, value=event)
    shown = conventions.apply(spec(ring, writer=w), "sized", {"size": b"4096"})
    assert (shown.convention, shown.maps[0].max_entries) == ("sized", 4096)
    assert [tracked.map for tracked in shown.tracked] == ["a"]
    assert shown.parameters == (Parameter("pid", "target"),)


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (
            "no record",
            "the type of its records is unknown: declare it with __type(value, struct event)",
        ),
        ("no key", "the type of its keys is unknown: declare it with __type(key, ...)"),
        ("no value", "the type of its values is unknown: declare it with __type(value, ...)"),
        (
            "legacy",
            'a legacy definition has no types: define it in SEC(".maps") with __type(value, ...)',
        ),
        ("queue", "nothing reads QUEUE yet"),
        ("size", "the value's type has 8 bytes: the map has 4"),
        ("malformed", "object: struct s: member 'a': ends at bit 96 of 64"),
        ("no types", "the object has no type information: compile it with clang -g"),
    ],
)
def test_why_a_map_is_not_shown(case: str, why: str) -> None:
    w, u32, u64, event = types()
    match case:
        case "no record":
            bad = MapSpec("print_bad\x1b", ".maps", MapType.RINGBUF)
        case "no key":
            bad = MapSpec("print_bad\x1b", ".maps", MapType.HASH, 4, 8, 1, value=u64)
        case "no value":
            bad = MapSpec("print_bad\x1b", ".maps", MapType.HASH, 4, 8, 1, key=u32)
        case "legacy":
            bad = MapSpec("print_bad\x1b", "maps", MapType.HASH, 4, 8, 1)
        case "queue":
            bad = MapSpec("print_bad\x1b", ".maps", MapType.QUEUE, 0, 8, 4, value=u64)
        case "size":
            bad = MapSpec("print_bad\x1b", ".maps", MapType.HASH, 4, 4, 1, key=u32, value=u64)
        case "malformed":
            bad = MapSpec(
                "print_bad\x1b", ".maps", MapType.RINGBUF, value=w.struct("s", 8, [("a", u64, 32)])
            )
        case _:
            bad = MapSpec("print_bad\x1b", ".maps", MapType.RINGBUF, value=event)
    good = MapSpec("print_good", ".maps", MapType.RINGBUF, value=event)
    shown = conventions.apply(spec(bad, good, writer=None if case == "no types" else w), "bee")
    assert [tracked.map for tracked in shown.tracked] == (
        [] if case == "no types" else ["print_good"]
    )
    assert shown.not_shown[0] == NotShown("print_bad\x1b", Role.PRINT, why)


def test_records_with_too_many_members_together() -> None:
    """Maps of the same large struct, each by a name of its own for it."""
    w, u32, *_ = types()
    large = w.struct("large", 16_000, [(f"m{number}", u32, 32 * number) for number in range(4000)])
    rings = [
        MapSpec(
            f"print_{number}",
            ".maps",
            MapType.RINGBUF,
            max_entries=4096,
            value=w.typedef(f"t{number}", large),
        )
        for number in range(9)
    ]
    assert len(conventions.apply(spec(*rings[:8], writer=w), "bee").tracked) == 8
    with refused(
        BtfError, "exitsnoop:1: the records of all maps have more than 32768 members together"
    ):
        conventions.apply(spec(*rings, writer=w), "bee")


def test_every_image_format_has_a_convention() -> None:
    assert {*formats.TABLE, *formats.FILES, "elf"} == set(conventions.TABLE)
