"""What is done in an older way. This kernel lacks nothing of it: it is the probe's answer that is an old kernel's."""

import logging

import pytest

from beepy.collection import fallbacks
from beepy.errors import VerifierError
from beepy.features import Feature
from beepy.hooks import find
from beepy.kernel import features, program
from beepy.kernel.program import Program
from beepy.obj.insn import CALL, EXIT, Insn, encode
from beepy.obj.parse import parse
from beepy.uapi import HELPERS, AttachType
from tests.support import child
from tests.support.lacking import lack

pytestmark = pytest.mark.kernel

_MOV64_IMM, _MOV64_REG, _ADD64_IMM = 0xB7, 0xBF, 0x07
_RETURN = (Insn(_MOV64_IMM), Insn(EXIT))


def calling(name: str) -> Insn:
    return Insn(CALL, imm=HELPERS.index(name))


def load(insns: tuple[Insn, ...], section: str = "raw_tp", *, refuse: str = "") -> tuple[Program, tuple[Insn, ...]]:
    """Load by way of the fallbacks; a call of ``refuse`` becomes one that the kernel refuses, as an old one would."""
    hook = find(section)
    assert hook
    given = insns

    def attempt(insns: tuple[Insn, ...], attach_type: AttachType) -> Program:
        nonlocal given
        given = insns
        code = [insn._replace(imm=10_000) if refuse and insn == calling(refuse) else insn for insn in insns]
        return program.load("old", section, hook.prog_type, encode(tuple(code)), "GPL", attach_type=attach_type)

    return fallbacks.load_program(attempt, "old", insns, hook), given


def test_the_clock_that_counts_suspension_gives_way(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(features, "has_helper", lambda number: number != HELPERS.index("ktime_get_boot_ns"))
    insns = (calling("ktime_get_boot_ns"), *_RETURN)
    loaded, given = load(insns, refuse="ktime_get_boot_ns")
    loaded.close()
    assert given == (calling("ktime_get_ns"), *_RETURN)
    (record,) = [record for record in caplog.records if record.name == fallbacks.__name__]
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "program 'old': times do not count suspension: this kernel has no ktime_get_boot_ns"


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ("probe_read_kernel", "probe_read"),
        ("probe_read_user", "probe_read"),
        ("probe_read_kernel_str", "probe_read_str"),
        ("probe_read_user_str", "probe_read_str"),
    ],
)
def test_memory_is_read_as_before(newer: str, older: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "has_helper", lambda number: number != HELPERS.index(newer))
    to_stack = (Insn(_MOV64_REG, 1, 10), Insn(_ADD64_IMM, 1, imm=-8), Insn(_MOV64_IMM, 2, imm=8), Insn(_MOV64_IMM, 3))
    loaded, given = load((*to_stack, calling(newer), *_RETURN), refuse=newer)
    loaded.close()
    assert given == (*to_stack, calling(older), *_RETURN)


def test_what_the_kernel_has_is_not_replaced() -> None:
    with pytest.raises(VerifierError):
        load((calling("probe_read_kernel"), *_RETURN))  # its arguments are missing


def test_an_attach_type_that_is_optional_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    lack(monkeypatch, Feature.EXP_ATTACH_TYPE)
    hook = find("xdp")
    assert hook
    asked = []

    def attempt(insns: tuple[Insn, ...], attach_type: AttachType) -> Program:
        asked.append(attach_type)
        wrong = attach_type or AttachType(0)
        return program.load("x", "xdp", hook.prog_type, encode(insns if not wrong else insns[:1]), "GPL")

    fallbacks.load_program(attempt, "x", (Insn(_MOV64_IMM, imm=2), Insn(EXIT)), hook).close()
    assert asked == [AttachType.XDP, AttachType(0)]


def test_types_are_loaded_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "has", lambda feature: pytest.fail(f"asked for {feature}"))
    spec = parse(_object(), "typed")
    types = fallbacks.load_types(spec)
    assert types
    assert types.functions
    types.fd.close()


def test_without_permission_nothing_else_is_tried() -> None:
    told = child.run(
        """
import errno
from beepy import uapi
from beepy.collection import fallbacks
from beepy.errors import KernelError
from beepy.kernel import syscall
from beepy.obj.parse import parse
from tests.kernel.test_fallbacks import _object
from tests.support.seccomp import refuse

spec = parse(_object(), "typed")
refuse(syscall._numbers().bpf, errno.EPERM, first_argument=uapi.Cmd.BTF_LOAD)
try:
    fallbacks.load_types(spec)
except KernelError as error:
    print(error)
"""
    )
    assert told == "btf: load: operation not permitted (EPERM)\n"


def test_a_kernel_without_types_gets_none() -> None:
    told = child.run(
        """
import errno
from beepy import uapi
from beepy.collection import fallbacks
from beepy.kernel import syscall
from beepy.obj.parse import parse
from tests.kernel.test_fallbacks import _object
from tests.support.seccomp import refuse

spec = parse(_object(), "typed")
refuse(syscall._numbers().bpf, errno.EINVAL, first_argument=uapi.Cmd.BTF_LOAD)
print(fallbacks.load_types(spec))
"""
    )
    assert told == "None\n"


def _object() -> bytes:
    from beepy.oci.lookup import bundled_store

    return bundled_store().get("exitsnoop").programs[0]
