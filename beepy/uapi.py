"""The kernel's ABI in the kernel's own spelling (include/uapi/linux/bpf.h): enums, flags, structs for system calls.

Members drop the C prefix that the class name says: ``BPF_MAP_TYPE_RINGBUF`` is ``MapType.RINGBUF``.
"""

from ctypes import Structure, c_char, c_int32, c_uint32, c_uint64
from enum import IntEnum, IntFlag
from struct import Struct
from typing import Final


class Cmd(IntEnum):
    """``enum bpf_cmd``."""

    MAP_CREATE = 0
    MAP_LOOKUP_ELEM = 1
    MAP_UPDATE_ELEM = 2
    MAP_DELETE_ELEM = 3
    MAP_GET_NEXT_KEY = 4
    PROG_LOAD = 5
    OBJ_PIN = 6
    OBJ_GET = 7
    PROG_ATTACH = 8
    PROG_DETACH = 9
    PROG_TEST_RUN = 10
    PROG_RUN = 10
    PROG_GET_NEXT_ID = 11
    MAP_GET_NEXT_ID = 12
    PROG_GET_FD_BY_ID = 13
    MAP_GET_FD_BY_ID = 14
    OBJ_GET_INFO_BY_FD = 15
    PROG_QUERY = 16
    RAW_TRACEPOINT_OPEN = 17
    BTF_LOAD = 18
    BTF_GET_FD_BY_ID = 19
    TASK_FD_QUERY = 20
    MAP_LOOKUP_AND_DELETE_ELEM = 21
    MAP_FREEZE = 22
    BTF_GET_NEXT_ID = 23
    MAP_LOOKUP_BATCH = 24
    MAP_LOOKUP_AND_DELETE_BATCH = 25
    MAP_UPDATE_BATCH = 26
    MAP_DELETE_BATCH = 27
    LINK_CREATE = 28
    LINK_UPDATE = 29
    LINK_GET_FD_BY_ID = 30
    LINK_GET_NEXT_ID = 31
    ENABLE_STATS = 32
    ITER_CREATE = 33
    LINK_DETACH = 34
    PROG_BIND_MAP = 35
    TOKEN_CREATE = 36
    PROG_STREAM_READ_BY_FD = 37
    PROG_ASSOC_STRUCT_OPS = 38


class MapType(IntEnum):
    """``enum bpf_map_type``."""

    UNSPEC = 0
    HASH = 1
    ARRAY = 2
    PROG_ARRAY = 3
    PERF_EVENT_ARRAY = 4
    PERCPU_HASH = 5
    PERCPU_ARRAY = 6
    STACK_TRACE = 7
    CGROUP_ARRAY = 8
    LRU_HASH = 9
    LRU_PERCPU_HASH = 10
    LPM_TRIE = 11
    ARRAY_OF_MAPS = 12
    HASH_OF_MAPS = 13
    DEVMAP = 14
    SOCKMAP = 15
    CPUMAP = 16
    XSKMAP = 17
    SOCKHASH = 18
    CGROUP_STORAGE = 19
    REUSEPORT_SOCKARRAY = 20
    PERCPU_CGROUP_STORAGE = 21
    QUEUE = 22
    STACK = 23
    SK_STORAGE = 24
    DEVMAP_HASH = 25
    STRUCT_OPS = 26
    RINGBUF = 27
    INODE_STORAGE = 28
    TASK_STORAGE = 29
    BLOOM_FILTER = 30
    USER_RINGBUF = 31
    CGRP_STORAGE = 32
    ARENA = 33
    INSN_ARRAY = 34
    RHASH = 35


class ProgType(IntEnum):
    """``enum bpf_prog_type``."""

    UNSPEC = 0
    SOCKET_FILTER = 1
    KPROBE = 2
    SCHED_CLS = 3
    SCHED_ACT = 4
    TRACEPOINT = 5
    XDP = 6
    PERF_EVENT = 7
    CGROUP_SKB = 8
    CGROUP_SOCK = 9
    LWT_IN = 10
    LWT_OUT = 11
    LWT_XMIT = 12
    SOCK_OPS = 13
    SK_SKB = 14
    CGROUP_DEVICE = 15
    SK_MSG = 16
    RAW_TRACEPOINT = 17
    CGROUP_SOCK_ADDR = 18
    LWT_SEG6LOCAL = 19
    LIRC_MODE2 = 20
    SK_REUSEPORT = 21
    FLOW_DISSECTOR = 22
    CGROUP_SYSCTL = 23
    RAW_TRACEPOINT_WRITABLE = 24
    CGROUP_SOCKOPT = 25
    TRACING = 26
    STRUCT_OPS = 27
    EXT = 28
    LSM = 29
    SK_LOOKUP = 30
    SYSCALL = 31
    NETFILTER = 32


class AttachType(IntEnum):
    """``enum bpf_attach_type``."""

    CGROUP_INET_INGRESS = 0
    CGROUP_INET_EGRESS = 1
    CGROUP_INET_SOCK_CREATE = 2
    CGROUP_SOCK_OPS = 3
    SK_SKB_STREAM_PARSER = 4
    SK_SKB_STREAM_VERDICT = 5
    CGROUP_DEVICE = 6
    SK_MSG_VERDICT = 7
    CGROUP_INET4_BIND = 8
    CGROUP_INET6_BIND = 9
    CGROUP_INET4_CONNECT = 10
    CGROUP_INET6_CONNECT = 11
    CGROUP_INET4_POST_BIND = 12
    CGROUP_INET6_POST_BIND = 13
    CGROUP_UDP4_SENDMSG = 14
    CGROUP_UDP6_SENDMSG = 15
    LIRC_MODE2 = 16
    FLOW_DISSECTOR = 17
    CGROUP_SYSCTL = 18
    CGROUP_UDP4_RECVMSG = 19
    CGROUP_UDP6_RECVMSG = 20
    CGROUP_GETSOCKOPT = 21
    CGROUP_SETSOCKOPT = 22
    TRACE_RAW_TP = 23
    TRACE_FENTRY = 24
    TRACE_FEXIT = 25
    MODIFY_RETURN = 26
    LSM_MAC = 27
    TRACE_ITER = 28
    CGROUP_INET4_GETPEERNAME = 29
    CGROUP_INET6_GETPEERNAME = 30
    CGROUP_INET4_GETSOCKNAME = 31
    CGROUP_INET6_GETSOCKNAME = 32
    XDP_DEVMAP = 33
    CGROUP_INET_SOCK_RELEASE = 34
    XDP_CPUMAP = 35
    SK_LOOKUP = 36
    XDP = 37
    SK_SKB_VERDICT = 38
    SK_REUSEPORT_SELECT = 39
    SK_REUSEPORT_SELECT_OR_MIGRATE = 40
    PERF_EVENT = 41
    TRACE_KPROBE_MULTI = 42
    LSM_CGROUP = 43
    STRUCT_OPS = 44
    NETFILTER = 45
    TCX_INGRESS = 46
    TCX_EGRESS = 47
    TRACE_UPROBE_MULTI = 48
    CGROUP_UNIX_CONNECT = 49
    CGROUP_UNIX_SENDMSG = 50
    CGROUP_UNIX_RECVMSG = 51
    CGROUP_UNIX_GETPEERNAME = 52
    CGROUP_UNIX_GETSOCKNAME = 53
    NETKIT_PRIMARY = 54
    NETKIT_PEER = 55
    TRACE_KPROBE_SESSION = 56
    TRACE_UPROBE_SESSION = 57
    TRACE_FSESSION = 58
    TRACE_FENTRY_MULTI = 59
    TRACE_FEXIT_MULTI = 60
    TRACE_FSESSION_MULTI = 61


NO_ATTACH_TYPE: Final = AttachType(0)
"""What a program is loaded with whose type has no attach types."""


class MapFlag(IntFlag):
    """``BPF_F_*`` of BPF_MAP_CREATE."""

    NO_PREALLOC = 1 << 0
    NO_COMMON_LRU = 1 << 1
    NUMA_NODE = 1 << 2
    RDONLY = 1 << 3
    WRONLY = 1 << 4
    STACK_BUILD_ID = 1 << 5
    ZERO_SEED = 1 << 6
    RDONLY_PROG = 1 << 7
    WRONLY_PROG = 1 << 8
    CLONE = 1 << 9
    MMAPABLE = 1 << 10
    PRESERVE_ELEMS = 1 << 11
    INNER_MAP = 1 << 12
    LINK = 1 << 13


class ProgFlag(IntFlag):
    """``BPF_F_*`` of BPF_PROG_LOAD."""

    STRICT_ALIGNMENT = 1 << 0
    ANY_ALIGNMENT = 1 << 1
    TEST_RND_HI32 = 1 << 2
    TEST_STATE_FREQ = 1 << 3
    SLEEPABLE = 1 << 4
    XDP_HAS_FRAGS = 1 << 5
    XDP_DEV_BOUND_ONLY = 1 << 6


class CoreReloKind(IntEnum):
    """``enum bpf_core_relo_kind``: what a CO-RE relocation asks for."""

    FIELD_BYTE_OFFSET = 0
    FIELD_BYTE_SIZE = 1
    FIELD_EXISTS = 2
    FIELD_SIGNED = 3
    FIELD_LSHIFT_U64 = 4
    FIELD_RSHIFT_U64 = 5
    TYPE_ID_LOCAL = 6
    TYPE_ID_TARGET = 7
    TYPE_EXISTS = 8
    TYPE_SIZE = 9
    ENUMVAL_EXISTS = 10
    ENUMVAL_VALUE = 11
    TYPE_MATCHES = 12


class UpdateFlag(IntFlag):
    """Flags of BPF_MAP_UPDATE_ELEM."""

    ANY = 0
    NOEXIST = 1 << 0
    EXIST = 1 << 1
    LOCK = 1 << 2


OBJ_NAME_LEN: Final = 16  # BPF_OBJ_NAME_LEN: bytes of a name, with its NUL

# struct bpf_ringbuf_hdr (kernel/bpf/ringbuf.c): u32 length and bits, u32 page offset; records are
# 8-byte aligned
RINGBUF_BUSY_BIT: Final = 1 << 31
RINGBUF_DISCARD_BIT: Final = 1 << 30
RINGBUF_HDR_SZ: Final = 8

# One struct for each bpf(2) command that beepy gives, as union bpf_attr has it, up to the last
# member that is used. The kernel takes what is missing as 0. Pointers are __aligned_u64, fds and
# sizes __u32.


class MapCreate(Structure):
    """BPF_MAP_CREATE."""

    _fields_ = (
        ("map_type", c_uint32),
        ("key_size", c_uint32),
        ("value_size", c_uint32),
        ("max_entries", c_uint32),
        ("map_flags", c_uint32),
        ("inner_map_fd", c_uint32),
        ("numa_node", c_uint32),
        ("map_name", c_char * OBJ_NAME_LEN),
        ("map_ifindex", c_uint32),
        ("btf_fd", c_uint32),
        ("btf_key_type_id", c_uint32),
        ("btf_value_type_id", c_uint32),
        ("btf_vmlinux_value_type_id", c_uint32),
        ("map_extra", c_uint64),
        ("value_type_btf_obj_fd", c_int32),
        ("map_token_fd", c_int32),
    )


class MapElem(Structure):
    """BPF_MAP_*_ELEM and, with ``map_fd`` alone, BPF_MAP_FREEZE; BPF_MAP_GET_NEXT_KEY calls ``value`` next_key."""

    _fields_ = (
        ("map_fd", c_uint32),
        ("key", c_uint64),
        ("value", c_uint64),
        ("flags", c_uint64),
    )


class MapBatch(Structure):
    """BPF_MAP_*_BATCH; the kernel writes ``count``."""

    _fields_ = (
        ("in_batch", c_uint64),
        ("out_batch", c_uint64),
        ("keys", c_uint64),
        ("values", c_uint64),
        ("count", c_uint32),
        ("map_fd", c_uint32),
        ("elem_flags", c_uint64),
        ("flags", c_uint64),
    )


class ProgLoad(Structure):
    """BPF_PROG_LOAD; ``attach_prog_fd`` is attach_btf_obj_fd where the target is a module's type."""

    _fields_ = (
        ("prog_type", c_uint32),
        ("insn_cnt", c_uint32),
        ("insns", c_uint64),
        ("license", c_uint64),
        ("log_level", c_uint32),
        ("log_size", c_uint32),
        ("log_buf", c_uint64),
        ("kern_version", c_uint32),
        ("prog_flags", c_uint32),
        ("prog_name", c_char * OBJ_NAME_LEN),
        ("prog_ifindex", c_uint32),
        ("expected_attach_type", c_uint32),
        ("prog_btf_fd", c_uint32),
        ("func_info_rec_size", c_uint32),
        ("func_info", c_uint64),
        ("func_info_cnt", c_uint32),
        ("line_info_rec_size", c_uint32),
        ("line_info", c_uint64),
        ("line_info_cnt", c_uint32),
        ("attach_btf_id", c_uint32),
        ("attach_prog_fd", c_uint32),
        ("core_relo_cnt", c_uint32),
        ("fd_array", c_uint64),
        ("core_relos", c_uint64),
        ("core_relo_rec_size", c_uint32),
        ("log_true_size", c_uint32),
        ("prog_token_fd", c_int32),
    )


class ProgTestRun(Structure):
    """BPF_PROG_TEST_RUN; the kernel writes ``retval``, ``duration`` (ns) and the two sizes out."""

    _fields_ = (
        ("prog_fd", c_uint32),
        ("retval", c_uint32),
        ("data_size_in", c_uint32),
        ("data_size_out", c_uint32),
        ("data_in", c_uint64),
        ("data_out", c_uint64),
        ("repeat", c_uint32),
        ("duration", c_uint32),
        ("ctx_size_in", c_uint32),
        ("ctx_size_out", c_uint32),
        ("ctx_in", c_uint64),
        ("ctx_out", c_uint64),
    )


class RawTracepointOpen(Structure):
    """BPF_RAW_TRACEPOINT_OPEN; ``name`` 0: the program's attach_btf_id says where."""

    _fields_ = (
        ("name", c_uint64),
        ("prog_fd", c_uint32),
    )


class BtfLoad(Structure):
    """BPF_BTF_LOAD."""

    _fields_ = (
        ("btf", c_uint64),
        ("btf_log_buf", c_uint64),
        ("btf_size", c_uint32),
        ("btf_log_size", c_uint32),
        ("btf_log_level", c_uint32),
        ("btf_log_true_size", c_uint32),
        ("btf_flags", c_uint32),
        ("btf_token_fd", c_int32),
    )


class TokenCreate(Structure):
    """BPF_TOKEN_CREATE; ``bpffs_fd`` is the root directory of a BPF file system."""

    _fields_ = (
        ("flags", c_uint32),
        ("bpffs_fd", c_uint32),
    )


BPF_F_TOKEN_FD: Final = 1 << 16  # among the flags of what is created: the token's fd is given


class GetId(Structure):
    """BPF_*_GET_NEXT_ID and BPF_*_GET_FD_BY_ID: ``id`` is where to go on from, or what to open."""

    _fields_ = (
        ("id", c_uint32),
        ("next_id", c_uint32),
        ("open_flags", c_uint32),
    )


class ObjInfo(Structure):
    """BPF_OBJ_GET_INFO_BY_FD."""

    _fields_ = (
        ("bpf_fd", c_uint32),
        ("info_len", c_uint32),
        ("info", c_uint64),
    )


class ObjPin(Structure):
    """BPF_OBJ_PIN and, with ``bpf_fd`` 0, BPF_OBJ_GET."""

    _fields_ = (
        ("pathname", c_uint64),
        ("bpf_fd", c_uint32),
        ("file_flags", c_uint32),
    )


class MapInfo(Structure):
    """``struct bpf_map_info``."""

    _fields_ = (
        ("type", c_uint32),
        ("id", c_uint32),
        ("key_size", c_uint32),
        ("value_size", c_uint32),
        ("max_entries", c_uint32),
        ("map_flags", c_uint32),
        ("name", c_char * OBJ_NAME_LEN),
        ("ifindex", c_uint32),
        ("btf_vmlinux_value_type_id", c_uint32),
        ("netns_dev", c_uint64),
        ("netns_ino", c_uint64),
        ("btf_id", c_uint32),
        ("btf_key_type_id", c_uint32),
        ("btf_value_type_id", c_uint32),
        ("btf_vmlinux_id", c_uint32),
        ("map_extra", c_uint64),
    )


class BtfInfo(Structure):
    """``struct bpf_btf_info``."""

    _fields_ = (
        ("btf", c_uint64),
        ("btf_size", c_uint32),
        ("id", c_uint32),
        ("name", c_uint64),
        ("name_len", c_uint32),
        ("kernel_btf", c_uint32),
    )


class LinkCreate(Structure):
    """BPF_LINK_CREATE."""

    _fields_ = (
        ("prog_fd", c_uint32),
        ("target_fd", c_uint32),
        ("attach_type", c_uint32),
        ("flags", c_uint32),
    )


class LinkNetfilter(Structure):
    """``netfilter`` in BPF_LINK_CREATE."""

    _fields_ = (
        ("pf", c_uint32),
        ("hooknum", c_uint32),
        ("priority", c_int32),
        ("flags", c_uint32),
    )


class LinkCreateNetfilter(Structure):
    """BPF_LINK_CREATE of a netfilter program."""

    _fields_ = (
        *LinkCreate._fields_,
        ("netfilter", LinkNetfilter),
    )


class LinkKprobeMulti(Structure):
    """``kprobe_multi`` in BPF_LINK_CREATE: either names or addresses."""

    _fields_ = (
        ("flags", c_uint32),
        ("cnt", c_uint32),
        ("syms", c_uint64),
        ("addrs", c_uint64),
        ("cookies", c_uint64),
    )


class LinkCreateKprobeMulti(Structure):
    """BPF_LINK_CREATE of many functions."""

    _fields_ = (
        *LinkCreate._fields_,
        ("kprobe_multi", LinkKprobeMulti),
    )


class LinkUprobeMulti(Structure):
    """``uprobe_multi`` in BPF_LINK_CREATE: places in one file."""

    _fields_ = (
        ("path", c_uint64),
        ("offsets", c_uint64),
        ("ref_ctr_offsets", c_uint64),
        ("cookies", c_uint64),
        ("cnt", c_uint32),
        ("flags", c_uint32),
        ("pid", c_uint32),
    )


class LinkCreateUprobeMulti(Structure):
    """BPF_LINK_CREATE of many places of a program."""

    _fields_ = (
        *LinkCreate._fields_,
        ("uprobe_multi", LinkUprobeMulti),
    )


class LinkTracingMulti(Structure):
    """``tracing_multi`` in BPF_LINK_CREATE: functions by the ids of their types."""

    _fields_ = (
        ("ids", c_uint64),
        ("cookies", c_uint64),
        ("cnt", c_uint32),
    )


class LinkCreateTracingMulti(Structure):
    """BPF_LINK_CREATE of many functions through trampolines."""

    _fields_ = (
        *LinkCreate._fields_,
        ("tracing_multi", LinkTracingMulti),
    )


class IterLinkMap(Structure):
    """``map`` in ``union bpf_iter_link_info``."""

    _fields_ = (("map_fd", c_uint32),)


class IterLinkTask(Structure):
    """``task`` in ``union bpf_iter_link_info``."""

    _fields_ = (
        ("tid", c_uint32),
        ("pid", c_uint32),
        ("pid_fd", c_uint32),
    )


class LinkCreateIter(Structure):
    """BPF_LINK_CREATE of an iterator."""

    _fields_ = (
        *LinkCreate._fields_,
        ("iter_info", c_uint64),
        ("iter_info_len", c_uint32),
    )


class IterCreate(Structure):
    """BPF_ITER_CREATE."""

    _fields_ = (
        ("link_fd", c_uint32),
        ("flags", c_uint32),
    )


BPF_F_KPROBE_MULTI_RETURN: Final = 1 << 0
BPF_F_UPROBE_MULTI_RETURN: Final = 1 << 0


class ProgAttach(Structure):
    """BPF_PROG_ATTACH and BPF_PROG_DETACH."""

    _fields_ = (
        ("target_fd", c_uint32),
        ("attach_bpf_fd", c_uint32),
        ("attach_type", c_uint32),
        ("attach_flags", c_uint32),
    )


class ProgInfo(Structure):
    """``struct bpf_prog_info``."""

    _fields_ = (
        ("type", c_uint32),
        ("id", c_uint32),
        ("tag", c_char * 8),
        ("jited_prog_len", c_uint32),
        ("xlated_prog_len", c_uint32),
        ("jited_prog_insns", c_uint64),
        ("xlated_prog_insns", c_uint64),
        ("load_time", c_uint64),
        ("created_by_uid", c_uint32),
        ("nr_map_ids", c_uint32),
        ("map_ids", c_uint64),
        ("name", c_char * OBJ_NAME_LEN),
        ("ifindex", c_uint32),
        ("bits", c_uint32),  # gpl_compatible
        ("netns_dev", c_uint64),
        ("netns_ino", c_uint64),
        ("nr_jited_ksyms", c_uint32),
        ("nr_jited_func_lens", c_uint32),
        ("jited_ksyms", c_uint64),
        ("jited_func_lens", c_uint64),
        ("btf_id", c_uint32),
        ("func_info_rec_size", c_uint32),
        ("func_info", c_uint64),
        ("nr_func_info", c_uint32),
        ("nr_line_info", c_uint32),
        ("line_info", c_uint64),
        ("jited_line_info", c_uint64),
        ("nr_jited_line_info", c_uint32),
        ("line_info_rec_size", c_uint32),
        ("jited_line_info_rec_size", c_uint32),
        ("nr_prog_tags", c_uint32),
        ("prog_tags", c_uint64),
        ("run_time_ns", c_uint64),
        ("run_cnt", c_uint64),
        ("recursion_misses", c_uint64),
        ("verified_insns", c_uint32),
        ("attach_btf_obj_id", c_uint32),
        ("attach_btf_id", c_uint32),
    )


class LinkInfoHead(Structure):
    """``struct bpf_link_info`` before its union."""

    _fields_ = (
        ("type", c_uint32),
        ("id", c_uint32),
        ("prog_id", c_uint32),
        ("padding", c_uint32),
    )


class LinkInfoMissedKprobeMulti(Structure):
    """``struct bpf_link_info`` of BPF_LINK_TYPE_KPROBE_MULTI, up to ``missed``."""

    _fields_ = (
        *LinkInfoHead._fields_,
        ("addrs", c_uint64),
        ("count", c_uint32),
        ("flags", c_uint32),
        ("missed", c_uint64),
    )


class LinkInfoMissedKprobe(Structure):
    """``struct bpf_link_info`` of BPF_LINK_TYPE_PERF_EVENT, a kprobe, up to ``missed``."""

    _fields_ = (
        *LinkInfoHead._fields_,
        ("perf_type", c_uint32),
        ("perf_padding", c_uint32),
        ("func_name", c_uint64),
        ("name_len", c_uint32),
        ("offset", c_uint32),
        ("addr", c_uint64),
        ("missed", c_uint64),
    )


class LinkType(IntEnum):
    """``enum bpf_link_type``."""

    UNSPEC = 0
    RAW_TRACEPOINT = 1
    TRACING = 2
    CGROUP = 3
    ITER = 4
    NETNS = 5
    XDP = 6
    PERF_EVENT = 7
    KPROBE_MULTI = 8
    STRUCT_OPS = 9
    NETFILTER = 10
    TCX = 11
    UPROBE_MULTI = 12
    NETKIT = 13
    SOCKMAP = 14
    TRACING_MULTI = 15


class PerfEventType(IntEnum):
    """``enum bpf_perf_event_type``."""

    UNSPEC = 0
    UPROBE = 1
    URETPROBE = 2
    KPROBE = 3
    KRETPROBE = 4
    TRACEPOINT = 5
    EVENT = 6


class EnableStats(Structure):
    """BPF_ENABLE_STATS."""

    _fields_ = (("type", c_uint32),)


BPF_STATS_RUN_TIME: Final = 0


class ProgStreamRead(Structure):
    """BPF_PROG_STREAM_READ_BY_FD."""

    _fields_ = (
        ("stream_buf", c_uint64),
        ("stream_buf_len", c_uint32),
        ("stream_id", c_uint32),
        ("prog_fd", c_uint32),
    )


BPF_STREAM_STDOUT: Final = 1
BPF_STREAM_STDERR: Final = 2


class LinkCreatePerfEvent(Structure):
    """BPF_LINK_CREATE of a perf event; ``bpf_cookie`` is what bpf_get_attach_cookie() returns."""

    _fields_ = (
        *LinkCreate._fields_,
        ("bpf_cookie", c_uint64),
    )


class PerfEventAttr(Structure):
    """``struct perf_event_attr`` (include/uapi/linux/perf_event.h) up to PERF_ATTR_SIZE_VER1, 72 bytes.

    ``sample_period`` is a frequency in Hz where PERF_ATTR_FREQ is among ``bits``; ``config1`` and
    ``config2`` are name and offset of a probe.
    """

    _fields_ = (
        ("type", c_uint32),
        ("size", c_uint32),
        ("config", c_uint64),
        ("sample_period", c_uint64),
        ("sample_type", c_uint64),
        ("read_format", c_uint64),
        ("bits", c_uint64),  # the kernel's bit fields, from ``disabled`` on
        ("wakeup_events", c_uint32),
        ("bp_type", c_uint32),
        ("config1", c_uint64),
        ("config2", c_uint64),
    )


BPF_F_ALLOW_MULTI: Final = 1 << 1  # of BPF_PROG_ATTACH to a cgroup

# include/uapi/linux/if_link.h
XDP_FLAGS_UPDATE_IF_NOEXIST: Final = 1 << 0
XDP_FLAGS_SKB_MODE: Final = 1 << 1
XDP_FLAGS_DRV_MODE: Final = 1 << 2
XDP_FLAGS_HW_MODE: Final = 1 << 3

TCA_BPF_ID: Final = 11  # include/uapi/linux/pkt_cls.h

# include/uapi/linux/pkt_sched.h: the two sides of a clsact qdisc
TC_CLSACT_INGRESS: Final = 0xFFFFFFF2  # TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
TC_CLSACT_EGRESS: Final = 0xFFFFFFF3

# include/uapi/linux/netfilter.h: NFPROTO_* and NF_INET_* of what a BPF program can be hooked to
NFPROTO: Final = {"ipv4": 2, "ipv6": 10}
NF_INET: Final = {"prerouting": 0, "input": 1, "forward": 2, "output": 3, "postrouting": 4}

CLONE_NEWNET: Final = 0x40000000  # include/uapi/linux/sched.h
SO_ATTACH_BPF: Final = 50  # include/uapi/asm-generic/socket.h
SO_ATTACH_REUSEPORT_EBPF: Final = 52
SO_DETACH_REUSEPORT_BPF: Final = 68
ETH_P_ALL: Final = 3  # include/uapi/linux/if_ether.h

PERF_TYPE_HARDWARE: Final = 0
PERF_TYPE_SOFTWARE: Final = 1
PERF_TYPE_TRACEPOINT: Final = 2
PERF_TYPE_RAW: Final = 4
PERF_ATTR_INHERIT: Final = 1 << 1  # among the bits: children are counted too
PERF_ATTR_FREQ: Final = 1 << 10  # among the bits: sample_period is a frequency
PERF_ATTR_WATERMARK: Final = 1 << 14  # among the bits: wakeup_events counts bytes
PERF_COUNT_SW_BPF_OUTPUT: Final = 10
PERF_SAMPLE_RAW: Final = 1 << 10
PERF_FORMAT_TOTAL_TIME_ENABLED: Final = 1 << 0
PERF_FORMAT_LOST: Final = 1 << 4
PERF_RECORD_LOST: Final = 2
PERF_RECORD_SAMPLE: Final = 9
PERF_FLAG_FD_CLOEXEC: Final = 1 << 3
PERF_EVENT_IOC_ENABLE: Final = 0x2400  # _IO('$', 0)
PERF_EVENT_IOC_SET_BPF: Final = 0x40042408  # _IOW('$', 8, __u32)

CAPABILITIES: Final = {  # include/uapi/linux/capability.h: those that beepy may need
    "CAP_DAC_OVERRIDE": 1,
    "CAP_DAC_READ_SEARCH": 2,
    "CAP_NET_ADMIN": 12,
    "CAP_NET_RAW": 13,
    "CAP_IPC_LOCK": 14,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYSLOG": 34,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}
LINUX_CAPABILITY_VERSION_3: Final = 0x20080522


CAP_HEADER: Final = Struct("=Ii")  # __user_cap_header_struct: version, pid (0: this thread)
CAP_DATA: Final = Struct("=3I")  # __user_cap_data_struct: effective, permitted, inheritable

AT_FDCWD: Final = -100  # include/uapi/linux/fcntl.h
AT_EACCESS: Final = 0x200
PR_SET_NO_NEW_PRIVS: Final = 38  # include/uapi/linux/prctl.h

# include/uapi/linux/seccomp.h
SECCOMP_SET_MODE_FILTER: Final = 1
SECCOMP_FILTER_FLAG_TSYNC: Final = 1 << 0
SECCOMP_FILTER_FLAG_SPEC_ALLOW: Final = 1 << 2
SECCOMP_RET_ERRNO: Final = 0x00050000
SECCOMP_RET_ALLOW: Final = 0x7FFF0000
SECCOMP_DATA_NR: Final = 0  # offsets in struct seccomp_data
SECCOMP_DATA_ARCH: Final = 4
SECCOMP_DATA_ARGS: Final = 16
X32_SYSCALL_BIT: Final = 0x40000000  # arch/x86/include/uapi/asm/unistd.h

# classic BPF, include/uapi/linux/bpf_common.h: load a word, jump if equal, or greater, return
BPF_LD_W_ABS: Final = 0x20
BPF_JEQ_K: Final = 0x15
BPF_JGE_K: Final = 0x35
BPF_RET_K: Final = 0x06
SOCK_FILTER: Final = Struct("=HBBI")  # sock_filter: code, jump if true, jump if not, constant
SOCK_FPROG: Final = Struct("=H6xQ")  # sock_fprog: number of instructions, their address

# include/uapi/asm-generic/mman-common.h
PROT_READ: Final = 1
PROT_WRITE: Final = 2
MAP_SHARED: Final = 1
MAP_FIXED_NOREPLACE: Final = 0x100000

# include/uapi/linux/mount.h
FSOPEN_CLOEXEC: Final = 1
FSCONFIG_CMD_CREATE: Final = 6
FSMOUNT_CLOEXEC: Final = 1
MOUNT_ATTR_RDONLY: Final = 1


class SyscallNumbers:
    """``__NR_*`` of one architecture; those from 424 on are the same on all of them."""

    fsopen: Final = 430
    fsconfig: Final = 431
    fsmount: Final = 432
    pidfd_open: Final = 434
    pidfd_getfd: Final = 438
    faccessat2: Final = 439

    def __init__(
        self,
        *,
        bpf: int,
        perf_event_open: int,
        seccomp: int,
        execve: int,
        execveat: int,
        audit_arch: int,
    ) -> None:
        self.bpf: Final = bpf
        self.perf_event_open: Final = perf_event_open
        self.seccomp: Final = seccomp
        self.execve: Final = execve
        self.execveat: Final = execveat
        self.audit_arch: Final = audit_arch  # AUDIT_ARCH_* (include/uapi/linux/audit.h)


IN_CREATE: Final = 0x100
IN_DELETE: Final = 0x200
IN_ONLYDIR: Final = 0x1000000

SYSCALL_NUMBERS: Final = {  # by uname's machine; little-endian ones
    "x86_64": SyscallNumbers(
        bpf=321,
        perf_event_open=298,
        seccomp=317,
        execve=59,
        execveat=322,
        audit_arch=0xC000003E,
    ),
    "aarch64": SyscallNumbers(
        bpf=280,
        perf_event_open=241,
        seccomp=277,
        execve=221,
        execveat=281,
        audit_arch=0xC00000B7,
    ),
    "loongarch64": SyscallNumbers(
        bpf=280,
        perf_event_open=241,
        seccomp=277,
        execve=221,
        execveat=281,
        audit_arch=0xC0000102,
    ),
    "riscv64": SyscallNumbers(
        bpf=280,
        perf_event_open=241,
        seccomp=277,
        execve=221,
        execveat=281,
        audit_arch=0xC00000F3,
    ),
    "ppc64le": SyscallNumbers(
        bpf=361,
        perf_event_open=319,
        seccomp=358,
        execve=11,
        execveat=362,
        audit_arch=0xC0000015,
    ),
}

# enum bpf_func_id by number, without BPF_FUNC_; no helper has been added since v6.2, nor will be:
# new ones are kfuncs
HELPERS: Final = tuple(
    """
unspec map_lookup_elem map_update_elem map_delete_elem probe_read ktime_get_ns trace_printk get_prandom_u32
get_smp_processor_id skb_store_bytes l3_csum_replace l4_csum_replace tail_call clone_redirect
get_current_pid_tgid get_current_uid_gid get_current_comm get_cgroup_classid skb_vlan_push skb_vlan_pop
skb_get_tunnel_key skb_set_tunnel_key perf_event_read redirect get_route_realm perf_event_output skb_load_bytes
get_stackid csum_diff skb_get_tunnel_opt skb_set_tunnel_opt skb_change_proto skb_change_type skb_under_cgroup
get_hash_recalc get_current_task probe_write_user current_task_under_cgroup skb_change_tail skb_pull_data
csum_update set_hash_invalid get_numa_node_id skb_change_head xdp_adjust_head probe_read_str get_socket_cookie
get_socket_uid set_hash setsockopt skb_adjust_room redirect_map sk_redirect_map sock_map_update xdp_adjust_meta
perf_event_read_value perf_prog_read_value getsockopt override_return sock_ops_cb_flags_set msg_redirect_map
msg_apply_bytes msg_cork_bytes msg_pull_data bind xdp_adjust_tail skb_get_xfrm_state get_stack
skb_load_bytes_relative fib_lookup sock_hash_update msg_redirect_hash sk_redirect_hash lwt_push_encap
lwt_seg6_store_bytes lwt_seg6_adjust_srh lwt_seg6_action rc_repeat rc_keydown skb_cgroup_id
get_current_cgroup_id get_local_storage sk_select_reuseport skb_ancestor_cgroup_id sk_lookup_tcp sk_lookup_udp
sk_release map_push_elem map_pop_elem map_peek_elem msg_push_data msg_pop_data rc_pointer_rel spin_lock
spin_unlock sk_fullsock tcp_sock skb_ecn_set_ce get_listener_sock skc_lookup_tcp tcp_check_syncookie
sysctl_get_name sysctl_get_current_value sysctl_get_new_value sysctl_set_new_value strtol strtoul sk_storage_get
sk_storage_delete send_signal tcp_gen_syncookie skb_output probe_read_user probe_read_kernel probe_read_user_str
probe_read_kernel_str tcp_send_ack send_signal_thread jiffies64 read_branch_records get_ns_current_pid_tgid
xdp_output get_netns_cookie get_current_ancestor_cgroup_id sk_assign ktime_get_boot_ns seq_printf seq_write
sk_cgroup_id sk_ancestor_cgroup_id ringbuf_output ringbuf_reserve ringbuf_submit ringbuf_discard ringbuf_query
csum_level skc_to_tcp6_sock skc_to_tcp_sock skc_to_tcp_timewait_sock skc_to_tcp_request_sock skc_to_udp6_sock
get_task_stack load_hdr_opt store_hdr_opt reserve_hdr_opt inode_storage_get inode_storage_delete d_path
copy_from_user snprintf_btf seq_printf_btf skb_cgroup_classid redirect_neigh per_cpu_ptr this_cpu_ptr
redirect_peer task_storage_get task_storage_delete get_current_task_btf bprm_opts_set ktime_get_coarse_ns
ima_inode_hash sock_from_file check_mtu for_each_map_elem snprintf sys_bpf btf_find_by_name_kind sys_close
timer_init timer_set_callback timer_start timer_cancel get_func_ip get_attach_cookie task_pt_regs
get_branch_snapshot trace_vprintk skc_to_unix_sock kallsyms_lookup_name find_vma loop strncmp get_func_arg
get_func_ret get_func_arg_cnt get_retval set_retval xdp_get_buff_len xdp_load_bytes xdp_store_bytes
copy_from_user_task skb_set_tstamp ima_file_hash kptr_xchg map_lookup_percpu_elem skc_to_mptcp_sock
dynptr_from_mem ringbuf_reserve_dynptr ringbuf_submit_dynptr ringbuf_discard_dynptr dynptr_read dynptr_write
dynptr_data tcp_raw_gen_syncookie_ipv4 tcp_raw_gen_syncookie_ipv6 tcp_raw_check_syncookie_ipv4
tcp_raw_check_syncookie_ipv6 ktime_get_tai_ns user_ringbuf_drain cgrp_storage_get cgrp_storage_delete
""".split()  # noqa: SIM905 - 212 quoted names are no better to read
)
