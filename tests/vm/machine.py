"""One virtual machine: qemu without KVM, two processors, a console and a port for results."""

import json
import os
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from shutil import which
from typing import Any, Final, NamedTuple

from tests.vm.apt import Unavailable

# Seconds of processors' time from start to power-off; a busy machine gives them later.
WORK: Final = 400.0
# Seconds without a line of results, but for those that it waited for a processor.
_SILENCE: Final = 240.0
_TICK: Final = os.sysconf("SC_CLK_TCK")
_STALL: Final = (
    "sysctl.kernel.panic_on_rcu_stall=1 rcupdate.rcu_cpu_stall_timeout=60"  # a hang is a panic too
)
_TOLD: Final = 80  # lines of the console


class Architecture(NamedTuple):
    """A machine: ``console`` and ``results`` are guest devices; ``port`` creates the latter."""

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
        # An emulated TSC is calibrated wrongly on a busy machine.
        "mitigations=off tsc=unstable clocksource=acpi_pm",
    ),
    "arm64": Architecture(
        "qemu-system-aarch64",
        (
            "-machine",
            "virt",
            "-accel",
            # With a thread for each, a processor now and then does not see what another has
            # patched: a tracepoint that is attached stays silent (2 of 230 attachments, 0 of 390).
            "tcg,thread=single,tb-size=256",
            "-cpu",
            "max,pauth-impdef=on",
        ),
        "pci-serial",
        "ttyAMA0",
        "ttyS0",
    ),
}


class Ran(NamedTuple):
    """The outcome of a boot: ``results`` are JSON lines; ``console`` ends with the reason.

    It took ``seconds``, and processors ``worked`` so many for it.
    """

    results: list[Any]
    console: str
    seconds: float
    worked: float


def boot(image: Path, initramfs: Path, arch: str, work: float = WORK) -> Ran:
    """Boot the kernel; return when it has powered off or was killed. Raise Unavailable."""
    machine = ARCHITECTURES[arch]
    if not which(machine.program):
        raise Unavailable(f"not installed: {machine.program}")
    with tempfile.TemporaryDirectory() as folder:
        console, results = (Path(folder) / name for name in ("console", "results"))
        append = (
            f"console={machine.console} results={machine.results} "
            "rdinit=/init panic=-1 quiet nokaslr nowatchdog"
            f" lsm=bpf random.trust_cpu=on {_STALL} {machine.append}"
        )
        command = [
            *(machine.program, *machine.options, "-m", "1G", "-smp", "2"),
            *("-nographic", "-nodefaults", "-no-user-config", "-no-reboot", "-monitor", "none"),
            *("-kernel", str(image), "-initrd", str(initramfs)),
            *("-serial", f"file:{console}"),
            *(
                "-chardev",
                f"file,id=results,path={results}",
                "-device",
                f"{machine.port},chardev=results",
            ),
            *("-append", append),
        ]
        began = time.monotonic()
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            why, worked = _watched(process, results, work)
        lines = results.read_text(errors="replace").splitlines() if results.exists() else []
        told = console.read_text(errors="replace").splitlines()[-_TOLD:] if console.exists() else []
    found = [json.loads(line) for line in lines if line.endswith("}")]
    return Ran(found, "\n".join([*told, why]), time.monotonic() - began, worked)


def _watched(
    process: subprocess.Popen[str], results: Path, work: float, silence: float = _SILENCE
) -> tuple[str, float]:
    """Return what a machine said when it ended, and the processors' time for it.

    It is ended once it has worked for too long, or been silent: it spins, or waits for what never
    comes. That it gets no processor because the host is busy is not its silence.
    """
    size, silent, worked = 0, 0.0, 0.0
    now, waited = time.monotonic(), _waits(process.pid)
    try:
        while worked < work and silent < silence:
            try:
                return process.communicate(timeout=1)[1], worked
            except subprocess.TimeoutExpired:
                worked = _processor_time(process.pid)
            if (grown := results.stat().st_size if results.exists() else 0) != size:
                size, silent = grown, 0.0
            before, now = now, time.monotonic()
            earlier, waited = waited, _waits(process.pid)
            longest = max(
                (seconds - earlier.get(thread, 0.0) for thread, seconds in waited.items()),
                default=0.0,
            )
            silent += max(0.0, now - before - longest)
    finally:
        process.kill()
    return f"ended after {worked:.0f} s of work and {silent:.0f} s of silence", worked


def _processor_time(pid: int) -> float:
    """Return the seconds that a process's threads had a processor."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK  # utime, stime


def _waits(pid: int) -> dict[str, float]:
    """Return the seconds that each thread was runnable without a processor; {} if uncounted.

    The second number of /proc/PID/task/TID/schedstat, in nanoseconds:
    Documentation/scheduler/sched-stats.rst.
    """
    waits = {}
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):  # a thread that has ended
            waits[path.parent.name] = int(path.read_text().split()[1]) / 1e9
    return waits
