"""Netfilter hooks of a network namespace."""

import errno

from beepy import uapi
from beepy.errors import AttachError, TargetError
from beepy.hooks.interface import namespace
from beepy.hooks.target import Target
from beepy.kernel import link
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.text import safe


def attach(program: Program, target: Target) -> Link:
    """Attach to the netfilter hook FAMILY/HOOK or FAMILY/HOOK/PRIORITY of --attach (0 if it names none).

    Raises AttachError.
    """
    where = f"program '{safe(program.name)}'"
    family, _, rest = target.name.partition("/")
    hook, _, priority = rest.partition("/")
    try:
        numbers = uapi.NFPROTO[family], uapi.NF_INET[hook], int(priority or "0")
    except (KeyError, ValueError):
        error = TargetError(
            f"{where}: netfilter '{safe(target.name)}': expected FAMILY/HOOK or FAMILY/HOOK/PRIORITY", program.name
        )
        families, hooks = ", ".join(uapi.NFPROTO), ", ".join(uapi.NF_INET)
        error.add_note(f"--attach {safe(program.name)}=ipv4/input; families: {families}; hooks: {hooks}")
        raise error from None
    with namespace(program, target.netns):
        try:
            return link.netfilter(program, *numbers)
        except AttachError as error:
            if error.errno == errno.EBUSY:
                error.add_note(f"another program has that priority: --attach {safe(program.name)}=FAMILY/HOOK/PRIORITY")
            raise
