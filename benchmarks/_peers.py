"""Programs to measure beepy with and against: C programs compiled here, and installed tools."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
_SCRIPT: Final = Path(sys.executable).with_name("beepy")
BEEPY: Final = (str(_SCRIPT),) if _SCRIPT.exists() else (sys.executable, "-m", "beepy")
MARK: Final = "beepy-exits"
"""The name of the processes that ``exits`` starts."""

_CLONE_NEWNS: Final = 0x00020000


def compile_c(source: str, target: Path, *libraries: str) -> Path:
    """Compile a C source of this directory; return ``target``. Raises SystemExit on failure."""
    compiler = next(filter(shutil.which, ("gcc", "clang")), None)
    if compiler is None:
        raise SystemExit(f"{source}: neither gcc nor clang found")
    flags = ("-O2", "-Wall", "-Wextra", "-Wno-unused-parameter")
    link_flags = [f"-l{library}" for library in libraries]
    command = [compiler, *flags, str(ROOT / "benchmarks" / source), "-o", str(target), *link_flags]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit(f"failed: {' '.join(command)}")
    return target


def clean_environment() -> dict[str, str]:
    """Return the environment without Python's variables: bytecode is cached, as for users."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def tool(name: str) -> str:
    """Return the path of a program, "" if it is not installed."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""


def mount_tracing() -> None:
    """Mount tracefs and debugfs, for libbpf-tools and bee, in a mount namespace of this process."""
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS):
        raise SystemExit(f"unshare: {os.strerror(ctypes.get_errno())}: benchmarks run as root")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    mounts = (("debugfs", "/sys/kernel/debug"), ("tracefs", "/sys/kernel/tracing"))
    for kind, directory in mounts:
        if not os.path.ismount(directory):
            subprocess.run(["mount", "-t", kind, kind, directory], check=True)


@contextmanager
def exits(directory: Path, per_second: int) -> Iterator[None]:
    """Start processes named MARK that exit at once, at a steady rate while the block runs."""
    with subprocess.Popen([compile_c("exits.c", directory / MARK), str(per_second)]) as process:
        try:
            yield
        finally:
            process.kill()
