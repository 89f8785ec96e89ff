"""Load, attach and close; nothing remains in the kernel afterwards."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy import sections
from beepy.btf.types import Kind
from beepy.collection import attachpoint
from beepy.collection.collection import Collection
from beepy.collection.load import load
from beepy.errors import (
    AttachError,
    ElfError,
    KernelError,
    NotSupported,
    UnsupportedSection,
    VerifierError,
)
from beepy.features import Feature
from beepy.hooks import Target
from beepy.host import machine
from beepy.kernel import features
from beepy.kernel.btf import vmlinux
from beepy.obj.parse import parse
from beepy.obj.spec import ProgramSpec
from beepy.oci.lookup import bundled_store
from beepy.uapi import MapFlag
from tests.kernel.conftest import ObjectOf
from tests.support.held import Number, held, wait_for_end

pytestmark = pytest.mark.kernel

FIRST = bytes(4)


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """Check that every test closes its descriptors."""
    vmlinux()  # is kept for the whole process, with its mapping
    before = set(Path("/proc/self/fd").iterdir())
    yield
    assert set(Path("/proc/self/fd").iterdir()) == before


def loaded(path: str) -> Collection:
    return load(parse(Path(path).read_bytes(), "object"))


def numbers(kind: str, seen: set[Number]) -> int:
    return sum(kind == other for other, _ in seen)


@pytest.mark.parametrize(
    "name",
    [
        "exitsnoop",
        "exitsnoop-counter",
        "exitsnoop-old",
        "exitsnoop-old-counter",
        "opensnoop",
        "execsnoop",
    ],
)
def test_bundled_images_are_loaded_attached_and_gone(name: str) -> None:
    before = held(os.getpid())
    spec = parse(bundled_store().get(name).programs[0], name)
    with load(spec) as collection:
        assert list(collection.programs) == [program.name for program in spec.programs]
        assert list(collection.maps) == [map_spec.name for map_spec in spec.maps]
        mine = held(os.getpid()) - before
        assert (numbers("map", mine), numbers("prog", mine), numbers("link", mine)) == (
            len(spec.maps),
            len(spec.programs),
            0,
        )
        collection.attach()
        attached = held(os.getpid()) - before
        assert numbers("link", attached) == len(spec.programs)
        collection.detach()
        assert collection.links == []
        collection.attach()  # once more
        attached |= held(os.getpid()) - before
    assert held(os.getpid()) == before
    assert (collection.maps, collection.programs, collection.links) == ({}, {}, [])
    wait_for_end(attached)


@pytest.mark.parametrize(
    "name", ["slots", "tables", "everything", "calls", "data", "kconfig", "raw_tp", "tp_btf"]
)
def test_test_objects_are_gone(object_of: ObjectOf, name: str) -> None:
    before = held(os.getpid())
    with loaded(object_of(name)):
        mine = held(os.getpid()) - before
        assert mine
    assert held(os.getpid()) == before
    wait_for_end(mine)


@pytest.mark.parametrize("name", ["err_null", "err_core", "err_subprogram"])
def test_a_program_that_the_verifier_refuses_leaves_nothing(object_of: ObjectOf, name: str) -> None:
    before = held(os.getpid())
    with pytest.raises(VerifierError) as caught:
        loaded(object_of(name))
    assert held(os.getpid()) == before
    assert caught.value.log.rstrip().splitlines()[-1].startswith("processed ")


def contents(collection: Collection, name: str) -> bytes:
    value = collection.maps[name].lookup(FIRST)
    assert value is not None
    return value


def variable(collection: Collection, name: str) -> int:
    spec = next(item for item in collection.spec.variables if item.name == name)
    raw = contents(collection, spec.map)[spec.offset : spec.offset + spec.size]
    return int.from_bytes(raw, "little")


def test_programs_read_initial_values_and_readers_see_changes(object_of: ObjectOf) -> None:
    with loaded(object_of("data")) as collection:
        assert collection.programs["initial"].run().retval == 0
        assert {
            name: variable(collection, name)
            for name in ("parameter", "counter", "hidden", "custom", "runs")
        } == {
            "parameter": 7,
            "counter": 1000,
            "hidden": 0x1234,
            "custom": 77,
            "runs": 0,
        }
        assert collection.programs["change"].run().retval == 0
        assert {
            name: variable(collection, name) for name in ("counter", "hidden", "runs", "custom")
        } == {
            "counter": 1007,
            "hidden": 0x1235,
            "runs": 1,
            "custom": 78,
        }
        assert struct.pack("<4h", -1, 3, -3, 4) in contents(collection, ".data")
        assert contents(collection, ".bss")[: 8 + 100].count(ord("x")) == 1


def test_constants_cannot_be_changed(object_of: ObjectOf) -> None:
    with loaded(object_of("data")) as collection:
        for name in (".rodata", ".rodata.custom"):
            before = contents(collection, name)
            with pytest.raises(KernelError, match=r"operation not permitted \(EPERM\)"):
                collection.maps[name].update(FIRST, bytes(len(before)))
            assert contents(collection, name) == before
        flags = {map_spec.name: map_spec.flags for map_spec in collection.spec.maps}
        assert all(flags[name] & MapFlag.RDONLY_PROG for name in (".rodata", ".rodata.custom"))
        assert not any(
            flags[name] & MapFlag.RDONLY_PROG for name in (".data", ".bss", ".data.custom")
        )


def test_kconfig_variables(object_of: ObjectOf) -> None:
    with loaded(object_of("kconfig")) as collection:
        assert collection.programs["tell"].run().retval == 0
        assert variable(collection, "version") == machine.version_code(machine.release())
        assert variable(collection, "has_bpf_cookie") == features.has(Feature.BPF_COOKIE)
        assert variable(collection, "has_syscall_wrapper") == features.has(Feature.SYSCALL_WRAPPER)


def test_slots_hold_maps_and_programs(object_of: ObjectOf) -> None:
    before = held(os.getpid())
    with loaded(object_of("slots")) as collection:
        mine = held(os.getpid()) - before
        slots = {
            index: collection.maps["outer_array"].lookup(struct.pack("<I", index))
            for index in range(4)
        }
        assert slots[1] is slots[3] is None
        inner = {struct.unpack("<I", slots[index] or b"")[0] for index in (0, 2)}
        assert len(inner) == 2
        assert {("map", number) for number in inner} <= mine
        program = collection.maps["programs"].lookup(struct.pack("<I", 1))
        assert ("prog", struct.unpack("<I", program or b"")[0]) in mine
        assert collection.maps["programs"].lookup(FIRST) is None
        assert collection.programs["maps"].run(bytes(16)).retval == 0
        assert collection.programs["jump"].run(bytes(16)).retval == 4242


HEAD = '#include "include/core.h"\nchar LICENSE[] SEC("license") = "GPL";\n'
PROGRAM = 'SEC("%s") int %s(void *ctx) { return 0; }\n'


def test_if_a_program_cannot_be_attached_none_is(compiled: ObjectOf) -> None:
    first = PROGRAM % ("tracepoint/sched/sched_process_exit", "first")
    before = held(os.getpid())
    with loaded(
        compiled(HEAD + first + PROGRAM % ("tracepoint/sched/sched_process_exi", "second"))
    ) as collection:
        with pytest.raises(
            AttachError,
            match="program 'second': tracepoint sched/sched_process_exi: not found in this kernel",
        ):
            collection.attach()
        assert collection.links == []
        assert numbers("link", held(os.getpid()) - before) == 0


def test_an_unknown_section_is_refused_before_anything_is_created(compiled: ObjectOf) -> None:
    with pytest.raises(
        UnsupportedSection, match=r"^object: program 'it': section 'nobody/knows': no program type"
    ):
        loaded(compiled(HEAD + PROGRAM % ("nobody/knows", "it")))


def test_a_program_without_autoload_is_not_loaded(compiled: ObjectOf) -> None:
    """Its section begins with a question mark, as in libbpf."""
    path = compiled(
        HEAD
        + PROGRAM % ("?raw_tp/sched_process_exit", "second")
        + PROGRAM % ("raw_tp/sched_process_exit", "first")
    )
    with loaded(path) as collection:
        assert list(collection.programs) == ["first"]
        collection.attach()
        assert len(collection.links) == 1


MAP = """
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 0);
	__type(key, u32);
	__type(value, u64);
} table SEC(".maps");
SEC("raw_tp/sched_process_exit") int it(void *ctx)
{
	u32 key = 0;

	return !bpf_map_lookup_elem(&table, &key);
}
"""


def test_a_map_that_the_kernel_refuses(compiled: ObjectOf) -> None:
    with pytest.raises(
        KernelError,
        match=r"^map 'table': create: invalid argument \(EINVAL\): "
        r"max_entries 0 \(its size is missing\)",
    ):
        loaded(compiled(HEAD + MAP))


def test_a_slot_with_a_program_that_is_not_loaded(compiled: ObjectOf) -> None:
    text = """
int leaf(void *ctx);
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, sizeof(u32));
	__array(values, int(void *));
} programs SEC(".maps") = { .values = { [1] = (void *)&leaf } };
"""
    programs = PROGRAM % ("?raw_tp/sched_process_exit", "leaf") + PROGRAM % (
        "raw_tp/sched_process_exit",
        "it",
    )
    with pytest.raises(
        ElfError, match="map 'programs': entry 1: 'leaf' is not a loaded map or program"
    ):
        loaded(compiled(HEAD + text + programs))


@pytest.mark.parametrize("name", ["cap_task_prctl", "vmlinux:cap_task_prctl"])
def test_a_kernel_function_may_be_given_with_or_without_vmlinux(name: str) -> None:
    hook = sections.find("fentry")
    assert hook
    program = ProgramSpec("one", "fentry", (), (), (), (), (), ())
    assert attachpoint.find(program, hook, Target(name)) == (
        vmlinux().find("cap_task_prctl", Kind.FUNC),
        "",
        0,
        None,
    )
    with pytest.raises(
        NotSupported, match="program 'one': section 'fentry': this kernel has no 'cap_task_none'"
    ):
        attachpoint.find(program, hook, Target(name.replace("prctl", "none")))
