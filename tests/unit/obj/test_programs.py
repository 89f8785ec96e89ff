"""--prog: which programs are loaded."""

import logging

import pytest

from beepy.btf.types import VOID
from beepy.errors import UsageError
from beepy.obj import programs
from beepy.obj.spec import CollectionSpec, MapRef, MapSpec, NotShown, ProgramSpec, Tracked
from beepy.uapi import MapType
from tests.support.told import message


def spec(name: str = "image", *maps: MapSpec, **sections: str) -> CollectionSpec:
    made = [
        ProgramSpec(each, section, (), (), (), (), (), ((each, 0),))
        for each, section in sections.items()
    ]
    return CollectionSpec(name, "GPL", tuple(made), maps, (), (), None)


def sections(specs: list[CollectionSpec]) -> list[dict[str, str]]:
    return [{one.name: one.section for one in each.programs} for each in specs]


def test_only_what_is_named() -> None:
    chosen = programs.only([spec(a="xdp", b="tc", c="xdp")], ["c", "a", "a"])
    assert sections(chosen) == [{"a": "xdp", "c": "xdp"}]


def test_what_its_section_leaves_out_is_loaded_when_named() -> None:
    assert sections(programs.only([spec(a="?xdp", b="tc")], ["a"])) == [{"a": "xdp"}]


def test_one_object_of_an_image_may_keep_none() -> None:
    assert sections(programs.only([spec(a="xdp"), spec(b="tc")], ["b"])) == [{}, {"b": "tc"}]


def test_an_image_that_keeps_none() -> None:
    with pytest.raises(
        UsageError, match=r"^programs: other: none of its programs is named: it has b, c$"
    ):
        programs.only([spec(a="xdp"), spec("other", b="tc", c="xdp")], ["a"])


def test_a_name_that_no_program_has() -> None:
    with pytest.raises(UsageError) as caught:
        programs.only([spec(drop="xdp", allow="xdp"), spec("other", drops="tc")], ["drp\x1b"])
    assert (
        message(caught.value)
        == r"--prog 'drp\x1b': no program has that name: expected allow, drop, drops"
    )
    assert caught.value.__notes__ == ["did you mean drop or drops?"]


def test_entries_of_other_programs_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    slots = ((0, "a"), (3, "b"))
    maps = (
        MapSpec("calls", ".maps", MapType.PROG_ARRAY, slots=slots),
        MapSpec("m", ".maps", MapType.HASH),
    )
    with caplog.at_level(logging.WARNING, "beepy"):
        (chosen,) = programs.only([spec("image", *maps, a="xdp", b="xdp")], ["a"])
    assert [one.slots for one in chosen.maps] == [((0, "a"),), ()]
    assert caplog.messages == [
        "map 'calls': entry 3: program 'b' is not loaded (--prog): tail calls to it do nothing"
    ]


def test_tables_of_the_others_are_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "beepy")
    names = ("outer", "inner", "mine", "shared", "theirs", "users")
    outer, *rest = [MapSpec(name, ".maps", MapType.HASH, 4, 8, 1) for name in names]
    outer = outer._replace(type=MapType.HASH_OF_MAPS, slots=((0, "inner"),))
    one = spec("image", outer, *rest, a="xdp", b="xdp")
    uses = {"a": ("outer", "mine", "shared"), "b": ("inner", "theirs", "shared", "hidden")}
    one = one._replace(
        programs=tuple([p._replace(refs=_refs(uses[p.name])) for p in one.programs]),
        tracked=tuple([Tracked(name, None, VOID) for name in names]),
        not_shown=(NotShown("theirs", None, "why"),),
    )
    (chosen,) = programs.only([one], ["a"])
    # nobody's map is filled by others
    assert [t.map for t in chosen.tracked] == ["outer", "inner", "mine", "shared", "users"]
    assert chosen.not_shown == ()
    assert caplog.messages == ["map 'theirs': not shown: no loaded program uses it (--prog)"]


def _refs(names: tuple[str, ...]) -> tuple[MapRef, ...]:
    return tuple([MapRef(0, name) for name in names])
