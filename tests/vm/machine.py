"""One virtual machine: qemu without KVM, two processors, a console and a port for results."""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from shutil import which
from typing import Any, Final, NamedTuple

from tests.vm.apt import Unavailable

LIMIT: Final = 120.0  # seconds from start to power-off, on a machine that does nothing else
_TOLD: Final = 80  # lines of the console


class Architecture(NamedTuple):
    """``console`` and ``results`` are device files of the guest; what ``port`` makes is the latter."""

    program: str
    options: tuple[str, ...]
    port: str
    console: str
    results: str
    append: str = ""


ARCHITECTURES: Final = {
    "amd64": Architecture(
        "qemu-system-x86_64",
        ("-machine", "q35", "-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max"),
        "isa-serial",
        "ttyS0",
        "ttyS1",
        "mitigations=off tsc=unstable clocksource=acpi_pm",  # an emulated TSC is calibrated wrongly on a busy machine
    ),
    "arm64": Architecture(
        "qemu-system-aarch64",
        ("-machine", "virt", "-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max,pauth-impdef=on"),
        "pci-serial",
        "ttyAMA0",
        "ttyS0",
    ),
}


class Ran(NamedTuple):
    """What came out: ``results`` are the JSON lines; ``console`` ends with the reason where there are none."""

    results: list[Any]
    console: str
    seconds: float


def boot(image: Path, initramfs: Path, arch: str) -> Ran:
    """Start the kernel, and return once it has powered itself off, or was ended after LIMIT. Raises Unavailable."""
    machine = ARCHITECTURES[arch]
    if not which(machine.program):
        raise Unavailable(f"not installed: {machine.program}")
    with tempfile.TemporaryDirectory() as folder:
        console, results = (Path(folder) / name for name in ("console", "results"))
        append = (
            f"console={machine.console} results={machine.results} rdinit=/init panic=-1 quiet nokaslr nowatchdog"
            f" random.trust_cpu=on {machine.append}"
        )
        command = [
            *(machine.program, *machine.options, "-m", "1G", "-smp", "2"),
            *("-nographic", "-nodefaults", "-no-user-config", "-no-reboot", "-monitor", "none"),
            *("-kernel", str(image), "-initrd", str(initramfs)),
            *("-serial", f"file:{console}"),
            *("-chardev", f"file,id=results,path={results}", "-device", f"{machine.port},chardev=results"),
            *("-append", append),
        ]
        limit = LIMIT * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        began = time.monotonic()
        try:
            ended = subprocess.run(
                command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit
            )
            why = ended.stderr
        except subprocess.TimeoutExpired:
            why = f"ended after {limit:.0f} s"
        lines = results.read_text(errors="replace").splitlines() if results.exists() else []
        told = console.read_text(errors="replace").splitlines()[-_TOLD:] if console.exists() else []
    return Ran(
        [json.loads(line) for line in lines if line.endswith("}")], "\n".join([*told, why]), time.monotonic() - began
    )
