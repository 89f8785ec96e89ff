"""Older forms of programs and types.

This kernel has all features; the tests replace the answers of probes.
"""

import errno
import logging
from collections.abc import Iterator

import pytest

from beepy.collection import fallbacks
from beepy.collection.fallbacks import Variant
from beepy.errors import KernelError, VerifierError
from beepy.features import Feature
from beepy.kernel import features, program
from beepy.kernel.program import Program
from beepy.obj.insn import CALL, EXIT, Insn, encode
from beepy.obj.parse import parse
from beepy.sections import find
from beepy.uapi import HELPERS, NO_ATTACH_TYPE, AttachType
from tests.support import child
from tests.support.lacking import lack

pytestmark = pytest.mark.kernel

_MOV64_IMM, _MOV64_REG, _ADD64_IMM = 0xB7, 0xBF, 0x07
_RETURN = (Insn(_MOV64_IMM), Insn(EXIT))


def calling(name: str) -> Insn:
    return Insn(CALL, imm=HELPERS.index(name))


def load(
    insns: tuple[Insn, ...], section: str = "raw_tp", *, refuse: str = ""
) -> tuple[Program, tuple[Insn, ...]]:
    """Load a program or an older form of it; return the instructions that were accepted too.

    The kernel refuses calls of ``refuse``, as an old kernel would.
    """
    hook = find(section)
    assert hook
    submitted = insns

    def submit(variant: Variant) -> Program:
        nonlocal submitted
        submitted = variant.insns
        code = [
            insn._replace(imm=10_000) if refuse and insn == calling(refuse) else insn
            for insn in variant.insns
        ]
        code_bytes = encode(tuple(code))
        return program.load(
            "old", section, hook.prog_type, code_bytes, "GPL", attach_type=variant.attach_type
        )

    return fallbacks.first_accepted("old", fallbacks.variants(insns, hook), submit), submitted


def test_the_boot_clock_is_replaced_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(
        features, "has_helper", lambda number: number != HELPERS.index("ktime_get_boot_ns")
    )
    insns = (calling("ktime_get_boot_ns"), *_RETURN)
    loaded, given = load(insns, refuse="ktime_get_boot_ns")
    loaded.close()
    assert given == (calling("ktime_get_ns"), *_RETURN)
    (record,) = [record for record in caplog.records if record.name == fallbacks.__name__]
    assert record.levelno == logging.WARNING
    assert (
        record.getMessage()
        == "program 'old': timestamps exclude suspend: this kernel has no ktime_get_boot_ns"
    )


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ("probe_read_kernel", "probe_read"),
        ("probe_read_user", "probe_read"),
        ("probe_read_kernel_str", "probe_read_str"),
        ("probe_read_user_str", "probe_read_str"),
    ],
)
def test_a_missing_helper_is_replaced(
    newer: str, older: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "has_helper", lambda number: number != HELPERS.index(newer))
    to_stack = (
        Insn(_MOV64_REG, 1, 10),
        Insn(_ADD64_IMM, 1, imm=-8),
        Insn(_MOV64_IMM, 2, imm=8),
        Insn(_MOV64_IMM, 3),
    )
    loaded, given = load((*to_stack, calling(newer), *_RETURN), refuse=newer)
    loaded.close()
    assert given == (*to_stack, calling(older), *_RETURN)


def test_a_helper_that_the_kernel_has_is_kept() -> None:
    with pytest.raises(VerifierError):
        load((calling("probe_read_kernel"), *_RETURN))  # its arguments are missing


def test_an_optional_attach_type_is_omitted(monkeypatch: pytest.MonkeyPatch) -> None:
    lack(monkeypatch, Feature.EXP_ATTACH_TYPE)
    hook = find("xdp")
    assert hook
    asked = []

    def submit(variant: Variant) -> Program:
        asked.append(variant.attach_type)
        insns = variant.insns[:1] if variant.attach_type else variant.insns
        return program.load("x", "xdp", hook.prog_type, encode(insns), "GPL")

    insns = (Insn(_MOV64_IMM, imm=2), Insn(EXIT))
    fallbacks.first_accepted("x", fallbacks.variants(insns, hook), submit).close()
    assert asked == [AttachType.XDP, AttachType(0)]


def test_no_older_form_is_built_if_the_first_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "has_helper", lambda number: pytest.fail(f"asked for {number}"))
    loaded, submitted = load((calling("ktime_get_boot_ns"), *_RETURN))
    loaded.close()
    assert submitted == (calling("ktime_get_boot_ns"), *_RETURN)


def test_the_last_refusal_is_raised_and_unused_warnings_are_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tried = []

    def submit(variant: Variant) -> Program:
        tried.append(variant)
        raise KernelError(f"refused {len(tried)}", errno.EINVAL)

    variants = [Variant(_RETURN, NO_ATTACH_TYPE, ("a warning",), ("a note",)) for _ in range(3)]
    with pytest.raises(KernelError, match="refused 3"):
        fallbacks.first_accepted("x", variants, submit)
    assert tried == variants
    assert not caplog.records


def test_no_older_program_is_tried_after_eperm() -> None:
    def submit(_: Variant) -> Program:
        raise KernelError("forbidden", errno.EPERM)

    def variants() -> Iterator[Variant]:
        yield Variant(_RETURN, NO_ATTACH_TYPE)
        pytest.fail("asked for another form")

    with pytest.raises(KernelError, match="forbidden"):
        fallbacks.first_accepted("x", variants(), submit)


def test_types_are_loaded_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "has", lambda feature: pytest.fail(f"asked for {feature}"))
    spec = parse(_object(), "typed")
    types = fallbacks.load_types(spec)
    assert types
    assert types.functions
    types.fd.close()


def test_no_older_types_are_tried_after_eperm() -> None:
    output = child.run(
        """
import errno
from beepy import uapi
from beepy.collection import fallbacks
from beepy.errors import KernelError
from beepy.sys import call
from beepy.obj.parse import parse
from tests.kernel.test_fallbacks import _object
from tests.support.seccomp import refuse

spec = parse(_object(), "typed")
refuse(call.numbers().bpf, errno.EPERM, first_argument=uapi.Cmd.BTF_LOAD)
try:
    fallbacks.load_types(spec)
except KernelError as error:
    print(error)
"""
    )
    assert output == "btf: load: operation not permitted (EPERM)\n"


def test_a_kernel_without_btf_gets_no_types() -> None:
    output = child.run(
        """
import errno
from beepy import uapi
from beepy.collection import fallbacks
from beepy.sys import call
from beepy.obj.parse import parse
from tests.kernel.test_fallbacks import _object
from tests.support.seccomp import refuse

spec = parse(_object(), "typed")
refuse(call.numbers().bpf, errno.EINVAL, first_argument=uapi.Cmd.BTF_LOAD)
print(fallbacks.load_types(spec))
"""
    )
    assert output == "None\n"


def _object() -> bytes:
    from beepy.oci.lookup import bundled_store

    return bundled_store().get("exitsnoop").programs[0]
