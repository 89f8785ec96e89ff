"""Objects of bpf/ and bpf/test/, compiled by what there is."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from bpf import build


def objects(folder: Path, names: Iterable[str] = (), clang: str = "") -> dict[str, Path]:
    """Compile the named sources (none: all) into ``folder``; skip the test where that clang, or any, is missing."""
    return build.objects(folder, need(clang), names)


def need(clang: str = "") -> str:
    """Return that clang, or any; skip the test where it is missing."""
    found = clang or build.compiler()
    if not shutil.which(found):
        pytest.skip(f"not installed: {found or 'clang'}")
    if not shutil.which("llvm-strip") and not shutil.which(found.replace("clang", "llvm-strip")):
        pytest.skip("not installed: llvm-strip")
    return found
