from collections.abc import Callable

import pytest

from beepy.btf.btf import Btf
from beepy.btf.writer import BtfWriter
from beepy.errors import ElfError
from beepy.obj.sections import is_maps
from beepy.obj.spec import MapSpec
from beepy.uapi import MapType
from tests.support.elf import FUNC, R_64_64, map_definition, number
from tests.support.objects import EXIT, Object
from tests.support.refusal import refused

INT, U32, U64 = 1, 2, 3
MAP = "object: map 'm'"


@pytest.fixture
def one() -> Object:
    made = Object()
    made.program()
    return made


def pointer(one: Object, to: int) -> int:
    """Return the type of ``__type(name, to)``."""
    return one.btf.ptr(to)


def define(one: Object, section: str = ".maps", **members: int) -> MapSpec:
    one.maps(map_definition(one.btf, "m", **members), names=("m",), section=section)
    (found,) = one.parsed().maps
    return found


def test_all_members(one: Object) -> None:
    numbers = {"max_entries": 64, "map_flags": 1, "numa_node": 2, "pinning": 1, "map_extra": 3}
    value = one.btf.struct("event", 24)
    members = {name: number(one.btf, n) for name, n in numbers.items()}
    members |= {
        "type": number(one.btf, MapType.HASH),
        "key": pointer(one, U32),
        "value": pointer(one, value),
    }
    found = define(one, ".maps", **members)
    assert found == MapSpec("m", ".maps", MapType.HASH, 4, 24, 64, 1, U32, value, 1, 2, 3)  # type: ignore[arg-type]


def test_sizes_alone(one: Object) -> None:
    kind, size = number(one.btf, MapType.ARRAY), number(one.btf, 4)
    found = define(one, type=kind, key_size=size, value_size=size)
    assert (found.key_size, found.value_size, found.key, found.value) == (4, 4, 0, 0)


def test_sizes_that_agree_with_the_types(one: Object) -> None:
    found = define(one, type=number(one.btf, 1), key_size=number(one.btf, 4), key=pointer(one, U32))
    assert (found.key_size, found.key) == (4, U32)


def test_numbers_beyond_32_bits(one: Object) -> None:
    """__ulong() is an enum of one value."""
    enum = one.btf.enum64("", {"__unique_map_extra_1": 1 << 40})
    assert define(one, type=number(one.btf, 1), map_extra=enum).map_extra == 1 << 40


def test_a_size_beyond_32_bits(one: Object) -> None:
    with refused(ElfError, f"{MAP}: max_entries 4294967300: exceeds 32 bits"):
        define(
            one,
            type=number(one.btf, 1),
            max_entries=one.btf.enum64("", {"__unique_max_1": 2**32 + 4}),
        )


def test_typedefs_and_modifiers_are_seen_through(one: Object) -> None:
    struct = one.btf.const(
        one.btf.typedef("map_t", one.btf.struct("", 8, [("type", number(one.btf, 2), 0)]))
    )
    one.maps(one.btf.var("m", struct), names=("m",))
    assert one.parsed().maps[0].type == MapType.ARRAY


def test_sections_of_bees_old_convention(one: Object) -> None:
    assert (
        define(one, ".maps.print", type=number(one.btf, MapType.RINGBUF)).section == ".maps.print"
    )
    assert is_maps(".maps.counter")
    assert not is_maps(".mapsx")
    assert not is_maps("maps")


def test_maps_in_the_order_of_their_places(one: Object) -> None:
    """clang's DATASEC lists them in the order of their first use."""
    kind = number(one.btf, MapType.ARRAY)
    second, first = (map_definition(one.btf, name, type=kind) for name in ("second", "first"))
    one.maps(second, first, names=("first", "second"))
    assert [found.name for found in one.parsed().maps] == ["first", "second"]


# initial values


def test_map_in_map(one: Object) -> None:
    inner = one.btf.struct(
        "",
        16,
        [("type", number(one.btf, MapType.ARRAY), 0), ("max_entries", number(one.btf, 7), 64)],
    )
    values = one.btf.array(one.btf.ptr(inner), 0)
    outer = map_definition(one.btf, "outer", 16, type=number(one.btf, MapType.ARRAY_OF_MAPS),
                           max_entries=number(one.btf, 4), values=values)  # fmt: skip
    a, b = (map_definition(one.btf, name, type=number(one.btf, MapType.ARRAY)) for name in "ab")
    symbols = one.maps(a, b, outer, names=("a", "b", "outer"), size=48)
    one.elf.relocate(".maps", 96 + 16 + 24, symbols[0], R_64_64)  # values[3]
    one.elf.relocate(".maps", 96 + 16, symbols[1], R_64_64)
    found = one.parsed().maps[2]
    assert found.inner == MapSpec("outer.inner", ".maps", MapType.ARRAY, max_entries=7)
    assert (found.key_size, found.value_size) == (0, 4)  # libbpf gives keys no size either
    assert found.slots == ((0, "b"), (3, "a"))


def test_prog_array(one: Object) -> None:
    values = one.btf.array(one.btf.ptr(one.btf.func_proto(INT)), 0)
    jumps = map_definition(
        one.btf, "jumps", 8, type=number(one.btf, MapType.PROG_ARRAY), values=values
    )
    one.maps(jumps, names=("jumps",))
    one.elf.relocate(".maps", 8 + 8, one.program(EXIT, name="tail"))
    (found,) = one.parsed().maps
    assert (found.inner, found.slots) == (None, ((1, "tail"),))


# what is refused


def test_a_section_without_types(one: Object) -> None:
    one.elf.section(".maps", bytes(32))
    with refused(ElfError, "object: section .maps: has no types"):
        one.parsed()


def test_an_empty_section_needs_no_types(one: Object) -> None:
    one.elf.section(".maps", b"")
    assert one.parsed().maps == ()


def test_no_variable(one: Object) -> None:
    one.btf.datasec(".maps", 0, [(INT, 0, 32)])
    one.elf.section(".maps", bytes(32))
    with refused(ElfError, "object: section .maps: type 1 is not a variable"):
        one.parsed()


def test_no_struct(one: Object) -> None:
    one.maps(one.btf.var("m", INT), names=("m",))
    with refused(ElfError, f"{MAP}: is not defined by a struct"):
        one.parsed()


def test_no_type(one: Object) -> None:
    with refused(ElfError, f"{MAP}: has no type"):
        define(one, max_entries=number(one.btf, 1))


def test_unknown_member(one: Object) -> None:
    with refused(ElfError, f"{MAP}: unknown member 'speed'"):
        define(one, speed=number(one.btf, 1))


def test_a_member_twice(one: Object) -> None:
    kind = number(one.btf, 1)
    one.maps(
        one.btf.var("m", one.btf.struct("", 16, [("type", kind, 0), ("type", kind, 64)])),
        names=("m",),
    )
    with refused(ElfError, f"{MAP}: duplicate member 'type'"):
        one.parsed()


@pytest.mark.parametrize(
    "make", [lambda _: INT, lambda btf: btf.ptr(INT), lambda btf: btf.enum("", {})]
)
def test_a_number_that_is_none(one: Object, make: Callable[[BtfWriter], int]) -> None:
    with refused(ElfError, f"{MAP}: member 'type': expected a pointer to an array, or an enum"):
        define(one, type=make(one.btf))


def test_a_type_that_is_none(one: Object) -> None:
    with refused(ElfError, f"{MAP}: member 'key': expected a pointer to its type"):
        define(one, type=number(one.btf, 1), key=U32)


def test_sizes_that_disagree(one: Object) -> None:
    with refused(ElfError, f"{MAP}: key size 8 is not that of its type, 4"):
        define(one, type=number(one.btf, 1), key_size=number(one.btf, 8), key=pointer(one, U32))


def test_sizes_that_disagree_in_the_other_order(one: Object) -> None:
    with refused(ElfError, f"{MAP}: value size 8 is not that of its type, 4"):
        define(one, type=number(one.btf, 1), value=pointer(one, U32), value_size=number(one.btf, 8))


def test_a_type_without_size(one: Object) -> None:
    with refused(ElfError, f"{MAP}: object: type 0: void has no size"):
        define(one, type=number(one.btf, 1), key=pointer(one, 0))


@pytest.mark.parametrize(("elements", "expected"), [(3, "no elements"), (0, "pointers")])
def test_values_that_are_no_pointers(one: Object, elements: int, expected: str) -> None:
    kind = number(one.btf, MapType.ARRAY_OF_MAPS)
    with refused(ElfError, f"{MAP}: member 'values': expected an array of {expected}"):
        define(one, type=kind, values=one.btf.array(INT, elements))


def test_values_of_a_map_that_holds_none(one: Object) -> None:
    with refused(ElfError, f"{MAP}: a map of type 1 holds neither maps nor programs"):
        define(one, type=number(one.btf, MapType.HASH), values=one.btf.array(pointer(one, INT), 0))


def test_maps_in_maps_in_maps(one: Object) -> None:
    values = one.btf.array(pointer(one, INT), 0)
    kind = number(one.btf, MapType.ARRAY_OF_MAPS)
    inner = one.btf.struct("", 8, [("type", kind, 0), ("values", values, 64)])
    with refused(ElfError, f"{MAP}: inner map: unknown member 'values'"):
        define(one, type=kind, values=one.btf.array(pointer(one, inner), 0))


def test_a_size_that_values_do_not_have(one: Object) -> None:
    values = one.btf.array(one.btf.ptr(one.btf.func_proto(INT)), 0)
    with refused(ElfError, f"{MAP}: value size 8 is not that of its values, 4"):
        define(
            one,
            type=number(one.btf, MapType.PROG_ARRAY),
            value_size=number(one.btf, 8),
            values=values,
        )


def test_pinning_is_none_or_by_name(one: Object) -> None:
    with refused(ElfError, f"{MAP}: pinning 2: unknown"):
        define(one, type=number(one.btf, 1), pinning=number(one.btf, 2))


def test_inner_maps_are_not_pinned(one: Object) -> None:
    inner = one.btf.struct(
        "inner", 16, [("type", number(one.btf, 2), 0), ("pinning", number(one.btf, 1), 64)]
    )
    values = one.btf.array(one.btf.ptr(inner), 0)
    with refused(ElfError, f"{MAP}: inner map: pinning 1: not for an inner map"):
        define(one, type=number(one.btf, MapType.ARRAY_OF_MAPS), values=values)


def test_relocations_that_are_no_initial_values(one: Object) -> None:
    one.maps(map_definition(one.btf, "m", type=number(one.btf, 1)), names=("m",))
    one.elf.relocate(".maps", 8, one.elf.symbol("prog2", ".text", type=FUNC))
    one.elf.function("prog2", ".text", [EXIT])
    with refused(ElfError, f"{MAP}: relocation at 8: not an initial value"):
        one.parsed()


def test_the_types_are_the_objects_own(one: Object) -> None:
    define(one, type=number(one.btf, 1))
    assert isinstance(one.parsed().btf, Btf)


def test_too_many_maps() -> None:
    one = Object()
    one.program()
    variable = map_definition(one.btf, "m", type=number(one.btf, 1))
    one.maps(*[variable] * 4097, names=["m"], size=0)
    with refused(ElfError, "object: section .maps: more than 4096 maps"):
        one.parsed()
