from collections.abc import Callable

import pytest

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import (
    MAX_NESTED,
    align_of,
    named_members,
    size_of,
    skip_mods,
    skip_mods_and_typedefs,
    typedef_names,
)
from beepy.btf.types import TypeId
from beepy.btf.writer import BtfWriter
from beepy.errors import BtfError
from tests.support.refusal import refused


@pytest.fixture
def w() -> BtfWriter:
    writer = BtfWriter()
    writer.integer("int")
    return writer


INT = 1


def btf(writer: BtfWriter) -> Btf:
    return Btf(writer.data(), name="object")


def test_modifiers_are_stripped_but_no_typedef(w: BtfWriter) -> None:
    typedef = w.typedef("t", INT)
    wrapped = w.const(w.volatile(w.restrict(w.type_tag("user", typedef))))
    assert skip_mods(btf(w), wrapped) == typedef
    assert skip_mods_and_typedefs(btf(w), wrapped) == (
        INT,
        types.Int("int", 4, 32, 0, True, False, False),
    )


def test_sizes(w: BtfWriter) -> None:
    sizes = {
        INT: 4,
        w.ptr(0): 8,
        w.array(w.array(INT, 3), 5): 60,
        w.array(INT, 0): 0,
        w.struct("s", 24): 24,
        w.union("u", 16): 16,
        w.enum("e", {}, 1): 1,
        w.enum64("f", {}): 8,
        w.real("double", 8): 8,
        w.typedef("t", INT): 4,
        w.const(INT): 4,
        w.var("v", INT): 4,
        w.decl_tag("d", INT): 4,
        w.datasec(".data", 100): 100,
    }
    found = btf(w)
    assert {type_id: size_of(found, TypeId(type_id)) for type_id in sizes} == sizes


def test_what_has_no_size(w: BtfWriter) -> None:
    ids = {0: "void", w.fwd("s"): "fwd", w.func_proto(0): "funcproto", w.func("f", 3): "func"}
    for type_id, what in ids.items():
        with refused(BtfError, f"object: type {type_id}: {what} has no size"):
            size_of(btf(w), TypeId(type_id))


def test_alignments(w: BtfWriter) -> None:
    aligns = {
        INT: 4,
        w.integer("u128", 16): 8,
        w.array(w.integer("u16", 2), 9): 2,
        w.ptr(0): 8,
        w.enum("e", {}): 4,
        w.enum64("f", {}): 8,
        w.real("double", 8): 8,
        w.struct("s", 24): 1,
        w.integer("none", 0): 1,
    }
    found = btf(w)
    assert {type_id: align_of(found, TypeId(type_id)) for type_id in aligns} == aligns


def test_too_large(w: BtfWriter) -> None:
    array = w.array(w.array(INT, 1 << 31), 1 << 31)
    with refused(BtfError, f"object: type 1: size {1 << 64} exceeds {1 << 31}"):
        size_of(btf(w), array)


@pytest.mark.parametrize("walk", [skip_mods, skip_mods_and_typedefs, size_of, align_of])
def test_modifiers_without_end(w: BtfWriter, walk: Callable[[Btf, TypeId], object]) -> None:
    own = w.const(2)
    with refused(BtfError, "object: type 2: modifiers nested deeper than 32"):
        walk(btf(w), own)


@pytest.mark.parametrize("walk", [size_of, align_of])
def test_arrays_without_end(w: BtfWriter, walk: Callable[[Btf, TypeId], object]) -> None:
    own = w.array(2, 1)
    with refused(BtfError, "object: type 2: arrays nested deeper than 32"):
        walk(btf(w), own)


def test_names_of_typedefs(w: BtfWriter) -> None:
    inner = w.typedef("inner", w.volatile(INT))
    outer = w.const(w.typedef("outer", w.type_tag("user", inner)))
    pointer = w.const(w.ptr(inner))
    assert list(typedef_names(btf(w), outer)) == ["outer", "inner"]
    assert list(typedef_names(btf(w), pointer)) == []
    loop = w.typedef("loop", w.next_id)
    assert set(typedef_names(btf(w), loop)) == {"loop"}


def test_named_members_inline_anonymous_ones(w: BtfWriter) -> None:
    inner = w.union("", 4, [("b", INT, 0), ("c", INT, 3, 5)])
    middle = w.struct("", 8, [("", INT, 0), ("", w.const(inner), 32)])
    outer = w.typedef(
        "t", w.struct("s", 16, [("a", INT, 0), ("", middle, 64), ("", inner, 32), ("d", INT, 32)])
    )
    hits = [
        (hit.member.name, hit.owner, hit.number, hit.offset, hit.steps)
        for hit in named_members(btf(w), outer)
    ]
    assert hits == [
        ("a", outer - 1, 0, 0, 1),
        ("b", inner, 0, 96, 3),
        ("c", inner, 1, 99, 3),
        ("d", outer - 1, 3, 32, 1),
    ]
    assert list(named_members(btf(w), TypeId(INT))) == []


def test_members_in_members_are_bounded(w: BtfWriter) -> None:
    itself = w.struct("s", 4, [("", w.next_id, 0), ("a", INT, 0)])
    assert [hit.member.name for hit in named_members(btf(w), itself)] == ["a"]
    last = w.struct("", 4, [("a", INT, 0)])
    for _ in range(MAX_NESTED):
        last = w.struct("", 4, [("", last, 0)])
    with refused(BtfError, f"object: type 3: nested deeper than {MAX_NESTED}"):
        list(named_members(btf(w), last))
