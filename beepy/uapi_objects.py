"""The part of the kernel's ABI by which ``beepy ps`` asks for links and what holds programs.

It is spelled as ``uapi`` is.
"""

from ctypes import Structure, Union, c_uint32, c_uint64
from enum import IntEnum

from beepy.uapi import LinkNetfilter


class LinkInfoName(Structure):
    """``iter`` and, with other names, ``raw_tracepoint`` in ``struct bpf_link_info``."""

    _fields_ = (
        ("target_name", c_uint64),
        ("target_name_len", c_uint32),
    )


class LinkInfoTracing(Structure):
    """``tracing`` in ``struct bpf_link_info``."""

    _fields_ = (
        ("attach_type", c_uint32),
        ("target_obj_id", c_uint32),
        ("target_btf_id", c_uint32),
    )


class LinkInfoCgroup(Structure):
    """``cgroup`` in ``struct bpf_link_info``."""

    _fields_ = (
        ("cgroup_id", c_uint64),
        ("attach_type", c_uint32),
    )


class LinkInfoTarget(Structure):
    """``tcx`` and the like in ``struct bpf_link_info``; ``xdp`` and ``struct_ops`` have no type."""

    _fields_ = (
        ("ifindex", c_uint32),  # of netns an inode, of struct_ops and sockmap a map's id
        ("attach_type", c_uint32),
    )


class LinkInfoKprobeMulti(Structure):
    """``kprobe_multi`` in ``struct bpf_link_info``, up to its flags."""

    _fields_ = (
        ("addrs", c_uint64),
        ("count", c_uint32),
        ("flags", c_uint32),
    )


class LinkInfoUprobeMulti(Structure):
    """``uprobe_multi`` in ``struct bpf_link_info``."""

    _fields_ = (
        ("path", c_uint64),
        ("offsets", c_uint64),
        ("ref_ctr_offsets", c_uint64),
        ("cookies", c_uint64),
        ("path_size", c_uint32),
        ("count", c_uint32),
        ("flags", c_uint32),
        ("pid", c_uint32),
    )


class LinkInfoTracingMulti(Structure):
    """``tracing_multi`` in ``struct bpf_link_info``, up to the number of functions."""

    _fields_ = (
        ("attach_type", c_uint32),
        ("count", c_uint32),
    )


class LinkInfoProbe(Structure):
    """``kprobe`` in ``struct bpf_link_info`` and, up to ``offset``, what other perf events have.

    The name is that of a function, file or tracepoint. An event has its config there, and then its
    type.
    """

    _fields_ = (
        ("func_name", c_uint64),
        ("name_len", c_uint32),
        ("offset", c_uint32),
        ("addr", c_uint64),
        ("missed", c_uint64),
        ("cookie", c_uint64),
    )


class LinkInfoPerfEvent(Structure):
    """``perf_event`` in ``struct bpf_link_info``."""

    _fields_ = (
        ("type", c_uint32),
        ("kprobe", LinkInfoProbe),
    )


class LinkInfoOf(Union):
    """What ``struct bpf_link_info`` has for each type of link."""

    _fields_ = (
        ("raw_tracepoint", LinkInfoName),
        ("iter", LinkInfoName),
        ("tracing", LinkInfoTracing),
        ("cgroup", LinkInfoCgroup),
        ("netns", LinkInfoTarget),
        ("xdp", LinkInfoTarget),
        ("struct_ops", LinkInfoTarget),
        ("tcx", LinkInfoTarget),
        ("netkit", LinkInfoTarget),
        ("sockmap", LinkInfoTarget),
        ("netfilter", LinkNetfilter),
        ("kprobe_multi", LinkInfoKprobeMulti),
        ("uprobe_multi", LinkInfoUprobeMulti),
        ("tracing_multi", LinkInfoTracingMulti),
        ("perf_event", LinkInfoPerfEvent),
    )


class LinkInfo(Structure):
    """``struct bpf_link_info``."""

    _anonymous_ = ("of",)
    _fields_ = (
        ("type", c_uint32),
        ("id", c_uint32),
        ("prog_id", c_uint32),
        ("of", LinkInfoOf),
    )


class TaskFdQuery(Structure):
    """BPF_TASK_FD_QUERY: the program that a perf event of a process holds."""

    _fields_ = (
        ("pid", c_uint32),
        ("fd", c_uint32),
        ("flags", c_uint32),
        ("buf_len", c_uint32),
        ("buf", c_uint64),
        ("prog_id", c_uint32),
        ("fd_type", c_uint32),
        ("probe_offset", c_uint64),
        ("probe_addr", c_uint64),
    )


class TaskFdType(IntEnum):
    """``enum bpf_task_fd_type``."""

    RAW_TRACEPOINT = 0
    TRACEPOINT = 1
    KPROBE = 2
    KRETPROBE = 3
    UPROBE = 4
    URETPROBE = 5


class ProgQuery(Structure):
    """BPF_PROG_QUERY: the programs attached to a control group or an interface.

    It is whole: the kernel writes ``revision``, however long we say that the struct is.
    """

    _fields_ = (
        ("target_fd", c_uint32),
        ("attach_type", c_uint32),
        ("query_flags", c_uint32),
        ("attach_flags", c_uint32),
        ("prog_ids", c_uint64),
        ("prog_cnt", c_uint32),
        ("prog_attach_flags", c_uint64),
        ("link_ids", c_uint64),
        ("link_attach_flags", c_uint64),
        ("revision", c_uint64),
    )
