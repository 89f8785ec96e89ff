"""Flow dissectors: each belongs to a whole network namespace."""

import errno
from typing import Final

from beepy import uapi
from beepy.errors import AttachError, KernelError
from beepy.hooks import lasting
from beepy.hooks.failure import failed
from beepy.hooks.interface import namespace
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
"""Of journal entries: the program's id."""


def attach(program: Program, target: Target) -> Link:
    """Attach to the network namespace of --attach, else --netns, by a link or as before v5.8 by BPF_PROG_ATTACH.

    Raises AttachError.
    """
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
