"""How the running kernel was configured: ``CONFIG_*`` of /boot/config-RELEASE, else of /proc/config.gz, as libbpf.

Beyond libbpf of /lib/modules/RELEASE/config, where Debian's packages of v7.3 have it.
"""

import errno
import os
from functools import cache
from pathlib import Path
from typing import Final

from beepy.errors import KernelError, errno_text

_PLACES: Final = ("/boot/config-{}", "/proc/config.gz", "/lib/modules/{}/config")  # each with uname's release


@cache
def options() -> dict[str, str]:
    """Return every option that is set, with its value as written: ``y``, ``m``, ``250``, ``0xff``, ``"text"``.

    Raises KernelError: ENOENT where this user can read none of the files.
    """
    import gzip  # noqa: PLC0415 - few objects ask for options
    import zlib  # noqa: PLC0415

    places = [Path(place.format(os.uname().release)) for place in _PLACES]
    found = next((place for place in places if os.access(place, os.R_OK)), None)
    if found is None:
        error = KernelError(f"kernel configuration: none of {', '.join(map(str, places))} can be read", errno.ENOENT)
        error.add_note("to a container, docker run -v /boot:/boot:ro gives the host's")
        raise error
    try:
        data = found.read_bytes()
        return parse((gzip.decompress(data) if found.suffix == ".gz" else data).decode("utf-8", "replace"))
    except (OSError, EOFError, zlib.error) as error:
        number = error.errno or 0 if isinstance(error, OSError) else 0
        why = errno_text(number) if number else "not a gzip file"
        raise KernelError(f"kernel configuration: {found}: {why}", number) from error


def parse(text: str) -> dict[str, str]:
    """Return the options in ``text``; lines that set none are passed over."""
    lines = (line.strip() for line in text.splitlines())
    return dict(line.split("=", 1) for line in lines if line.startswith("CONFIG_") and "=" in line)
