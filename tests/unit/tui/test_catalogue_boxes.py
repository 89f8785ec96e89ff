"""The boxes that are made from BTF: one for each kind of variable, with its check."""

import pytest

from beepy.analysis.describe import describe
from beepy.obj.spec import CollectionSpec, MapSpec, Parameter, VariableSpec
from beepy.oci.lookup import bundled_store
from beepy.source import parse_all
from beepy.tui import catalogue_boxes
from beepy.tui.catalogue_items import Box, Kind
from beepy.uapi import MapType
from tests.support.variables import Variables


def boxes(spec: CollectionSpec) -> dict[str, Box]:
    described = describe(bundled_store().get("exitsnoop"), spec)
    options, others = catalogue_boxes.of_image([spec], [described])
    return {box.title: box for box in [*options, *others]}


@pytest.fixture(scope="module")
def each() -> dict[str, Box]:
    return boxes(with_fixed(Variables()))


def with_fixed(variables: Variables) -> CollectionSpec:
    """Return the object with variables that are fixed at load, in .rodata."""
    writer = variables.writer
    colour = writer.enum("colour", {"RED": 0, "GREEN": 5, "BLUE": 8})
    char = writer.integer("char", 1, 1)
    loop = writer.struct("loop", 4, [("other", variables.u32, 0)])
    point = writer.struct("point", 4, [("x", variables.u32, 0)])
    fixed = {
        "fixed": (colour, 4, 5),
        "fixed_name": (writer.array(writer.const(writer.volatile(char)), 4), 4, 0),
        "fixed_pointer": (writer.ptr(variables.u32), 8, 0),
        "fixed_loop": (writer.const(writer.volatile(loop)), 4, 0),
        "fixed_points": (writer.array(point, 2), 8, 0),
    }
    contents = b""
    for name, (type_id, size, value) in fixed.items():
        place = (".rodata", type_id, len(contents), size)
        variables.variables.append(VariableSpec(name, *place, const=True))
        contents += value.to_bytes(size, "little")
    spec = variables.spec()
    rodata = MapSpec(".rodata", ".rodata", MapType.ARRAY, 4, len(contents), 1, contents=contents)
    return spec._replace(maps=(*spec.maps, rodata))


@pytest.mark.parametrize(
    ("name", "kind", "type_name", "default"),
    [
        ("small", Kind.TEXT, "unsigned char", "238"),
        ("number", Kind.TEXT, "unsigned int", "4008636142"),
        ("signed", Kind.TEXT, "int", "-286331154"),
        ("flag", Kind.FLAG, "_Bool", "true"),
        ("colour", Kind.CHOICE, "enum colour", "4008636142"),
        ("wide", Kind.CHOICE, "enum wide", "17216961135462248174"),
        ("name", Kind.TEXT, "char_t[8]", "\\xee" * 8),
        ("mac", Kind.TEXT, "unsigned char[6]", ""),
        ("waits_ms", Kind.TEXT, "unsigned int[2]", "4008636142,4008636142"),
        ("source", Kind.TEXT, "ipv4_addr", "238.238.238.238"),
        ("ratio", Kind.TEXT, "double", "-2.289989454992704e+226"),
        ("fixed", Kind.CHOICE, "enum colour", "GREEN"),
        ("fixed_name", Kind.TEXT, "char[4]", ""),
        ("fixed_pointer", Kind.CLOSED, "unsigned int *", "0x0"),
        ("fixed_loop.other", Kind.TEXT, "unsigned int", "0"),
        (".bss:twice", Kind.TEXT, "unsigned int", "0"),
    ],
)
def test_kinds(each: dict[str, Box], name: str, kind: Kind, type_name: str, default: str) -> None:
    box = each[name]
    assert (box.kind, box.type, box.default) == (kind, type_name, default)
    assert (box.option, box.variable) == ("--set", name)


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("small", "255", ""),
        ("small", "256", "expected a number from 0 to 255"),
        ("min_us", "10ms", ""),
        ("flag", "perhaps", "expected true or false"),
        ("colour", "GREEN", ""),
        ("colour", "x", "expected one of RED, GREEN, BLUE, or a number from 0 to 4294967295"),
        ("name", "a: expected b", "expected a text of at most 7 bytes, not 13"),
        ("mac", "1,2,3,4,5,6", ""),
        ("mac", "1,2,300", "expected a number from 0 to 255"),
        ("source", "10.0.0.300", "expected an address such as 10.0.0.1"),
        ("ratio", "1.5", ""),
        ("ratio", "1,5", "expected a number that a float of 8 bytes holds"),
        ("fixed_loop.other", "-1", "expected a number from 0 to 4294967295"),
        (".bss:twice", "3", ""),
    ],
)
def test_checks(each: dict[str, Box], name: str, text: str, error: str) -> None:
    assert each[name].error(text) == error


def test_choices_and_what_has_no_box(each: dict[str, Box]) -> None:
    assert each["colour"].choices == ["RED", "GREEN", "BLUE"]
    assert each["fixed"].choices == ["RED", "BLUE"]
    assert each["fixed_points"].help == "--set fixed_points[0].MEMBER=VALUE"
    assert each["fixed_points"].kind is Kind.CLOSED
    assert each["mac"].help == "up to 6 values: 1,2,3"
    assert not each.keys() & {"folded", "CONFIG_HZ", "loop", "loop.other", "twice"}
    assert not each.keys() & {"pointer", "points"}  # they are not meant to be set


def test_a_parameter_stands_for_its_variable() -> None:
    parameter = Parameter("min", "small", "5", "the least [/]")
    found = boxes(Variables().spec()._replace(parameters=(parameter,)))
    assert "small" not in found
    box = found["min"]
    assert (box.type, box.default, box.help) == ("unsigned char", "5", "the least [/]")
    assert box.error("256") == "expected a number from 0 to 255"
    assert next(iter(found)) == "min"


def test_a_struct_that_is_fixed_has_a_box_for_each_member() -> None:
    variables = Variables()
    writer = variables.writer
    inner = writer.struct("inner", 8, [("deep", variables.u32, 0), ("on", variables.bool, 32)])
    config = writer.struct("config", 12, [("pid", variables.u32, 0), ("inner", inner, 32)])
    variables.variables.append(VariableSpec("config", ".data", config, 0, 12, const=True))
    found = boxes(variables.spec())
    assert found["config.pid"].default == "4008636142"
    assert found["config.inner.on"].kind is Kind.FLAG
    assert found["config.inner.deep"].error("x") == "expected a number from 0 to 4294967295"
    assert "config" not in found


def test_structs_without_end_are_bounded() -> None:
    variables = Variables()
    inner = variables.writer.struct("empty", 0, [])
    for depth in range(3):
        members = [(f"m{number}", inner, 0) for number in range(1000)]
        inner = variables.writer.struct(f"level{depth}", 0, members)
    variables.variables.append(VariableSpec("bomb", ".data", inner, 0, 0, const=True))
    assert not [name for name in boxes(variables.spec()) if name.startswith("bomb")]


def test_a_type_without_a_size_closes_its_box() -> None:
    variables = Variables()
    opaque = variables.writer.array(variables.writer.fwd("hidden"), 2)
    variables.variables.append(VariableSpec("opaque", ".data", opaque, 0, 8, const=True))
    box = boxes(variables.spec())["opaque"]
    assert (box.kind, "has no size" in box.help) == (Kind.CLOSED, True)


def test_the_options_of_a_bundled_image() -> None:
    image = bundled_store().get("execsnoop")
    specs = parse_all(image)
    options, others = catalogue_boxes.of_image(specs, [describe(image, spec) for spec in specs])
    assert [(box.title, box.type, box.default) for box in options] == [
        ("trace_failed", "bool", "false"),
        ("target_uid", "u32", "4294967295"),
    ]
    assert others == []


def test_where() -> None:
    box = catalogue_boxes.where(parse_all(bundled_store().get("exitsnoop")))
    assert "such as pid > 1000; fields: start_time, exit_time, pid," in box.help
    assert box.error("pid > 3 and comm ~ 'x'") == ""
    assert box.error("pid = 3") == "column 5: expected ==, or another comparison"
    assert "no field 'nope' in print_exits" in box.error("nope == 3")
