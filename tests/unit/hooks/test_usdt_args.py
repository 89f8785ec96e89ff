"""Operands of two architectures, and the specs that usdt.bpf.h reads."""

import re
import struct

import pytest

from beepy.errors import ElfError
from beepy.hooks.usdt_args import Argument, encode, parse

CONST, REG, DEREF, SIB = range(4)
DI, BP, AX, IP, SP, R12 = 112, 32, 80, 128, 152, 24


def distance(symbol: str) -> int | None:
    return {"counter": 100, ".L.str": -8}.get(symbol)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-4@%edi", Argument(-4, REG, 0, DI)),
        ("8@%rdi", Argument(8, REG, 0, DI)),
        ("2@%ax", Argument(2, REG, 0, AX)),
        ("-1@%al", Argument(-1, REG, 0, AX)),
        ("1@%dil", Argument(1, REG, 0, DI)),
        ("1@%r12b", Argument(1, REG, 0, R12)),
        ("4@%r12d", Argument(4, REG, 0, R12)),
        ("4@$7", Argument(4, CONST, 7)),
        ("-4@$-9", Argument(-4, CONST, -9)),
        ("8@$0x10", Argument(8, CONST, 16)),
        ("4@$010", Argument(4, CONST, 8)),
        ("4@-010(%rdi)", Argument(4, DEREF, -8, DI)),
        ("-4@-1204(%rbp)", Argument(-4, DEREF, -1204, BP)),
        ("8@(%rsp)", Argument(8, DEREF, 0, SP)),
        ("8@16(%rsp)", Argument(8, DEREF, 16, SP)),
        ("1@-96(%rbp,%rax,8)", Argument(1, SIB, -96, BP, AX, 3)),
        ("1@(%rbp,%rax)", Argument(1, SIB, 0, BP, AX, 0)),
        ("4@counter(%rip)", Argument(4, DEREF, 100, IP)),
        ("4@counter+8(%rip)", Argument(4, DEREF, 108, IP)),
        ("4@.L.str(%rip)", Argument(4, DEREF, -8, IP)),
    ],
)
def test_operands_of_x86_64(text: str, expected: Argument) -> None:
    assert parse(text, "EM_X86_64", distance) == (expected,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-4@w0", Argument(-4, REG, 0, 0)),
        ("8@x19", Argument(8, REG, 0, 152)),
        ("8@x30", Argument(8, REG, 0, 240)),
        ("8@sp", Argument(8, REG, 0, 248)),
        ("-4@7", Argument(-4, CONST, 7)),
        ("-4@-7", Argument(-4, CONST, -7)),
        ("4@[sp, 12]", Argument(4, DEREF, 12, 248)),
        ("-8@[x0]", Argument(-8, DEREF, 0, 0)),
        ("-8@[x29,-16]", Argument(-8, DEREF, -16, 232)),
    ],
)
def test_operands_of_arm64(text: str, expected: Argument) -> None:
    assert parse(text, "EM_AARCH64", distance) == (expected,)


def test_any_number_of_arguments() -> None:
    assert len(parse("-4@%edi 8@-16(%rbp)  4@$7 ", "EM_X86_64", distance)) == 3
    assert len(parse("8@[sp, 12] 4@w1 8@[x0]", "EM_AARCH64", distance)) == 3
    assert parse("", "EM_X86_64", distance) == ()
    assert len(parse(" ".join(["8@%rax"] * 12), "EM_X86_64", distance)) == 12


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8f@%xmm0", "argument 1 of '8f@%xmm0': unknown form of operand"),
        ("8@%rax 8@%xmm0", "argument 2 of '8@%rax 8@%xmm0': unknown form of operand"),
        ("3@%rax", "argument 1 of '3@%rax': unknown form of operand"),
        ("4@%ah", "argument 1 of '4@%ah': unknown form of operand"),
        ("8@%fs:8", "argument 1 of '8@%fs:8': unknown form of operand"),
        ("8@nosuch(%rip)", r"argument 1 of '8@nosuch\(%rip\)': unknown form of operand"),
        ("8@(%nosuch)", r"argument 1 of '8@\(%nosuch\)': unknown form of operand"),
        ("8@(%rax,%nosuch,2)", "unknown form of operand"),
        ("8@(%rax,%rbx,3)", "unknown form of operand"),
        ("8", "argument 1 of '8': unknown form of operand"),
        ("4@$089", "unknown form of operand"),
        (f"4@${'9' * 4000}", "unknown form of operand"),
        (f"{'9' * 4000}@%eax", "unknown form of operand"),
        (" ".join(["8@%rax"] * 13), "more than 12 arguments"),
        ("8@" + "a" * 80_000, "^arguments of 80002 characters, at most 4096 are read$"),
        (
            "8@" + "[" * 4000,
            rf"^argument 1 of '8@{re.escape('[' * 198)}': unknown form of operand$",
        ),
    ],
)
def test_errors_name_the_argument(text: str, message: str) -> None:
    with pytest.raises(ElfError, match=message):
        parse(text, "EM_X86_64", distance)


def test_an_unknown_architecture_is_an_error() -> None:
    with pytest.raises(
        ElfError, match="arguments for EM_S390: operands of this architecture are not supported"
    ):
        parse("8@%r1", "EM_S390", distance)


def test_spec_of_libbpf_1_0() -> None:
    """As a compiler lays out struct __bpf_usdt_spec of usdt.bpf.h: 16 bytes an argument."""
    spec = encode(parse("-4@%edi 8@-16(%rbp) 2@$-1", "EM_X86_64", distance), 208)
    assert spec
    assert len(spec) == 208
    assert spec[:48] == b"".join(
        [
            struct.pack("<QIhBB", 0, REG, DI, 1, 32),
            struct.pack("<qIhBB", -16, DEREF, BP, 0, 0),
            struct.pack("<qIhBB", -1, CONST, 0, 0, 48),
        ]
    )
    assert spec[48:] == bytes(144) + bytes(8) + b"\3" + bytes(7)


def test_spec_of_libbpf_1_7() -> None:
    """24 bytes an argument: as clang -target bpf lays out the struct with bit fields."""
    spec = encode((Argument(-1, SIB, 1, 0x5566, 0x123, 15),), 304)
    assert spec
    assert len(spec) == 304
    assert spec[:24].hex(" ", 4) == "01000000 00000000 030023f1 00006655 01380000 00000000"
    assert spec[24:] == bytes(264) + bytes(8) + b"\1" + bytes(7)


def test_a_spec_that_is_too_small() -> None:
    assert encode((Argument(1, SIB, 0, 0, 8, 1),), 208) is None
    assert encode((), 100) is None
