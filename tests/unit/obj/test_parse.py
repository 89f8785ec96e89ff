import pytest

from beepy.errors import BtfError, ElfError
from beepy.obj.insn import encode
from beepy.obj.parse import parse
from beepy.obj.spec import CollectionSpec
from beepy.uapi import MapType
from tests.support.elf import Section, map_definition, number
from tests.support.objects import CALL_SUB, EXIT, NOP, SEC, Object
from tests.support.refusal import refused

EXIT_BYTES = encode((EXIT,))


@pytest.fixture
def one() -> Object:
    made = Object()
    made.program()
    return made


def test_a_whole_object(one: Object) -> None:
    one.elf.section("license", b"Dual MIT/GPL\0")
    spec = parse(one.data(), "image:1")
    assert (spec.name, spec.license) == ("image:1", "Dual MIT/GPL")
    assert [(program.name, program.section, program.insns) for program in spec.programs] == [
        ("prog", SEC, (EXIT,))
    ]
    assert (spec.maps, spec.variables, spec.externs, spec.tracked) == ((), (), (), ())
    assert spec.btf


def test_without_types(one: Object) -> None:
    one.elf.section(".data", bytes(8))
    spec = parse(one.data(types=False))
    assert (spec.name, spec.btf) == ("object", None)
    assert [found.name for found in spec.maps] == [".data"]
    assert spec.programs[0].insns == (EXIT,)


@pytest.mark.parametrize("section", [".maps", ".maps.counter", ".struct_ops.link"])
def test_what_is_defined_by_types_that_are_not_there(one: Object, section: str) -> None:
    one.elf.section(section, bytes(8))
    with refused(
        ElfError, f"object: section {section}: the object has no type information (BTF)"
    ) as caught:
        parse(one.data(types=False))
    assert caught.value.__notes__ == ["compile it with clang -g"]


def test_nothing_but_subprograms() -> None:
    one = Object()
    one.elf.function("sub", ".text", [EXIT])
    assert one.parsed().programs == ()


def test_sections_keep_their_question_mark() -> None:
    """It means: do not load."""
    one = Object()
    one.program(section=f"?{SEC}")
    assert one.parsed().programs[0].section == f"?{SEC}"


def test_the_license_ends_at_its_nul(one: Object) -> None:
    one.elf.section("license", b"GPL\0\0junk")
    assert one.parsed().license == "GPL"
    one.elf.section("license").data = bytearray(b"G\xff\x1b")
    assert one.parsed().license == "G\\xff\x1b"


def test_the_same_bytes_give_the_same_answer(one: Object) -> None:
    one.maps(map_definition(one.btf, "m", type=number(one.btf, MapType.HASH)), names=("m",))
    first, second = (one.parsed()._replace(btf=None) for _ in range(2))
    assert first == second
    assert isinstance(first, CollectionSpec)


def test_stripped(one: Object) -> None:
    one.elf.symbols.clear()
    with refused(ElfError, "object: no symbol table: the object is stripped"):
        one.parsed()


def test_maps_of_one_name(one: Object) -> None:
    kind = number(one.btf, MapType.HASH)
    for section in (".maps", ".maps.print"):
        one.maps(map_definition(one.btf, "m", type=kind), names=("m",), section=section)
    with refused(ElfError, "object: map 'm': defined twice"):
        one.parsed()


def test_programs_of_one_name(one: Object) -> None:
    one.program(section="xdp")
    with refused(ElfError, "object: program 'prog': defined twice"):
        one.parsed()


def test_too_many_instructions_together() -> None:
    """Each program counts the subprograms that it reaches."""
    one = Object()
    sub = one.elf.function("sub", ".text", [NOP] * 50_000)
    for at in range(20):
        one.program(CALL_SUB, EXIT, name=f"p{at}")
        one.calls(sub, 2 * at)
    with refused(ElfError, "object: programs of more than 524288 instructions and lines together"):
        one.parsed()


def test_the_objects_name_is_harmless_in_messages() -> None:
    with refused(ElfError, "a\\x1b: not an ELF file"):
        parse(b"", "a\x1b")


def test_sections_that_stand_there_twice(one: Object) -> None:
    for name in (".bss", ".maps.print", ".struct_ops.link"):
        one.elf.sections[f"{name}#1"] = Section(name, data=bytes(8))
        one.elf.sections[f"{name}#2"] = Section(name, data=bytes(8))
        with refused(ElfError, f"object: section {name}: defined 2 times"):
            one.parsed()
        del one.elf.sections[f"{name}#1"], one.elf.sections[f"{name}#2"]


def test_too_many_types(one: Object) -> None:
    one.btf.types.append(one.btf.types[1] * (1 << 18))
    with refused(BtfError, "object: 262147 types, at most 262144 are taken"):
        one.parsed()


def test_too_many_programs() -> None:
    one = Object()
    for at in range(4097):
        one.program(name=f"p{at}")
    with refused(ElfError, f"object: section {SEC}: more than 4096 programs"):
        one.parsed()


def test_too_many_instructions_in_subprograms(one: Object) -> None:
    one.elf.function("sub", ".text", [])
    one.elf.section(".text", EXIT_BYTES * 600_000)
    one.elf.symbols[-1] = ("sub", 0, 4_800_000, ".text", 0x12, 0)
    with refused(ElfError, "object: functions of more than 524288 instructions and lines together"):
        one.parsed()


def test_access_strings_that_many_share(one: Object) -> None:
    access = one.btf.string("0" + ":0" * 60)
    one.records = ({}, {}, {SEC: [(0, 1, access, 0)] * 9000})
    with refused(ElfError, "object: access strings of more than 1048576 bytes together"):
        one.parsed()
