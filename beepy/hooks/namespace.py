"""Network namespaces: a link to a whole one (``sk_lookup``)."""

from beepy.hooks.interface import enter_netns
from beepy.hooks.target import Target
from beepy.kernel import link
from beepy.kernel.link import Link
from beepy.kernel.program import Program


def attach(program: Program, target: Target) -> Link:
    """Attach to the network namespace of --attach, else --netns. Raises AttachError."""
    with enter_netns(program, target.name or target.netns) as namespace:
        return link.create(program, namespace.fileno(), program.attach_type)
