"""What beepy is measured with and against: our own C programs, compiled on the spot, and tools that want tracefs."""

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
"""The name of the processes of ``exits``."""

_CLONE_NEWNS: Final = 0x00020000


def compiled(source: str, target: Path, *libraries: str) -> Path:
    """Compile a C source of this folder; ends the program where that cannot be done."""
    compiler = next(filter(shutil.which, ("gcc", "clang")), None)
    if compiler is None:
        raise SystemExit(f"{source}: no gcc and no clang here")
    flags = ("-O2", "-Wall", "-Wextra", "-Wno-unused-parameter")
    linked = [f"-l{library}" for library in libraries]
    command = [compiler, *flags, str(ROOT / "benchmarks" / source), "-o", str(target), *linked]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit(f"failed: {' '.join(command)}")
    return target


def clean() -> dict[str, str]:
    """Return the environment without Python's settings: an installed beepy has its bytecode at hand."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def tool(name: str) -> str:
    """Return the path of a program, "" if it is not here."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""


def mount_tracing() -> None:
    """Mount tracefs and debugfs where libbpf's and bee's tools look for them, for this process and its children."""
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS):
        raise SystemExit(f"unshare: {os.strerror(ctypes.get_errno())}: benchmarks run as root")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    for kind, folder in (("debugfs", "/sys/kernel/debug"), ("tracefs", "/sys/kernel/tracing")):
        if not os.path.ismount(folder):
            subprocess.run(["mount", "-t", kind, kind, folder], check=True)


@contextmanager
def exits(folder: Path, per_second: int) -> Iterator[None]:
    """Let processes of the name MARK end at a steady rate, as long as the block runs."""
    with subprocess.Popen([compiled("exits.c", folder / MARK), str(per_second)]) as process:
        try:
            yield
        finally:
            process.kill()
