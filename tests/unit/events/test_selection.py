"""Which map and field ``-f``, ``-b`` and ``-k`` mean, and the errors if none or several fit."""

from collections.abc import Sequence

import pytest

from beepy.btf.types import TypeId
from beepy.btf.writer import BtfWriter, Member
from beepy.errors import UsageError
from beepy.events.batch import Schema
from beepy.events.decoder import Decoder
from beepy.events.filter import Filter
from beepy.events.selection import Option, maps_named, maps_of_role
from beepy.obj.spec import Role
from tests.support.events import stream, table
from tests.support.told import notes


def events(
    name: str, *members: str, role: Role | None = Role.PRINT, image: str = "image:1"
) -> Schema:
    """A stream of structs of u32 members; the name says the role where none is given."""
    writer = BtfWriter()
    u32 = writer.integer("unsigned int", 4, 0)
    found: list[Member] = [(member, u32, 32 * at) for at, member in enumerate(members)]
    return stream(writer, writer.struct("event", 4 * len(members), found), name)._replace(
        role=role, image=image
    )


def counts(name: str, role: Role) -> Schema:
    writer = BtfWriter()
    u32: TypeId = writer.integer("unsigned int", 4, 0)
    return table(writer, u32, u32, 4, 4, name=name)._replace(role=role)


EXITS = events("print_exits", "pid", "comm")
COUNTED = events("counter_exits", "pid", "code", role=Role.COUNTER)
OLD = events("exits", "pid", "comm", role=Role.PRINT)
OPENS = events("print_opens", "pid", "fname")
LAT = events("hist_lat", "us", "op", role=Role.HIST)
SIZE = events("hist_size", "bytes", "op", role=Role.HIST)
LOAD = events("gauge_load", "value", role=Role.GAUGE)
TABLE = counts("hist_table", Role.HIST)


def option(text: str) -> Option:
    return Option("filter", "-f", text)


def maps(schemas: Sequence[Schema]) -> list[str]:
    return [schema.map for schema in schemas]


def refused(error: pytest.ExceptionInfo[UsageError]) -> tuple[str, list[str]]:
    """The message, one printable line, and its notes."""
    assert str(error.value).isprintable()
    return str(error.value), notes(error.value)


def decoders(*schemas: Schema) -> list[Decoder]:
    return [Decoder(schema) for schema in schemas]


def names(found: Sequence[Decoder]) -> list[str]:
    return [decoder.schema.map for decoder in found]


@pytest.mark.parametrize(
    ("name", "schemas", "found"),
    [
        ("print_exits", [EXITS, COUNTED], ["print_exits"]),
        ("exits", [EXITS, OPENS], ["print_exits"]),
        ("exits", [EXITS, OLD], ["exits"]),  # a full name comes first
        (
            "print_exits",
            [OLD, OPENS],
            ["exits"],
        ),  # what is written for one convention works with the other
        ("counter_exits", [OLD, OPENS], []),
        ("exits", [OPENS], []),
        ("exits", [EXITS._replace(role=None)], []),
        ("exits", [EXITS, EXITS._replace(image="b:1")], ["print_exits"] * 2),
    ],
)
def test_maps_are_found_by_full_and_short_names(
    name: str, schemas: list[Schema], found: list[str]
) -> None:
    assert names(maps_named(option(name), name, "", decoders(*schemas))) == found


@pytest.mark.parametrize(
    ("text", "schemas", "tested"),
    [
        ("comm,x", [EXITS, OPENS], ["print_exits"]),
        ("comm,x", [EXITS, EXITS._replace(image="b:1"), OPENS], ["print_exits"] * 2),
        ("exits,comm,x", [EXITS, OPENS], ["print_exits"]),
        (
            "pid,comm,x",
            [events("pid", "comm"), EXITS],
            ["pid"],
        ),  # a map wins over a field of its name
        ("pid,comm,x", [events("print_pid", "comm"), EXITS], ["print_pid"]),
        ("comm,print_exits,comm,x", [EXITS], ["print_exits"]),  # all that follows is the regex
    ],
)
def test_a_filter_with_or_without_its_map(
    text: str, schemas: list[Schema], tested: list[str]
) -> None:
    assert maps(list(Filter([text], [Decoder(schema) for schema in schemas])._by_map)) == tested


@pytest.mark.parametrize(
    ("text", "schemas", "why", "notes"),
    [
        (
            "exits,pid,x y",
            [EXITS, COUNTED],
            "several maps are called 'exits': print_exits, counter_exits",
            ["-f 'print_exits,pid,x y'", "-f 'counter_exits,pid,x y'"],
        ),
        (
            "pid,^1$",
            [EXITS, OPENS],
            "several maps have a field 'pid': print_exits, print_opens",
            ["-f 'print_exits,pid,^1$'", "-f 'print_opens,pid,^1$'"],
        ),
        (
            "exit,comm,bash",
            [EXITS],
            "no map or field 'exit': the map is print_exits, and its fields are pid, comm",
            ["-f print_exits,comm,bash"],
        ),
        (
            "exit,pid,1",
            [OPENS, EXITS],
            "no map or field 'exit': the maps are print_opens, print_exits",
            ["-f print_exits,pid,1"],
        ),
        (
            "nothing,fname,bash",
            [OPENS, EXITS],
            "no map or field 'nothing': the maps are print_opens, print_exits",
            ["-f print_opens,fname,bash"],
        ),
        (
            "com,b",
            [OPENS, EXITS],
            "no map or field 'com': the maps are print_opens, print_exits",
            ["-f comm,b"],
        ),
        (
            "zzzz,b",
            [OPENS, EXITS],
            "no map or field 'zzzz': the maps are print_opens, print_exits",
            [],
        ),
        ("exits,b", [EXITS], "'exits' is a map: expected map,field,regex", []),
        (
            "pid,1",
            [events("pid", "a"), EXITS],
            "'pid' is a map: expected map,field,regex",
            ["-f print_exits,pid,1"],
        ),
        (
            "exits,com,b",
            [EXITS],
            "no field 'com' in print_exits: its fields are pid, comm",
            ["-f print_exits,comm,b"],
        ),
        ("comm,b", [], "no map or field 'comm': no map is shown", []),
        (
            "x\x1b,b",
            [EXITS],
            r"no map or field 'x\x1b': the map is print_exits, and its fields are pid, comm",
            [],
        ),
    ],
)
def test_the_error_for_names_that_are_not_found_or_ambiguous(
    text: str, schemas: list[Schema], why: str, notes: list[str]
) -> None:
    with pytest.raises(UsageError) as caught:
        Filter([text], [Decoder(schema) for schema in schemas])
    message, advice = refused(caught)
    assert message.partition("': ")[2] == why
    assert advice == notes


@pytest.mark.parametrize("text", ["comm,bash", "print_exits,comm,bash"])
def test_all_maps_of_a_given_name_must_have_the_field(text: str) -> None:
    """Without the name those that have it are meant."""
    schemas = [EXITS, events("print_exits", "pid", image="b:1")]
    if text == "comm,bash":
        assert list(Filter([text], [Decoder(schema) for schema in schemas])._by_map) == schemas[:1]
        return
    with pytest.raises(UsageError, match="no field 'comm' in print_exits: its fields are pid"):
        Filter([text], [Decoder(schema) for schema in schemas])


def test_long_lists_of_names_are_cut() -> None:
    many = events("print_many", *[f"f{number}" for number in range(40)])
    with pytest.raises(UsageError, match=r"its fields are f0, .*, f11 and 28 more$"):
        Filter(["x,y"], [Decoder(many)])
    with pytest.raises(UsageError):
        Filter(["x" * 100_000 + ",y"], [Decoder(many)])
    with pytest.raises(UsageError) as caught:
        Filter(["pid,1"], decoders(*[events(f"print_{number}", "pid") for number in range(40)]))
    assert len(refused(caught)[1]) == 5


@pytest.mark.parametrize(
    ("name", "schemas", "found"),
    [
        ("", [EXITS, LAT, TABLE], ["hist_lat"]),
        ("", [LAT, LAT._replace(image="b:1")], ["hist_lat"] * 2),
        ("lat", [LAT, SIZE], ["hist_lat"]),
        ("hist_lat", [LAT, SIZE], ["hist_lat"]),
        (
            "lat",
            [LAT, events("print_lat", "us"), events("lat", "us")],
            ["hist_lat"],
        ),  # the others are no histograms
    ],
)
def test_maps_are_found_by_their_role(name: str, schemas: list[Schema], found: list[str]) -> None:
    assert (
        names(maps_of_role(option(name), name, "[1]", decoders(*schemas), roles=(Role.HIST,)))
        == found
    )


@pytest.mark.parametrize(
    ("name", "schemas", "why", "notes"),
    [
        (
            "",
            [LAT, SIZE],
            "several maps are histograms: hist_lat, hist_size",
            ["-f 'hist_lat,[1]'", "-f 'hist_size,[1]'"],
        ),
        ("", [EXITS], "no map is a histogram of a stream of events: the map is print_exits", []),
        ("", [TABLE], "no map is a histogram of a stream of events: the map is hist_table", []),
        ("", [], "no map is a histogram of a stream of events: no map is shown", []),
        (
            "exits",
            [EXITS, LAT],
            "map 'print_exits' is not a histogram of a stream of events",
            ["-f 'hist_lat,[1]'"],
        ),
        ("hist_table", [TABLE], "map 'hist_table' is not a histogram of a stream of events", []),
        (
            "la",
            [LAT, EXITS],
            "no map 'la': the maps are hist_lat, print_exits",
            ["-f 'hist_lat,[1]'"],
        ),
    ],
)
def test_the_error_if_no_map_or_several_have_the_role(
    name: str, schemas: list[Schema], why: str, notes: list[str]
) -> None:
    with pytest.raises(UsageError) as caught:
        maps_of_role(option(name), name, "[1]", decoders(*schemas), roles=(Role.HIST,))
    message, advice = refused(caught)
    assert message == f"filter '{name}': {why}"
    assert advice == notes


def test_of_several_maps_the_one_with_the_field_is_chosen() -> None:
    def chosen(field: str) -> list[str]:
        return names(
            maps_of_role(
                option(field), "", field, decoders(LAT, SIZE), roles=(Role.HIST,), field=field
            )
        )

    assert chosen("us") == ["hist_lat"]
    for field in ("op", "nothing"):
        with pytest.raises(UsageError, match="several maps are histograms: hist_lat, hist_size"):
            chosen(field)


def test_maps_of_several_roles() -> None:
    assert names(
        maps_of_role(option(""), "", "us", decoders(EXITS, LOAD), roles=(Role.HIST, Role.GAUGE))
    ) == ["gauge_load"]
    with pytest.raises(UsageError, match="no map is a histogram or gauge of a stream"):
        maps_of_role(option(""), "", "us", decoders(EXITS), roles=(Role.HIST, Role.GAUGE))
