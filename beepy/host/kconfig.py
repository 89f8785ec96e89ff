"""The configuration of the running kernel (``CONFIG_*``).

It is read from /boot/config-RELEASE or /proc/config.gz, as libbpf does. libbpf does not read
/lib/modules/RELEASE/config, where Debian's packages of v7.3 have it.
"""

import errno
import os
from functools import cache
from pathlib import Path
from typing import Final

from beepy.errors import KernelError, errno_text

_PATHS: Final = (
    "/boot/config-{}",
    "/proc/config.gz",
    "/lib/modules/{}/config",
)  # {} is uname's release


@cache
def options() -> dict[str, str]:
    """Return the options that are set, with their values as written: ``y``, ``250``, ``"text"``.

    Raises KernelError: ENOENT if none of the files exists and can be read by this user.
    """
    import gzip  # noqa: PLC0415 - few objects ask for options
    import zlib  # noqa: PLC0415

    paths = [Path(path.format(os.uname().release)) for path in _PATHS]
    file = next((path for path in paths if os.access(path, os.R_OK)), None)
    if file is None:
        where = "kernel configuration"
        error = KernelError(
            f"{where}: none of {', '.join(map(str, paths))} can be read", errno.ENOENT
        )
        error.add_note("in a container, mount the host's: docker run -v /boot:/boot:ro")
        raise error
    try:
        data = file.read_bytes()
        return parse(
            (gzip.decompress(data) if file.suffix == ".gz" else data).decode("utf-8", "replace")
        )
    except (OSError, EOFError, zlib.error) as error:
        number = error.errno or 0 if isinstance(error, OSError) else 0
        why = errno_text(number) if number else "not a gzip file"
        raise KernelError(f"kernel configuration: {file}: {why}", number) from error


def parse(text: str) -> dict[str, str]:
    """Return the options in ``text``; other lines are ignored."""
    lines = (line.strip() for line in text.splitlines())
    return dict(line.split("=", 1) for line in lines if line.startswith("CONFIG_") and "=" in line)
