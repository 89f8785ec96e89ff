"""Objects of bpf/ and bpf/test/, compiled by what there is."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from beepy.toolchain.architectures import INCLUDE
from bpf import build
from tests.support.trigger import OURS

_HERE = Path(__file__).parent
_TRIGGER = f"-DTRIGGER={OURS}"


def objects(folder: Path, names: Iterable[str] = (), clang: str = "") -> dict[str, Path]:
    """Compile these sources (none: all) into ``folder``; skip the test where clang is missing."""
    return build.objects(folder, need(clang), names, (_TRIGGER,))


def compile_text(folder: Path, text: str) -> Path:
    """Compile C text, which may include files of bpf/ and ``maps.h``; skip without clang."""
    path = folder / f"{abs(hash(text)):x}.o"
    flags = ["-target", "bpf", "-O2", "-g", "-mcpu=v3", "-D__TARGET_ARCH_x86", _TRIGGER]
    includes = [f"-I{directory}" for directory in (build.SOURCES, INCLUDE, _HERE)]
    includes.append("-I/usr/include/x86_64-linux-gnu")
    subprocess.run(
        [need(), *flags, *includes, "-x", "c", "-c", "-o", path, "-"],
        input=text.encode(),
        check=True,
    )
    return path


def need(clang: str = "") -> str:
    """Return that clang, or any; skip the test where it is missing."""
    found = clang or build.compiler()
    if not shutil.which(found):
        pytest.skip(f"not installed: {found or 'clang'}")
    if not shutil.which("llvm-strip") and not shutil.which(found.replace("clang", "llvm-strip")):
        pytest.skip("not installed: llvm-strip")
    return found
