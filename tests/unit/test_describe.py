from beepy.btf.types import Linkage
from beepy.describe import VariableInfo, describe
from beepy.oci.image import Image
from beepy.source import parse
from tests.writers.elf import GLOBAL, OBJECT
from tests.writers.objects import Object

INT = 1


def variables(one: Object) -> tuple[VariableInfo, ...]:
    one.program()
    image = Image("image:1", "sha256:0", "", {}, 0, "elf", {}, (one.data(),))
    return describe(image, parse(image)).variables


def area(one: Object, section: str, **types: tuple[int, int]) -> None:
    """Describe the section's variables: name = (type, size), each at offset 0."""
    infos = []
    for name, (of, size) in types.items():
        one.elf.symbol(name, section, 0, size, type=OBJECT, bind=GLOBAL)
        infos.append((one.btf.var(name, of, Linkage.GLOBAL), 0, size))
    one.btf.datasec(section, 0, infos)


def test_defaults() -> None:
    one = Object()
    one.elf.section(".rodata", (7).to_bytes(4, "little"))
    one.elf.bss(8)
    area(one, ".rodata", target=(INT, 4))
    area(one, ".bss", count=(INT, 4))
    assert variables(one) == (
        VariableInfo("target", ".rodata", "int", 4, True, 7),
        VariableInfo("count", ".bss", "int", 4, False, 0),
    )


def test_a_variable_of_no_size_in_a_section_of_no_size() -> None:
    """The section has no map."""
    one = Object()
    one.elf.section(".data", b"")
    nothing = one.btf.struct("nothing", 0)
    area(one, ".data", x=(nothing, 0))
    assert variables(one) == (VariableInfo("x", ".data", "struct nothing", 0, False, None),)


def test_buffers_have_no_default() -> None:
    one = Object()
    one.elf.bss(1 << 30)
    area(one, ".bss", buffer=(one.btf.array(INT, 1 << 28), 1 << 30))
    assert variables(one) == (VariableInfo("buffer", ".bss", "int[268435456]", 1 << 30, False, None),)
