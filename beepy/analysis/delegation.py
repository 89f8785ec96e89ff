"""What a BPF token must delegate to load an object, and what no token can replace.

The kernel compares the type and attach type of each program (bpf_token_allow_prog_type), the type
of each map and the command. A token does not help to open perf events or files: that takes
capabilities in the first user namespace.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from beepy import sections
from beepy.analysis import requirements
from beepy.analysis.requirements import Capability, Requirements
from beepy.obj.spec import CollectionSpec, JumpTableRef, MapSpec, ProgramSpec
from beepy.rewrite import losses
from beepy.sections import Mechanism
from beepy.uapi import AttachType, Cmd, MapType, ProgType

_ANY: Final = "any"
# capabilities that the kernel demands in the first user namespace, whatever they are needed for
_NOT_DELEGATED: Final = frozenset({"CAP_DAC_READ_SEARCH", "CAP_SYSLOG", "CAP_SYS_ADMIN"})
# programs are attached to perf events
_BY_PERF_EVENT: Final = frozenset(
    {
        *(Mechanism.KPROBE, Mechanism.KSYSCALL, Mechanism.PERF_EVENT, Mechanism.TRACEPOINT),
        *(Mechanism.UPROBE, Mechanism.USDT),
    }
)


class Delegation(NamedTuple):
    """The options of a BPF file system of which a token can be made, in the kernel's names.

    ``besides`` are the capabilities that a user needs in the first user namespace all the same.
    """

    delegate_cmds: tuple[str, ...]
    delegate_maps: tuple[str, ...]
    delegate_progs: tuple[str, ...]
    delegate_attachs: tuple[str, ...]
    besides: tuple[Capability, ...]


def of_collection(spec: CollectionSpec, needs_of: Mapping[str, Requirements]) -> Delegation:
    """Return what a token must delegate so that the programs of ``spec`` can be loaded.

    They count what they lose, in a map of their own. ``needs_of`` is as of
    ``requirements.of_collection``.
    """
    programs = spec.loaded
    all_maps = losses.count(spec).spec.maps
    maps = {map_type for map_spec in all_maps for map_type in _map_types(map_spec)}
    if any(isinstance(ref, JumpTableRef) for program in programs for ref in program.refs):
        maps.add(MapType.INSN_ARRAY)
    hooks = [hook for program in programs if (hook := sections.find(program.section))]
    # the kernel's number of an operation is the attach type of its struct_ops program
    by_number = any(hook.prog_type == ProgType.STRUCT_OPS for hook in hooks)
    attach_types = {hook.attach_type for hook in hooks}
    besides = [cap for program in programs for cap in besides_of(program, needs_of[program.name])]
    return Delegation(
        delegate_cmds=_names(
            {
                Cmd.PROG_LOAD,
                *([Cmd.MAP_CREATE] if maps else ()),
                *([Cmd.BTF_LOAD] if spec.btf else ()),
            }
        ),
        delegate_maps=_names(maps),
        delegate_progs=_names({hook.prog_type for hook in hooks}),
        delegate_attachs=(_ANY,) if by_number else _names(attach_types),
        besides=requirements.merge([*besides, *requirements.reader_capabilities(spec)]),
    )


def besides_of(program: ProgramSpec, needs: Requirements) -> tuple[Capability, ...]:
    """Return the capabilities that a program with these ``needs`` needs besides a token."""
    hook = sections.find(program.section)
    besides = [cap for cap in needs.capabilities if cap.name in _NOT_DELEGATED]
    if hook and hook.mechanism in _BY_PERF_EVENT:
        besides.append(Capability("CAP_PERFMON", "perf events"))
    if hook and hook.prog_type == ProgType.SOCKET_FILTER:
        besides.append(Capability("CAP_NET_RAW", "packets of a network namespace of others"))
    return requirements.merge(besides)


def options(delegation: Delegation) -> Iterator[str]:
    """Yield the options as mount(8) takes them: ``delegate_maps=array:hash``."""
    for name in Delegation._fields:
        if name.startswith("delegate_") and (values := getattr(delegation, name)):
            yield f"{name}={':'.join(values)}"


def _map_types(map_spec: MapSpec) -> Iterator[MapType]:
    if map_spec.type in set(MapType):
        yield MapType(map_spec.type)
    if map_spec.inner:
        yield from _map_types(map_spec.inner)


def _names(values: set[Cmd] | set[MapType] | set[ProgType] | set[AttachType]) -> tuple[str, ...]:
    return tuple(sorted([value.name.lower() for value in values]))
