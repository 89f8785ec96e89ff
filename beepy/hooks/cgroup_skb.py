"""Packets of control groups in both directions: the section ``cgroup/skb`` names no direction."""

from beepy.hooks import cgroup
from beepy.hooks.target import Target
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.uapi import AttachType


def attach(program: Program, target: Target) -> Link:
    """Attach to the cgroup of --attach, else --cgroup, else the root. Raises AttachError."""
    directions = (AttachType.CGROUP_INET_INGRESS, AttachType.CGROUP_INET_EGRESS)
    return cgroup.attach_as(program, target.name or target.cgroup, *directions)
