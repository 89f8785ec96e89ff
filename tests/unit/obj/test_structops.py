import pytest

from beepy.btf.types import TypeId
from beepy.errors import ElfError
from beepy.obj.spec import MapSpec
from beepy.uapi import MapFlag, MapType
from tests.support.elf import OBJECT
from tests.support.objects import Object
from tests.support.refusal import refused

INT = 1


def operations(section: str, size: int = 24) -> tuple[Object, int]:
    """Return an object with a variable ``mine``, and the id of its type.

    That is ``struct ops { int flags; void (*init)(), (*release)(); }``.
    """
    one = Object()
    program = one.program(name="init", section="struct_ops/init")
    pointer = one.btf.ptr(one.btf.func_proto(0))
    struct = one.btf.struct(
        "ops", 24, [("flags", INT, 0), ("init", pointer, 64), ("release", pointer, 128)]
    )
    one.elf.section(section, bytes([7, *[0] * 23]))
    one.elf.symbol("mine", section, 0, 24, type=OBJECT)
    one.btf.datasec(section, 0, [(one.btf.var("mine", struct), 0, size)])
    one.elf.relocate(section, 8, program, 2)
    return one, struct


@pytest.mark.parametrize(
    ("section", "flags"),
    [
        (".struct_ops", 0),
        (".struct_ops.link", MapFlag.LINK),
        ("?.struct_ops", 0),
        ("?.struct_ops.link", MapFlag.LINK),
    ],
)
def test_a_variable_is_a_map_whose_slots_are_its_programs(section: str, flags: int) -> None:
    one, struct = operations(section)
    (found,) = one.parsed().maps
    assert found == MapSpec(
        "mine",
        section,
        MapType.STRUCT_OPS,
        key_size=4,
        value_size=24,
        max_entries=1,
        flags=flags,
        value=TypeId(struct),
        contents=bytes([7, *[0] * 23]),
        slots=((8, "init"),),
    )


def test_operations_beyond_their_section() -> None:
    one, _ = operations(".struct_ops", 32)
    with refused(ElfError, "object: 'mine': 32 bytes at 0 exceed section .struct_ops"):
        one.parsed()


def test_operations_of_no_struct() -> None:
    one = Object()
    one.program()
    one.elf.section(".struct_ops", bytes(4))
    one.elf.symbol("mine", ".struct_ops", 0, 4, type=OBJECT)
    variable = one.btf.var("mine", INT)
    one.btf.datasec(".struct_ops", 0, [(variable, 0, 4)])
    with refused(ElfError, f"object: section .struct_ops: type {variable} is not a struct"):
        one.parsed()


def test_operations_without_types() -> None:
    one = Object()
    one.program()
    one.elf.section(".struct_ops", bytes(4))
    with refused(ElfError, "object: section .struct_ops: has no types"):
        one.parsed()
