"""How the running kernel was configured: ``CONFIG_*`` of /boot/config-RELEASE, else of /proc/config.gz, as libbpf."""

import os
from functools import cache
from pathlib import Path

from beepy.errors import KernelError


@cache
def options() -> dict[str, str]:
    """Return every option that is set, with its value as written: ``y``, ``m``, ``250``, ``0xff``, ``"text"``.

    Raises KernelError: ENOENT where neither file is there.
    """
    import gzip  # noqa: PLC0415 - few objects ask for options

    boot = Path("/boot") / f"config-{os.uname().release}"
    proc = Path("/proc/config.gz")
    try:
        text = boot.read_text("utf-8", "replace") if boot.exists() else gzip.decompress(proc.read_bytes()).decode()
    except (OSError, EOFError, ValueError) as error:
        number = error.errno or 0 if isinstance(error, OSError) else 0
        raise KernelError(f"kernel configuration: neither {boot} nor {proc} can be read", number) from error
    return parse(text)


def parse(text: str) -> dict[str, str]:
    """Return the options in ``text``; lines that set none are passed over."""
    lines = (line.strip() for line in text.splitlines())
    return dict(line.split("=", 1) for line in lines if line.startswith("CONFIG_") and "=" in line)
