import pytest

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.downgrade import FEATURES, downgraded, sample, used
from beepy.btf.types import TypeId
from beepy.btf.writer import BtfWriter
from beepy.features import Feature


@pytest.mark.parametrize("feature", FEATURES)
def test_a_sample_makes_use_of_its_feature(feature: Feature) -> None:
    implied = {
        Feature.GLOBAL_FUNC: {Feature.FUNC},
        Feature.QMARK_DATASEC: {Feature.DATASEC},
        Feature.DECL_TAG: {Feature.DATASEC},  # it stands on a variable
    }.get(feature, set())
    assert used(Btf(sample(feature))) == {feature} | implied


@pytest.mark.parametrize("feature", FEATURES)
def test_what_is_refused_is_used_no_more(feature: Feature) -> None:
    before = Btf(sample(feature))
    after = downgraded(before, {feature})
    assert feature not in used(after)
    # One more: a placeholder for the values of 64-bit enums.
    assert len(after) in {len(before), len(before) + 1}


def test_with_nothing_refused_nothing_changes() -> None:
    before = Btf(sample(Feature.ENUM64))
    assert downgraded(before, ()).data == before.data


def test_a_section_becomes_a_struct_of_its_variables() -> None:
    writer = BtfWriter()
    number = writer.integer("int", 4)
    first, second = writer.var("a", number), writer.var("b", number, 0)
    section = writer.datasec(".data.x", 12, [(first, 0, 4), (second, 8, 4)])
    after = downgraded(Btf(writer.data()), {Feature.DATASEC})
    found = after.type(section)
    assert isinstance(found, types.Struct)
    assert (found.name, found.size) == ("_data_x", 12)
    assert [(one.name, one.type, one.offset) for one in found.members] == [
        ("a", first, 0),
        ("b", second, 64),
    ]
    assert after.type(first) == types.Int("a", 1, 8, 0, False, False, False)


def test_a_section_of_no_variables_becomes_a_struct_of_no_members() -> None:
    writer = BtfWriter()
    section = writer.datasec(".rodata", 53, [])
    after = downgraded(Btf(writer.data()), {Feature.EMPTY_DATASEC})
    assert after.type(section) == types.Struct("_rodata", 53, ())


def test_only_odd_names_of_sections_change_where_sections_are_known() -> None:
    writer = BtfWriter()
    number = writer.integer("int", 4)
    variable = writer.var("a", number)
    odd, plain = (
        writer.datasec("?.ops", 4, [(variable, 0, 4)]),
        writer.datasec(".ops", 4, [(variable, 0, 4)]),
    )
    after = downgraded(Btf(writer.data()), {Feature.QMARK_DATASEC})
    assert [getattr(after.type(one), "name", "") for one in (odd, plain)] == ["_.ops", ".ops"]
    assert isinstance(after.type(odd), types.DataSec)


def test_functions_become_static_or_names_of_enums() -> None:
    writer = BtfWriter()
    number = writer.integer("int", 4)
    proto = writer.func_proto(number, [("a", number), ("b", number)])
    function, static = writer.func("f", proto), writer.func("g", proto, 0)
    btf = Btf(writer.data())
    after = downgraded(btf, {Feature.GLOBAL_FUNC})
    assert after.type(function) == types.Func("f", proto, 0)
    assert after.type(static) == btf.type(static)
    after = downgraded(btf, {Feature.GLOBAL_FUNC, Feature.FUNC})
    assert after.type(function) == types.Typedef("f", proto)
    found = after.type(proto)
    assert isinstance(found, types.Enum)
    assert [one.name for one in found.values] == ["a", "b"]


def test_numbers_and_tags_become_what_has_their_size_or_none() -> None:
    writer = BtfWriter()
    real = writer.real("double", 8)
    tag = writer.type_tag("user", real)
    pointer = writer.ptr(tag)
    holder = writer.struct("s", 8, [("p", pointer, 0)])
    note = writer.decl_tag("x=1", holder)
    after = downgraded(Btf(writer.data()), set(FEATURES))
    assert after.type(real) == types.Struct("", 8, ())
    assert after.type(tag) == types.Const(real)
    assert after.type(holder) == Btf(writer.data()).type(holder)
    assert after.type(note) == types.Int("x=1", 1, 8, 0, False, False, False)


def test_wide_enums_become_unions_of_their_names() -> None:
    writer = BtfWriter()
    wide = writer.enum64("wide", {"low": 1, "high": 1 << 40})
    signed = writer.enum("signed", {"minus": -1}, signed=True)
    after = downgraded(Btf(writer.data()), {Feature.ENUM64})
    found = after.type(wide)
    assert isinstance(found, types.Union)
    placeholder = TypeId(signed + 1)
    assert (found.name, found.size) == ("wide", 8)
    assert [(one.name, one.type, one.offset) for one in found.members] == [
        ("low", placeholder, 0),
        ("high", placeholder, 0),
    ]
    assert after.type(placeholder) == types.Int("enum64_placeholder", 1, 8, 0, False, False, False)
    narrow = after.type(signed)
    assert isinstance(narrow, types.Enum)
    assert not narrow.signed
