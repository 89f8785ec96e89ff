"""Network namespaces: a link to a whole one (``sk_lookup``)."""

from beepy.hooks.interface import namespace
from beepy.hooks.target import Target
from beepy.kernel import link
from beepy.kernel.link import Link
from beepy.kernel.program import Program


def attach(program: Program, target: Target) -> Link:
    """Attach to the network namespace that --attach names, else to the target's. Raises AttachError."""
    with namespace(program, target.name or target.netns) as found:
        return link.create(program, found.fileno(), program.attach_type)
