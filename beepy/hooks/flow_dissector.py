"""Flow dissectors: a program dissects the packets of a whole network namespace."""

import errno
from typing import Final

from beepy import uapi
from beepy.errors import AttachError, KernelError
from beepy.hooks.interface import enter_netns
from beepy.hooks.persistent import attach_persistent_in_netns, cleanup_in_netns
from beepy.hooks.target import Target
from beepy.kernel import link, netns
from beepy.kernel import program as programs
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.sys import syscall
from beepy.text import safe
from beepy.uapi import AttachType

_log = Log(__name__)

KIND: Final = "flow_dissector"
"""Kind of journal entries. Argument: the program id."""


def attach(program: Program, target: Target) -> Link:
    """Attach to the network namespace of --attach, else --netns.

    Before v5.8 there is no link for that: BPF_PROG_ATTACH is used. Raises AttachError.
    """
    name = target.name or target.netns
    with enter_netns(program, name) as namespace:
        try:
            return link.create(program, namespace.fileno(), program.attach_type)
        except AttachError as error:
            if error.errno != errno.EINVAL:
                raise
        where = f"program '{safe(program.name)}'"
        _log.info("%s: no link for a flow dissector, attaching by BPF_PROG_ATTACH", where)
        try:
            program_id = program.id()
            attr = uapi.ProgAttach(
                attach_bpf_fd=program.fd.fileno(), attach_type=AttachType.FLOW_DISSECTOR
            )
            return attach_persistent_in_netns(
                namespace,
                str(netns.path(name)),
                (KIND, str(program_id)),
                lambda: syscall.prog_attach(attr, KIND),
                lambda: _detach(program_id),
                ("program",),
            )
        except KernelError as error:
            raise AttachError.wrap(error, where) from error


def _detach(program_id: int) -> None:
    try:
        program_fd = programs.open_by_id(program_id)
    except KernelError as error:
        if error.errno == errno.ENOENT:
            return
        raise
    with program_fd:
        attr = uapi.ProgAttach(
            attach_bpf_fd=program_fd.fileno(), attach_type=AttachType.FLOW_DISSECTOR
        )
        syscall.prog_detach(attr, f"{KIND}: detach")


@cleanup_in_netns
def cleanup(program_id: str) -> None:
    """Detach the program of a dead process. Raises KernelError."""
    _detach(int(program_id))
