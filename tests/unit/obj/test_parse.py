import pytest

from beepy.errors import ElfError
from beepy.obj.parse import parse
from beepy.obj.spec import CollectionSpec
from beepy.uapi import MapType
from tests.writers.elf import map_definition, number
from tests.writers.objects import CALL_SUB, EXIT, NOP, SEC, Object
from tests.writers.refusal import refused


@pytest.fixture
def one() -> Object:
    made = Object()
    made.program()
    return made


def test_a_whole_object(one: Object) -> None:
    one.elf.section("license", b"Dual MIT/GPL\0")
    spec = parse(one.data(), "image:1", "bee", {"labels": b"x"})
    assert (spec.name, spec.format, spec.hints) == ("image:1", "bee", {"labels": b"x"})
    assert spec.license == "Dual MIT/GPL"
    assert [(program.name, program.section, program.insns) for program in spec.programs] == [("prog", SEC, (EXIT,))]
    assert (spec.maps, spec.variables, spec.externs, spec.tracked) == ((), (), (), ())
    assert spec.btf


def test_without_types(one: Object) -> None:
    one.elf.section(".data", bytes(8))
    spec = parse(one.data(types=False))
    assert (spec.name, spec.format, spec.btf) == ("object", "elf", None)
    assert [found.name for found in spec.maps] == [".data"]
    assert spec.programs[0].insns == (EXIT,)


@pytest.mark.parametrize("section", [".maps", ".maps.counter", ".struct_ops.link"])
def test_what_is_defined_by_types_that_are_not_there(one: Object, section: str) -> None:
    one.elf.section(section, bytes(8))
    with refused(ElfError, f"object: section {section}: the object has no type information (BTF)") as caught:
        parse(one.data(types=False))
    assert caught.value.__notes__ == ["compile it with clang -g"]


def test_nothing_but_subprograms() -> None:
    one = Object()
    one.elf.function("sub", ".text", [EXIT])
    assert one.parsed().programs == ()


def test_sections_keep_their_question_mark() -> None:
    """It stands for: do not load."""
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
    with refused(ElfError, "object: programs of more than 1000000 instructions and lines together"):
        one.parsed()


def test_the_objects_name_is_harmless_in_messages() -> None:
    with refused(ElfError, "a\\x1b: not an ELF file"):
        parse(b"", "a\x1b")
