"""What a container must be given to run the objects of an image."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from beepy import sections
from beepy.analysis import requirements
from beepy.analysis.description import Description, ProgramInfo
from beepy.analysis.requirements import Capability
from beepy.sections import Mechanism
from beepy.text import safe

HOST: Final = "/host"
"""Where a container sees files of the host that would replace its own ones."""

_CGROUPS: Final = f"{HOST}/cgroup"
# The user of the container is root, who may read his own files of mode 0700.
_NOT_FOR_ROOT: Final = "CAP_DAC_READ_SEARCH"
# Iterators over the processes of the reader's PID namespace (init_seq_pidns in
# kernel/bpf/task_iter.c), and over its network namespace (bpf_iter_init_seq_net)
_OVER_PROCESSES: Final = ("task", "task_file", "task_vma")
_OVER_NETWORK: Final = ("ipv6_route", "netlink", "tcp", "udp", "unix")
_ON_INTERFACE: Final = (Mechanism.XDP, Mechanism.TC, Mechanism.NETKIT)
_IN_FILE: Final = (Mechanism.UPROBE, Mechanism.UPROBE_MULTI, Mechanism.USDT)
# An image chooses these paths: none may lead out of HOST.
_PATH: Final = re.compile(r"(?:/(?!\.\.?(?:/|$))[\w.+-]+)+", re.ASCII)
_PROGRAM: Final = re.compile(r"\w+", re.ASCII)


class Mount(NamedTuple):
    """A file or directory of the host, and its path in the container.

    ``kind`` is what it must be: "Directory", "File", or "" if it may be missing.
    """

    name: str
    path: str
    mount_path: str
    kind: str
    writable: bool = False


class Needs(NamedTuple):
    """What a container needs whose user is root.

    ``arguments`` of ``beepy run`` lead to the host's files. ``metrics``: a map has one. ``advice``
    is about what only the user knows, such as the interface.
    """

    capabilities: tuple[Capability, ...]
    mounts: tuple[Mount, ...]
    arguments: tuple[str, ...]
    host_network: bool
    host_pid: bool
    metrics: bool
    advice: tuple[str, ...]


def of_objects(descriptions: Sequence[Description]) -> Needs:
    """Return what a container needs to run these objects together."""
    programs = [program for item in descriptions for program in item.programs if program.autoload]
    capabilities = requirements.merge(
        [capability for item in descriptions for capability in item.needs.capabilities]
    )
    targets = dict(_targets_in_files(programs))
    arguments = ["--cgroup", _CGROUPS] if _uses_cgroups(programs) else []
    for name, target in targets.items():
        arguments += ["--attach", f"{name}={HOST}{target}"]
    return Needs(
        capabilities=tuple([item for item in capabilities if item.name != _NOT_FOR_ROOT]),
        mounts=(*_directories(descriptions, programs), *_files(targets.values())),
        arguments=tuple(arguments),
        host_network=any(map(_sees_network, programs)),
        host_pid=any(map(_sees_processes, programs)),
        metrics=any(info.metric for item in descriptions for info in item.maps),
        advice=tuple(_advice(programs, targets)),
    )


def _mechanism(program: ProgramInfo) -> Mechanism | None:
    hook = sections.find(program.section)
    return hook.mechanism if hook else None


def _targets_in_files(programs: Iterable[ProgramInfo]) -> Iterator[tuple[str, str]]:
    """Yield name and target of the programs whose section names a file by its path."""
    for program in programs:
        path, colon, _ = program.target.partition(":")
        is_path = colon and _PATH.fullmatch(path) and _PROGRAM.fullmatch(program.name)
        if is_path and _mechanism(program) in _IN_FILE:
            yield program.name, program.target


def _directories(
    descriptions: Sequence[Description], programs: Sequence[ProgramInfo]
) -> Iterator[Mount]:
    hooks = [(_mechanism(program), program.target) for program in programs]
    if any(mechanism and mechanism.reads_tracefs(target) for mechanism, target in hooks):
        yield Mount("tracefs", "/sys/kernel/tracing", "/sys/kernel/tracing", "Directory")
    if _uses_cgroups(programs):
        yield Mount("cgroups", "/sys/fs/cgroup", _CGROUPS, "Directory")
    if any(info.pinned for item in descriptions for info in item.maps):
        yield Mount("bpffs", "/sys/fs/bpf", "/sys/fs/bpf", "Directory", writable=True)
    if any(name.startswith("CONFIG_") for item in descriptions for name in item.externs):
        yield Mount("boot", "/boot", "/boot", "")  # kernels may have /proc/config.gz instead


def _files(targets: Iterable[str]) -> Iterator[Mount]:
    paths = dict.fromkeys(target.partition(":")[0] for target in targets)
    for number, path in enumerate(paths):
        yield Mount(f"binary-{number}", path, f"{HOST}{path}", "File")


def _uses_cgroups(programs: Iterable[ProgramInfo]) -> bool:
    mechanisms = [_mechanism(program) for program in programs]
    return any(mechanism and "cgroup" in mechanism.options for mechanism in mechanisms)


def _sees_network(program: ProgramInfo) -> bool:
    """Tell whether the container's own network namespace would have nothing to show."""
    mechanism = _mechanism(program)
    if mechanism is Mechanism.ITERATOR:
        return program.target in _OVER_NETWORK
    return mechanism is not None and "netns" in mechanism.options


def _sees_processes(program: ProgramInfo) -> bool:
    """Tell whether the container's own PID namespace would have nothing to show."""
    mechanism = _mechanism(program)
    if mechanism is Mechanism.ITERATOR:
        return program.target in _OVER_PROCESSES
    return mechanism is Mechanism.REUSEPORT  # its --pid


def _advice(programs: Iterable[ProgramInfo], targets: Collection[str]) -> Iterator[str]:
    for program in programs:
        mechanism, name = _mechanism(program), safe(program.name)
        if mechanism in _ON_INTERFACE and not program.target:
            yield f"program '{name}' needs an interface: --arg=--iface --arg=NAME"
        elif mechanism in _IN_FILE and program.name not in targets:
            yield (
                f"program '{name}' needs a file of the host: mount it in the container, "
                f"--arg=--binary --arg={HOST}/PATH"
            )
        elif mechanism is Mechanism.REUSEPORT:
            yield f"program '{name}' needs a process: --arg=--pid --arg=PID"
