from collections.abc import Callable

import pytest

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import align_of, size_of, skip_mods, skip_mods_and_typedefs
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
    assert skip_mods_and_typedefs(btf(w), wrapped) == (INT, types.Int("int", 4, 32, 0, True, False, False))


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
