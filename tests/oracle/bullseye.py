"""clang 11, the oldest that is supported: from Debian 11 by apt, unpacked, never installed."""

import shutil
import subprocess
from functools import cache as once
from pathlib import Path
from typing import Final

from tests.vm import cache
from tests.vm.apt import Apt, Unavailable

NAME: Final = "clang-11"

_PACKAGES: Final = (NAME, "libclang-cpp11", "libllvm11", "libffi7")
_WRAPPER: Final = """#!/bin/sh
here=${0%/*}
LD_LIBRARY_PATH=$here/usr/lib/x86_64-linux-gnu exec "$here/usr/lib/llvm-11/bin/clang" "$@"
"""


@once
def clang() -> tuple[str, str]:
    """Return the command of clang 11, or "" and why there is none."""
    if shutil.which(NAME):
        return NAME, ""
    try:
        wrapper = cache.kept(f"{NAME}-amd64", _make) / NAME
    except Unavailable as error:
        return "", f"not installed: {NAME}, and not to be had from Debian 11: {error}"
    # the C library and a few others are this machine's
    if subprocess.run([wrapper, "--version"], capture_output=True, check=False).returncode:
        return "", f"not installed: {NAME}, and Debian 11's does not run here"
    return str(wrapper), ""


def _make(root: Path, new: Path) -> None:
    apt = Apt(root, ("bullseye",), "amd64")
    apt.names(NAME)
    apt.unpack_all(_PACKAGES, new)
    wrapper = new / NAME
    wrapper.write_text(_WRAPPER)
    wrapper.chmod(0o755)
