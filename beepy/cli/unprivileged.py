"""Advise a user without privilege: run it as root, or with which capabilities."""

import os
import shlex
from collections.abc import Sequence
from errno import EACCES, EPERM

from beepy.analysis import requirements
from beepy.cli import sudo
from beepy.errors import BeepyError, ImageError, KernelError, VerifierError, errno_text
from beepy.features import Feature
from beepy.kernel import features, privilege, samples
from beepy.oci import lookup
from beepy.oci.options import Options
from beepy.source import parse_all
from beepy.uapi import MapType


def check() -> None:
    """Raise KernelError if this process cannot load programs, before an image is pulled in vain.

    It tries to create a map: without CAP_BPF the kernel may still allow it, depending on
    kernel.unprivileged_bpf_disabled and on security modules.
    """
    if not privilege.lacking({"CAP_BPF"}):
        return
    try:
        samples.create_map(MapType.ARRAY, samples.sample(MapType.ARRAY))
    except KernelError as error:
        why = privilege.why_refused({"CAP_BPF"})
        raise KernelError(f"bpf: {errno_text(EPERM)}: {why}", error.errno or 0) from error


def advise(error: BeepyError, images: Sequence[str], options: Options) -> None:
    """Add notes to an error caused by missing privilege: the command for root, the capabilities.

    Root has other stores: the command names the one that has the images. Raise the error of an
    image that is nowhere, instead: root could not run it either.
    """
    forbidden = isinstance(error, KernelError) and error.errno in (EPERM, EACCES)
    if (not forbidden or isinstance(error, VerifierError)) and "CAP_" not in str(error):
        return
    local = options._replace(pull="never")
    for name in images:
        if not lookup.registry_name(name, local):
            lookup.find(name, local)
    if os.geteuid() and "CAP_SYS_ADMIN" not in privilege.capabilities():
        error.add_note(f"run it as root: sudo {sudo.command_line(_store(images, local))}")
    if privilege.in_user_namespace() and features.has(Feature.TOKEN):
        command = f"beepy describe {shlex.quote(images[0])}"
        error.add_note(f"a BPF token can delegate what it needs (docs/privileges.md): {command}")
    try:
        needed = _capabilities(images, local)
    except BeepyError:
        command = f"beepy describe {shlex.quote(images[0])}"
        error.add_note(f"or as a user with the capabilities that it needs: {command}")
        return
    if privilege.lacking(needed):
        listed = ", ".join(needed)
        error.add_note(f"or as a user with these capabilities (docs/privileges.md): {listed}")


def _store(images: Sequence[str], local: Options) -> str:
    """Return the store that has the images which are neither files nor bundled.

    It is "" if there are none, if several stores have them, or if root would pull one into it.
    """
    if local.storage:  # the command line has it
        return ""
    paths = set()
    for name in images:
        try:
            store, *_ = lookup.find_stored(name, local)
        except ImageError:
            if lookup.registry_name(name, local):
                return ""
        else:
            paths.add(str(store.path))
    paths.discard(str(lookup.bundled_store().path))
    return paths.pop() if len(paths) == 1 else ""


def _capabilities(images: Sequence[str], local: Options) -> list[str]:
    """Return the capabilities that the images need. Raise BeepyError for one not found locally."""
    specs = [spec for name in images for spec in parse_all(lookup.find(name, local), warn=False)]
    capabilities = [
        cap for spec in specs for cap in requirements.of_collection(spec)[0].capabilities
    ]
    return sorted({capability.name for capability in capabilities})
