import re

import pytest

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.correct import corrected
from beepy.btf.writer import BtfWriter

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,126}")


def test_types_that_are_right_stay_as_they_are() -> None:
    w = BtfWriter()
    number = w.integer("int", 4)
    w.struct("s", 8, [("a", number, 0), ("", w.union("", 4, [("b", number, 0)]), 32)])
    w.func("f", w.func_proto(number, [("a", number)]))
    w.enum("e", {"A": 1})
    btf = Btf(w.data())
    assert corrected(btf) is btf


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("Option<u8>", "Option_u8_"),
        ("&str", "_str"),
        ("3d", "_3d"),
        ("a.b", "a_b"),
        ("x" * 200, "x" * 127),
        ("9" + "x" * 200, "_9" + "x" * 125),
        ("grün", r"gr_xc3_xbcn"),
    ],
)
def test_names_of_all_kinds(name: str, right: str) -> None:
    w = BtfWriter()
    number = w.integer(name, 4)
    proto = w.func_proto(number, [(name, number)])
    made = {
        w.struct(name, 4, [(name, number, 0)]): types.Struct,
        w.union(name, 4, [(name, number, 0)]): types.Union,
        w.enum(name, {name: 1}): types.Enum,
        w.enum64(name, {name: 1}): types.Enum64,
        w.typedef(name, number): types.Typedef,
        w.func(name, proto): types.Func,
        w.var(name, number): types.Var,
    }
    after = corrected(Btf(w.data()))
    for type_id, kind in made.items():
        found = after.type(type_id)
        assert isinstance(found, kind)
        assert getattr(found, "name", "") == right
        inner = getattr(found, "members", ()) or getattr(found, "values", ())
        assert [one.name for one in inner] in ([], [right])
    after_proto = after.type(proto)
    assert isinstance(after_proto, types.FuncProto)
    assert [param.name for param in after_proto.params] == [right]
    assert NAME.fullmatch(right)


def test_an_int_has_one_encoding() -> None:
    w = BtfWriter()
    char, flag, signed = w.integer("char", 1, 3), w.integer("bool", 1, 6), w.integer("int", 4, 1)
    after = corrected(Btf(w.data()))
    assert after.type(char) == types.Int("char", 1, 8, 0, True, False, False)
    assert after.type(flag) == types.Int("bool", 1, 8, 0, False, False, True)
    assert after.type(signed) == types.Int("int", 4, 32, 0, True, False, False)


def test_members_are_put_in_order() -> None:
    w = BtfWriter()
    u8, u32 = w.integer("u8", 1, 0), w.integer("u32", 4, 0)
    made = w.struct("s", 8, [("late", u32, 32), ("bits", u8, 8, 3), ("0", u8, 0)])
    after = corrected(Btf(w.data())).type(made)
    assert isinstance(after, types.Struct)
    assert after.members == (
        types.Member("_0", u8, types.Bits(0), 0),
        types.Member("bits", u8, types.Bits(8), 3),
        types.Member("late", u32, types.Bits(32), 0),
    )
