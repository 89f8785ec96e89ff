import pytest

from beepy.btf.btf import Btf
from beepy.btf.types import Kind, TypeId
from beepy.btf.writer import BtfWriter
from beepy.errors import BeepyError, BtfError, UsageError
from beepy.events.variables import apply, apply_all, pid_variable, settable, settings
from beepy.obj.spec import CollectionSpec, MapSpec, Parameter, Value, VariableSpec
from beepy.uapi import MapType
from tests.support.variables import Variables


def test_bss_grows_as_far_as_needed() -> None:
    assert apply(Variables().spec(), {".bss:twice": "1"}).maps[1].contents == b"\0\0\0\0\1\0\0\0"


def test_the_error_for_an_unknown_variable_lists_those_that_exist() -> None:
    with pytest.raises(UsageError, match="variable 'numbr\\\\x1b': not found in object") as caught:
        apply(Variables().spec(), {"numbr\x1b": "1"})
    similar, listed = caught.value.__notes__
    assert similar == "similar ones: number"
    assert listed.startswith("variables: colour, flag, folded, huge, large,")
    assert "CONFIG_HZ" not in listed
    with pytest.raises(UsageError):
        apply(Variables().spec(), {"CONFIG_HZ": "1"})
    empty = Variables().spec()._replace(variables=())
    with pytest.raises(UsageError) as caught:
        apply(empty, {"x": "1"})
    assert caught.value.__notes__ == ["it has no variables"]


def test_a_parameter_is_the_variable_that_its_format_says() -> None:
    spec = Variables().spec()._replace(parameters=(Parameter("min-duration", "number"),))
    assert apply(spec, {"min-duration": "7"}).maps == apply(spec, {"number": "7"}).maps
    with pytest.raises(UsageError, match="variable 'min-durations': not found") as caught:
        apply(spec, {"min-durations": "7"})
    assert caught.value.__notes__[0] == "similar ones: min-duration"


def test_one_of_several_objects_must_have_the_variable() -> None:
    known, other = Variables().spec("one"), Variables().spec("two")._replace(variables=())
    first, second = apply_all((known, other), {"number": "3"})
    assert second == other
    assert first != known
    with pytest.raises(UsageError, match="not found in one, two"):
        apply_all((known, other), {"nothing": "3"})


def test_a_constant_that_may_be_in_the_code_already_is_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    apply(Variables().spec(), {"number": "1"})
    assert not caplog.records
    apply(Variables().spec(), {"folded": "1"})
    assert "variable 'folded': const but not volatile" in caplog.text


def test_the_kernels_configuration_cannot_be_set() -> None:
    assert "CONFIG_HZ" not in {one.name for one in settable(Variables().spec())}


def test_options_are_split_into_names_and_values() -> None:
    assert settings(["a=1", " b =x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}
    for wrong in ("a", "=1"):
        with pytest.raises(UsageError, match=r"--set '.*': expected NAME=VALUE"):
            settings([wrong])


def test_malformed_types_are_refused() -> None:
    writer = BtfWriter()
    u32 = writer.integer("u32", 4, 0)
    far = writer.struct("far", 4, [("x", u32, 64)])
    loop = writer.struct("loop", 4, [("", TypeId(far + 1), 0)])
    void = writer.const(0)
    variables = [("far", far, 4), ("loop", loop, 4), ("wrong", u32, 8), ("void", void, 4)]
    specs = tuple(
        [VariableSpec(name, ".data", type_id, 0, size, False) for name, type_id, size in variables]
    )
    data = MapSpec(".data", ".data", MapType.ARRAY, 4, 8, 1, contents=bytes(8))
    spec = CollectionSpec("object", "GPL", (), (data,), specs, (), Btf(writer.data()))
    for name in ("far.x", "loop.x", "wrong", "void", "loop"):
        with pytest.raises(BeepyError):
            apply(spec, {name: "1"})
    with pytest.raises(BtfError, match="its section does not hold it"):
        apply(spec._replace(maps=()), {"far": "1"})


def _one(
    writer: BtfWriter, type_id: int, size: int, section: str = ".data", offset: int = 0
) -> CollectionSpec:
    area = MapSpec(section, section, MapType.ARRAY, 4, offset + size, 1, contents=b"")
    variable = VariableSpec("level", section, TypeId(type_id), offset, size, False)
    return CollectionSpec(
        "object", "GPL", (), (area,), (variable,), (), Btf(writer.data(), name="object")
    )


@pytest.mark.parametrize("value", ["1", 1, "A", "true"])
@pytest.mark.parametrize(
    ("kind", "size", "words", "bits"),
    [
        (Kind.INT, 4, [1 << 24], 0),  # signed
        (Kind.INT, 4, [0], 0),
        (Kind.INT, 4, [4 << 24], 0),  # bool
        (Kind.INT, 4, [1 << 24 | 33], 33),
        (Kind.INT, 32, [1 << 24 | 255], 255),
        (Kind.INT, 0, [1 << 24 | 8], 8),
        (Kind.ENUM, 0, [], 0),
        (Kind.ENUM, 1 << 20, [], 1 << 23),
    ],
)
def test_integers_of_impossible_widths_are_refused(
    value: Value, kind: Kind, size: int, words: list[int], bits: int
) -> None:
    writer = BtfWriter()
    odd = writer.add(kind, "odd", size, words, flag=kind is Kind.ENUM)
    with pytest.raises(
        BtfError, match=rf"variable 'level': type (enum )?odd: {bits} bits in {size} bytes"
    ):
        apply(_one(writer, odd, size), {"level": value})


def test_structs_in_structs() -> None:
    writer = BtfWriter()
    last = writer.struct("s", 8, [("a", writer.integer(), 0)])
    for _ in range(30):
        last = writer.union("", 8, [("", last, 0), ("", last, 0)])
    spec = _one(writer, last, 8)
    assert apply(spec, {"level.a": "1"}).maps[0].contents == b"\1\0\0\0\0\0\0\0"
    with pytest.raises(UsageError, match=r"expected one of its members to be set: level\.a$"):
        apply(spec, {"level": "1"})


def test_structs_of_too_many_members_are_refused() -> None:
    writer = BtfWriter()
    byte = writer.integer("char", 1)
    spec = _one(writer, writer.struct("s", 1, [("a", byte, 0)] * 65537), 1)
    assert apply(spec, {"level.a": "1"}).maps[0].contents == b"\1"
    for name in ("level", "level.b"):
        with pytest.raises(BtfError, match="'level': more than 65536 members"):
            apply(spec, {name: "1"})


def test_a_section_of_gigabytes_is_not_filled() -> None:
    writer = BtfWriter()
    spec = _one(writer, writer.integer(), 4, ".bss", (1 << 31) - 8)
    with pytest.raises(
        UsageError, match=r"variable 'level': ends at byte 2147483644 of \.bss: at most 33554432"
    ):
        apply(spec, {"level": "1"})


def with_variables(**kinds: str) -> CollectionSpec:
    writer = BtfWriter()
    number = writer.integer("int", 4, 1)
    types = {
        "int": writer.const(writer.volatile(writer.typedef("pid_t", number))),
        "bool": writer.integer("_Bool", 1, 4),
        "array": writer.array(number, 4),
        "text": writer.array(writer.integer("char", 1, 1), 16),
    }
    variables = tuple(
        [VariableSpec(name, ".rodata", types[kind], 0, 4, True) for name, kind in kinds.items()]
    )
    return CollectionSpec("image", "GPL", (), (), variables, (), Btf(writer.data()))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["target_pid", "uid"], "target_pid"),
        (["targ_pid", "targ_tgid"], "targ_tgid"),  # of bcc: a thread, and a process
        (["filter_pid"], "filter_pid"),
        (["my_pid", "pid"], "pid"),
        (["only_this_pid"], "only_this_pid"),
        (["trace_by_process", "rapid", "tid", "ppid", "filter_ppid", "my_pid", "ignore_pid"], ""),
        ([], ""),
    ],
)
def test_the_variable_that_chooses_a_process(names: list[str], expected: str) -> None:
    assert (
        pid_variable([with_variables(), with_variables(**dict.fromkeys(names, "int"))]) == expected
    )


@pytest.mark.parametrize("kind", ["bool", "array", "text"])
def test_only_an_integer_can_choose_a_process(kind: str) -> None:
    assert pid_variable([with_variables(target_pid=kind)]) == ""
