"""Programs count their losses in the first form that the kernel accepts, or not at all."""

import logging
import struct
from contextlib import closing

import pytest

from beepy.btf.types import TypeId
from beepy.collection.collection import Collection
from beepy.collection.load import load
from beepy.collection.losses import Losses
from beepy.errors import KernelError, VerifierError
from beepy.kernel import map as kernel_map
from beepy.maps.slots import Slots
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import CollectionSpec, MapRef, MapSpec, Tracked
from beepy.rewrite import losses
from beepy.uapi import HELPERS, MapFlag, MapType
from tests.support import child
from tests.support.objects import EXIT
from tests.support.specs import program, spec

pytestmark = pytest.mark.kernel

RING = MapSpec("ring", ".maps", MapType.RINGBUF, max_entries=4096)
LENGTH = 0  # of struct __sk_buff
SKIPPED = 64  # the length of packets for which nothing is sent
WIDE, SECOND = Insn(op.LD_IMM64, 1), Insn(0)


def call(helper: str) -> Insn:
    return Insn(op.CALL, imm=HELPERS.index(helper))


def mov(register: int, value: int) -> Insn:
    return Insn(op.MOV64_IMM, register, imm=value)


def object_of(*insns: Insn, section: str = "tc", maps: tuple[MapSpec, ...] = ()) -> CollectionSpec:
    """Return an object whose program sends to a ring: its map is loaded at instruction 3."""
    sending = program(*insns, refs=(MapRef(3, "ring"),))._replace(section=section)
    return spec(RING, *maps)._replace(
        programs=(sending,), tracked=(Tracked("ring", None, TypeId(1)),)
    )


# if (skb->len != 64) r0 = reserve(8); else r0 = 0;  if (r0) submit(r0);  return 0
SENDS = (
    Insn(op.LDX | op.MEM | op.W, 6, 1, LENGTH),
    mov(0, 0),
    Insn(op.JMP | 0x10, 6, off=5, imm=SKIPPED),  # to the check of r0
    WIDE, SECOND, mov(2, 400), mov(3, 0), call("ringbuf_reserve"),
    Insn(op.JMP | 0x10, 0, off=3),
    Insn(op.ALU64 | op.X | op.MOV, 1, 0), mov(2, 0), call("ringbuf_submit"),
    mov(0, 0), EXIT,
)  # fmt: skip
ROOM = 4096 // 408


def lost(collection: Collection) -> int | None:
    with closing(Losses(collection)) as counted:
        total = counted.of_map("ring")
        return total() if total else None


def test_a_jump_to_the_instruction_after_a_send_is_not_counted() -> None:
    """Half of those that land on the counter load, and count wrong."""
    with load(object_of(*SENDS), count_losses=True) as collection:
        assert collection.forms
        assert collection.forms.uncounted == {}
        of_program = collection.programs["p"]
        of_program.run(data=bytes(SKIPPED), repeat=1000)
        assert lost(collection) == 0
        of_program.run(data=bytes(SKIPPED + 1), repeat=ROOM)
        assert lost(collection) == 0
        of_program.run(data=bytes(SKIPPED), repeat=1000)
        of_program.run(data=bytes(SKIPPED + 1), repeat=100)
        assert lost(collection) == 100


def test_without_it_nothing_is_known() -> None:
    with load(object_of(*SENDS)) as collection:
        assert collection.forms is None
        assert lost(collection) is None
        assert [*collection.maps] == ["ring"]


def test_a_program_of_64_maps_runs_without(caplog: pytest.LogCaptureFixture) -> None:
    """The kernel takes no more maps a program: the counters are one too many."""
    caplog.set_level(logging.INFO)
    maps = tuple([MapSpec(f"m{n}", ".maps", MapType.ARRAY, 4, 4, 1) for n in range(63)])
    given = object_of(*SENDS, maps=maps)
    loads = [insn for _ in maps for insn in (WIDE._replace(dst=7), SECOND)]
    refs = [MapRef(2 * n, map_spec.name) for n, map_spec in enumerate(maps)]
    full = given.programs[0]
    full = full._replace(insns=(*loads, *full.insns), refs=(*refs, MapRef(3 + len(loads), "ring")))
    with load(given._replace(programs=(full,)), count_losses=True) as collection:
        assert collection.forms
        (reason,) = collection.forms.uncounted.values()
        assert reason.endswith("total number of maps per program has reached the limit of 64")
        assert lost(collection) is None
        collection.programs["p"].run(data=bytes(SKIPPED), repeat=1)
    assert f"program 'p': losses are not counted: {reason}" in caplog.messages


def test_a_program_that_is_refused_in_every_form() -> None:
    """The message is about the program as it is in the object."""
    bad = object_of(*SENDS[:-2], EXIT)  # it does not set r0
    with pytest.raises(VerifierError) as counted:
        load(bad, count_losses=True)
    with pytest.raises(VerifierError) as plain:
        load(bad)
    assert str(counted.value) == str(plain.value)
    assert losses.MAP not in counted.value.log


def test_without_the_capability_to_compare_pointers() -> None:
    """The verifier then takes a test for equality only."""
    code = f"""
from beepy.collection.load import load
from beepy.rewrite import losses
from tests.kernel import test_forms as here
from tests.support import capabilities

capabilities.keep(["CAP_BPF", "CAP_NET_ADMIN"])
with load(here.object_of(*here.SENDS), count_losses=True) as collection:
    assert collection.forms.uncounted == {{}}, collection.forms.uncounted
    collection.programs["p"].run(data=bytes(65), repeat={ROOM + 7})
    assert here.lost(collection) == 7
"""
    child.run(code)


def test_the_counters_are_frozen() -> None:
    with load(object_of(*SENDS), count_losses=True) as collection:
        with pytest.raises(KernelError, match="EPERM"):
            collection.maps[losses.MAP].update(bytes(4), bytes(8))
        collection.programs["p"].run(data=bytes(65), repeat=ROOM + 1)
        assert lost(collection) == 1


@pytest.mark.parametrize("flags", [MapFlag.MMAPABLE, MapFlag(0)])
def test_slots(flags: MapFlag) -> None:
    """A kernel that cannot map arrays looks the counters up."""
    with kernel_map.create(MapType.ARRAY, "counters", 4, 24, 1, flags=flags) as counters:
        counters.update(bytes(4), struct.pack("3Q", 1, 20, 1 << 40))
        with closing(Slots(counters)) as slots:
            assert slots.total([0, 1]) == 21
            counters.update(bytes(4), struct.pack("3Q", 2, 20, 1 << 40))
            assert slots.total([0, 2]) == 2 + (1 << 40)
            assert slots.total([]) == 0
