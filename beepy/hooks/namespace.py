"""Network namespaces: socket look-up, flow dissection and netfilter hooks of a whole one."""

import errno
from typing import Final

from beepy import uapi
from beepy.errors import AttachError, KernelError, TargetError
from beepy.hooks import lasting
from beepy.hooks.failure import failed
from beepy.hooks.interface import namespace
from beepy.hooks.target import Target
from beepy.kernel import link, netns, syscall
from beepy.kernel import program as programs
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.text import safe
from beepy.uapi import AttachType

_log = Log(__name__)

KIND: Final = "flow_dissector"
"""Of journal entries: the program's id."""


def attach(program: Program, target: Target) -> Link:
    """Attach to the network namespace that --attach names, else to the target's. Raises AttachError."""
    with namespace(program, target.name or target.netns) as found:
        return link.create(program, found.fileno(), program.attach_type)


def attach_dissector(program: Program, target: Target) -> Link:
    """Attach as ``attach`` does; by BPF_PROG_ATTACH where the kernel has no links for it (before v5.8)."""
    name = target.name or target.netns
    with namespace(program, name) as found:
        try:
            return link.create(program, found.fileno(), program.attach_type)
        except AttachError as error:
            if error.errno != errno.EINVAL:
                raise
        _log.info("program '%s': no link for a flow dissector, attaching without", safe(program.name))
        try:
            number = program.id()
            attr = uapi.ProgAttach(attach_bpf_fd=program.fd.fileno(), attach_type=AttachType.FLOW_DISSECTOR)
            return lasting.keep_in(
                found,
                str(netns.path(name)),
                (KIND, str(number)),
                lambda: syscall.prog_attach(attr, KIND),
                lambda: _detach(number),
            )
        except KernelError as error:
            raise failed(program, error) from error


def _detach(number: int) -> None:
    try:
        program = programs.by_id(number)
    except KernelError as error:
        if error.errno == errno.ENOENT:
            return
        raise
    with program:
        attr = uapi.ProgAttach(attach_bpf_fd=program.fileno(), attach_type=AttachType.FLOW_DISSECTOR)
        syscall.prog_detach(attr, f"{KIND}: detach")


@lasting.undone_in
def undo(number: str) -> None:
    """Detach what a dead process left. Raises KernelError."""
    _detach(int(number))


def attach_netfilter(program: Program, target: Target) -> Link:
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
