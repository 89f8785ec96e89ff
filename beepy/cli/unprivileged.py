"""What somebody is told who may not do what was asked: how to do it as root, or with which capabilities."""

import os
import re
import shlex
import sys
from collections.abc import Sequence
from errno import EACCES, EPERM
from typing import Final

from beepy.analysis import requirements
from beepy.errors import BeepyError, KernelError, VerifierError, errno_text
from beepy.kernel import privilege, samples
from beepy.oci import lookup
from beepy.oci.options import Options
from beepy.source import parse_all
from beepy.uapi import MapType

_PASSWORD: Final = re.compile(r"^(-p=?|--password=).+")


def check() -> None:
    """Raise KernelError if this process may load nothing: before an image is pulled and relocated for nothing.

    The kernel is asked: without CAP_BPF it may still allow it (kernel.unprivileged_bpf_disabled, a security module).
    """
    if not privilege.lacking({"CAP_BPF"}):
        return
    try:
        samples.create_map(MapType.ARRAY, samples.sample(MapType.ARRAY))
    except KernelError as error:
        why = privilege.why_refused({"CAP_BPF"})
        raise KernelError(f"bpf: {errno_text(EPERM)}: {why}", error.errno or 0) from error


def advise(error: BeepyError, images: Sequence[str], options: Options) -> None:
    """Add to an error for want of privilege what may be typed instead, and what the images need."""
    forbidden = isinstance(error, KernelError) and error.errno in (EPERM, EACCES)
    if (not forbidden or isinstance(error, VerifierError)) and "CAP_" not in str(error):
        return
    if os.geteuid() and "CAP_SYS_ADMIN" not in privilege.capabilities():
        error.add_note(f"run it as root: sudo {_command_line()}")
    try:
        needed = _needed(images, options)
    except BeepyError:
        error.add_note(f"or as a user with the capabilities that it needs: beepy describe {shlex.quote(images[0])}")
        return
    if privilege.lacking(needed):
        error.add_note(f"or as a user with these capabilities (docs/privileges.md): {', '.join(needed)}")


def _needed(images: Sequence[str], options: Options) -> list[str]:
    """Return the capabilities that suffice for the images; no registry is asked. Raises BeepyError."""
    found = [lookup.find(name, options._replace(pull="never")) for name in images]
    specs = [spec for image in found for spec in parse_all(image, warn=False)]
    return sorted({one.name for spec in specs for one in requirements.of_collection(spec)[0].capabilities})


def _command_line() -> str:
    """Return how this process was started, for a shell, with the full path and without a password."""
    path, *arguments = sys.argv
    as_module = os.path.basename(path) == "__main__.py"  # noqa: PTH119
    program = [sys.executable, "-m", "beepy"] if as_module else [os.path.abspath(path)]  # noqa: PTH100 - links stay
    kept = [f"{name}={os.environ[name]}" for name in ("BEEPY_STORAGE", "BEEPY_CONFIG_DIR") if name in os.environ]
    if kept:
        program = ["env", *kept, *program]  # sudo keeps no environment
    words = [_PASSWORD.sub(r"\1...", word) for word in arguments]
    for number, word in enumerate(words[:-1]):
        if word in {"-p", "--password"}:
            words[number + 1] = "..."
    return shlex.join([*program, *words])
