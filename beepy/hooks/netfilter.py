"""Netfilter hooks of a network namespace."""

import errno

from beepy import uapi
from beepy.errors import AttachError, TargetError
from beepy.hooks.interface import enter_netns
from beepy.hooks.target import Target
from beepy.kernel import link
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.text import safe


def attach(program: Program, target: Target) -> Link:
    """Attach to the netfilter hook FAMILY/HOOK[/PRIORITY] of --attach; the default priority is 0.

    Raises AttachError.
    """
    family, _, rest = target.name.partition("/")
    hook, _, priority = rest.partition("/")
    name = safe(program.name)
    try:
        numbers = uapi.NFPROTO[family], uapi.NF_INET[hook], int(priority or "0")
    except (KeyError, ValueError):
        where = f"program '{name}': netfilter '{safe(target.name)}'"
        why = "expected FAMILY/HOOK or FAMILY/HOOK/PRIORITY"
        error = TargetError(f"{where}: {why}", program.name)
        families, hooks = ", ".join(uapi.NFPROTO), ", ".join(uapi.NF_INET)
        error.add_note(f"--attach {name}=ipv4/input; families: {families}; hooks: {hooks}")
        raise error from None
    with enter_netns(program, target.netns):
        try:
            return link.netfilter(program, *numbers)
        except AttachError as error:
            if error.errno == errno.EBUSY:
                advice = f"--attach {name}=FAMILY/HOOK/PRIORITY"
                error.add_note(f"another program has that priority: {advice}")
            raise
