"""A row of the section table: what one ``SEC()`` prefix means."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Final, NamedTuple

from beepy.btf.types import Kind
from beepy.events.batch import Reader
from beepy.hooks.target import Target
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.obj.spec import CollectionSpec
from beepy.uapi import NO_ATTACH_TYPE, AttachType, ProgFlag, ProgType

TRACE: Final = "btf_trace_"
"""How the typedef of each tracepoint in the kernel's types begins."""


class Hook(NamedTuple):
    """What one ``SEC()`` prefix means; see libbpf's ``section_defs``.

    ``prog_type``, ``attach_type`` and ``flags`` go into BPF_PROG_LOAD. ``optional``: a kernel that refuses the attach
    type may load the program without (SEC_EXP_ATTACH_OPT). ``btf`` is the prefix of the kernel type to attach to, None
    where no type is needed. ``attach`` None: its map does it (struct_ops). ``reader`` reads what a program of the
    object itself writes; the caller closes it.
    """

    section: str
    prog_type: ProgType
    attach_type: AttachType = NO_ATTACH_TYPE
    attach: Callable[[Program, Target], Link] | None = None
    btf: str | None = None
    flags: ProgFlag = ProgFlag(0)
    optional: bool = False
    reader: Callable[[Program, Target, CollectionSpec], Reader] | None = None

    @property
    def mechanism(self) -> str:
        """Where it is attached, as ``module.function`` of this room; "" where it is not."""
        return ".".join(self.attach.args) if isinstance(self.attach, partial) else ""

    @property
    def module(self) -> str:
        """Which module of this room attaches it; "" where none does."""
        return self.mechanism.partition(".")[0]

    @property
    def btf_target(self) -> tuple[str, Kind] | None:
        """Prefix and kind of the type whose id BPF_PROG_LOAD wants as ``attach_btf_id``, None if it wants none.

        The type's name is the prefix and the target's: ``tp_btf/sched_switch`` is the typedef btf_trace_sched_switch,
        ``lsm/file_open`` the function bpf_lsm_file_open; ``MODULE:NAME`` is a module's. A program of type EXT
        (freplace) names a function of another program, not of the kernel.
        """
        if self.btf is None:
            return None
        return self.btf, Kind.TYPEDEF if self.btf == TRACE else Kind.FUNC


def _call(module: str, function: str, *arguments: object) -> Any:  # noqa: ANN401 - a link, a reader, or nothing
    return getattr(import_module(f"beepy.hooks.{module}"), function)(*arguments)


def of(place: str) -> Callable[..., Any]:
    """Return the function at ``module.name`` of this room; its module is read at the first call: a run needs few."""
    return partial(_call, *place.split("."))
