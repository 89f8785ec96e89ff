"""clang 11, the oldest that is supported: from Debian 11 by apt, unpacked into build/, never installed."""

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

NAME: Final = "clang-11"

_HOME: Final = Path(__file__).resolve().parents[2] / "build" / "bullseye"
_PACKAGES: Final = ("clang-11", "libclang-cpp11", "libllvm11", "libffi7")
_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_SOURCE: Final = f"deb [signed-by={_KEYRING}] http://deb.debian.org/debian bullseye main\n"
_WRAPPER: Final = """#!/bin/sh
LD_LIBRARY_PATH={root}/usr/lib/x86_64-linux-gnu exec {root}/usr/lib/llvm-11/bin/clang "$@"
"""
_TIMEOUT: Final = 240  # seconds for 28 MB


@cache
def clang() -> tuple[str, str]:
    """Return the command of clang 11, or "" and why there is none."""
    if shutil.which(NAME):
        return NAME, ""
    wrapper = _HOME / NAME
    if not wrapper.exists():
        if why := _lacking():
            return "", f"not installed: {NAME}, and not to be had from Debian 11: {why}"
        try:
            _fetch()
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            return "", f"not installed: {NAME}, and not to be had from Debian 11: {error}"
    # the C library and a few others are this machine's
    if subprocess.run([wrapper, "--version"], capture_output=True, check=False).returncode:
        return "", f"not installed: {NAME}, and Debian 11's does not run here"
    return str(wrapper), ""


def _lacking() -> str:
    names = [name for name in ("apt-get", "dpkg-deb") if not shutil.which(name)]
    return f"no {names[0]}" if names else "" if _KEYRING.exists() else f"no {_KEYRING}"


def _fetch() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)
    root = _HOME / "root"
    for folder in (root, _HOME / "lists" / "partial", _HOME / "archives" / "partial"):
        folder.mkdir(parents=True)
    (_HOME / "sources.list").write_text(_SOURCE)
    (_HOME / "status").touch()
    options = {
        "Dir::Etc::sourcelist": _HOME / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State::lists": _HOME / "lists",
        "Dir::State::status": _HOME / "status",
        "Dir::Cache": _HOME,
        "APT::Sandbox::User": "root",
        "APT::Architecture": "amd64",
        "Acquire::Retries": 0,
        "Acquire::http::Timeout": 20,
    }
    apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
    for command in ([*apt, "update"], [*apt, "download", *_PACKAGES]):
        subprocess.run(command, check=True, capture_output=True, cwd=_HOME, timeout=_TIMEOUT)
    for package in _HOME.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, root], check=True, capture_output=True)
        package.unlink()
    wrapper = _HOME / NAME
    wrapper.write_text(_WRAPPER.format(root=root))
    wrapper.chmod(0o755)
