import errno
import struct

import pytest

from beepy.errors import KernelError, VerifierError
from beepy.kernel import map as maps
from beepy.kernel import program
from beepy.obj.insn import CALL, EXIT, Insn, encode
from beepy.uapi import MapType, ProgFlag, ProgType
from tests.support import pids, programs

pytestmark = pytest.mark.kernel

TRACE_PRINTK = 6
JLT_K = 0xA5


def test_runs_a_packet_program() -> None:
    packet = bytes(range(64))
    with program.load("seven", "tc", ProgType.SCHED_CLS, programs.returns(7), "GPL") as loaded:
        result = loaded.run(data=packet)
    assert result.retval == 7
    assert result.data == packet
    assert result.duration >= 0


def test_runs_a_packet_program_with_a_context() -> None:
    sk_buff = bytearray(192)  # struct __sk_buff
    struct.pack_into("=I", sk_buff, 8, 42)  # its mark
    with program.load("tc", "tc", ProgType.SCHED_CLS, programs.returns(0), "GPL") as loaded:
        result = loaded.run(bytes(sk_buff), bytes(64), repeat=3)
    assert len(result.ctx) == 192
    assert struct.unpack_from("=I", result.ctx, 8) == (42,)
    assert len(result.data) == 64


def test_runs_a_raw_tracepoint_program() -> None:
    with program.load(
        "raw", "raw_tp", ProgType.RAW_TRACEPOINT, programs.returns(3), "GPL"
    ) as loaded:
        assert loaded.run(bytes(16)).retval == 3


def test_a_syscall_program_writes_to_its_context() -> None:
    store = encode(
        (Insn(programs.ST_W, 1, off=4, imm=99), Insn(programs.MOV_K, 0, imm=0), Insn(EXIT))
    )
    with program.load(
        "sys", "syscall", ProgType.SYSCALL, store, "GPL", flags=ProgFlag.SLEEPABLE
    ) as loaded:
        assert loaded.run(struct.pack("=II", 1, 2)).ctx == struct.pack("=II", 1, 99)


def test_running_an_unsupported_type_is_enotsupp() -> None:
    with (
        program.load("tp", "tp", ProgType.TRACEPOINT, programs.returns(0), "GPL") as loaded,
        pytest.raises(KernelError, match="program 'tp': test run: ") as caught,
    ):
        loaded.run()
    assert caught.value.errno == 524


def test_a_verifier_error_has_the_log() -> None:
    with pytest.raises(VerifierError) as caught:
        program.load("bad\n", "socket", ProgType.SOCKET_FILTER, programs.unreachable(), "GPL")
    assert (
        str(caught.value)
        == r"program 'bad\x0a': load: invalid argument (EINVAL): unreachable insn 1"
    )
    assert caught.value.errno == errno.EINVAL
    assert caught.value.log.startswith("unreachable insn 1\n")


def test_a_long_log_is_read_completely() -> None:
    body = [Insn(programs.MOV_K, 0, imm=number) for number in range(8000)]
    code = encode((*body, Insn(programs.MOV_X, 0, 5), Insn(EXIT)))  # r5 was never written
    with pytest.raises(VerifierError) as caught:
        program.load("long", "socket", ProgType.SOCKET_FILTER, code, "GPL")
    assert len(caught.value.log) > 1 << 18
    assert "R5 !read_ok" in caught.value.log
    assert str(caught.value).endswith(": R5 !read_ok")
    assert caught.value.log.startswith(("0: ", "func#0", "Live regs"))


def test_the_reason_survives_a_log_that_is_too_long() -> None:
    step = Insn(programs.ADD_K, 1, imm=1)
    again = Insn(JLT_K, 1, off=-2, imm=250_000)
    endless = (Insn(programs.MOV_K, 1, imm=0), step, again, Insn(programs.MOV_X, 0, 5), Insn(EXIT))
    with pytest.raises(VerifierError) as caught:
        program.load("endless", "socket", ProgType.SOCKET_FILTER, encode(endless), "GPL")
    assert caught.value.errno == errno.EACCES
    assert str(caught.value).startswith("program 'endless': load: permission denied (EACCES): ")
    assert len(caught.value.log) > 1 << 23


def test_a_refusal_without_a_log_is_not_a_verifier_error() -> None:
    with pytest.raises(KernelError) as caught:
        program.load("empty", "socket", ProgType.SOCKET_FILTER, b"", "GPL")
    assert not isinstance(caught.value, VerifierError)
    assert str(caught.value) in {
        "program 'empty': load: argument list too long (E2BIG)",
        "program 'empty': load: invalid argument (EINVAL)",
    }


def test_log_level_returns_a_log() -> None:
    code = programs.returns(0)
    with program.load("quiet", "socket", ProgType.SOCKET_FILTER, code, "GPL") as quiet:
        assert quiet.log == ""
    with program.load(
        "logged", "socket", ProgType.SOCKET_FILTER, code, "GPL", log_level=1
    ) as logged:
        assert "processed 2 insns" in logged.log


def test_the_verifier_gets_the_license() -> None:
    call = encode((Insn(CALL, imm=TRACE_PRINTK), Insn(EXIT)))
    with pytest.raises(VerifierError, match="GPL"):
        program.load("other", "raw_tp", ProgType.RAW_TRACEPOINT, call, "Proprietary")
    with pytest.raises(VerifierError) as caught:  # the next check fails: the arguments are missing
        program.load("gpl", "raw_tp", ProgType.RAW_TRACEPOINT, call, "Dual BSD/GPL")
    assert "GPL" not in caught.value.log


def test_a_program_counts_in_a_map() -> None:
    with maps.create(MapType.ARRAY, "counter", 4, 8, 1) as counter:
        code = programs.counts(counter, pids.seen())
        with program.load("count", "raw_tp", ProgType.RAW_TRACEPOINT, code, "GPL") as loaded:
            for _ in range(5):
                loaded.run()
        assert counter.lookup(bytes(4)) == (5).to_bytes(8, "little")
