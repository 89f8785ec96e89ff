"""The first release with each helper, type, flag and kfunc: for messages only.

Distributions backport features, so ``kernel.features`` probes what this kernel can do. Features
without a number are in ``beepy.features``. The kernel's enums only grow at their end, so a table
has the first member that each release added.

Sources: include/uapi/linux/bpf.h and kernel/bpf/syscall.c of the releases.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from beepy.uapi import HELPERS, AttachType, MapFlag, MapType, ProgFlag, ProgType

_First = tuple[tuple[int, str], ...]  # (the first number that a release added, the release)

_HELPERS: Final[_First] = (
    (1, "3.19"),  # map_lookup_elem
    (4, "4.1"),  # probe_read
    (12, "4.2"),  # tail_call
    (17, "4.3"),  # get_cgroup_classid
    (23, "4.4"),  # redirect
    (26, "4.5"),  # skb_load_bytes
    (27, "4.6"),  # get_stackid
    (31, "4.8"),  # skb_change_proto
    (37, "4.9"),  # current_task_under_cgroup
    (42, "4.10"),  # get_numa_node_id
    (45, "4.11"),  # probe_read_str
    (46, "4.12"),  # get_socket_cookie
    (48, "4.13"),  # set_hash
    (51, "4.14"),  # redirect_map
    (54, "4.15"),  # xdp_adjust_meta
    (58, "4.16"),  # override_return
    (60, "4.17"),  # msg_redirect_map
    (65, "4.18"),  # xdp_adjust_tail
    (81, "4.19"),  # get_local_storage
    (84, "4.20"),  # sk_lookup_tcp
    (91, "5.0"),  # msg_pop_data
    (93, "5.1"),  # spin_lock
    (99, "5.2"),  # skc_lookup_tcp
    (109, "5.3"),  # send_signal
    (110, "5.4"),  # tcp_gen_syncookie
    (111, "5.5"),  # skb_output
    (116, "5.6"),  # tcp_send_ack
    (119, "5.7"),  # read_branch_records
    (125, "5.8"),  # ktime_get_boot_ns
    (136, "5.9"),  # skc_to_tcp6_sock
    (142, "5.10"),  # load_hdr_opt
    (156, "5.11"),  # task_storage_get
    (163, "5.12"),  # check_mtu
    (164, "5.13"),  # for_each_map_elem
    (166, "5.14"),  # sys_bpf
    (169, "5.15"),  # timer_init
    (176, "5.16"),  # get_branch_snapshot
    (180, "5.17"),  # find_vma
    (186, "5.18"),  # get_retval
    (194, "5.19"),  # kptr_xchg
    (204, "6.0"),  # tcp_raw_gen_syncookie_ipv4
    (208, "6.1"),  # ktime_get_tai_ns
    (210, "6.2"),  # cgrp_storage_get
)
_MAP_TYPES: Final[_First] = (
    (MapType.HASH, "3.19"),
    (MapType.PROG_ARRAY, "4.2"),
    (MapType.PERF_EVENT_ARRAY, "4.3"),
    (MapType.PERCPU_HASH, "4.6"),
    (MapType.CGROUP_ARRAY, "4.8"),
    (MapType.LRU_HASH, "4.10"),
    (MapType.LPM_TRIE, "4.11"),
    (MapType.ARRAY_OF_MAPS, "4.12"),
    (MapType.DEVMAP, "4.14"),
    (MapType.CPUMAP, "4.15"),
    (MapType.XSKMAP, "4.18"),
    (MapType.CGROUP_STORAGE, "4.19"),
    (MapType.PERCPU_CGROUP_STORAGE, "4.20"),
    (MapType.SK_STORAGE, "5.2"),
    (MapType.DEVMAP_HASH, "5.4"),
    (MapType.STRUCT_OPS, "5.6"),
    (MapType.RINGBUF, "5.8"),
    (MapType.INODE_STORAGE, "5.10"),
    (MapType.TASK_STORAGE, "5.11"),
    (MapType.BLOOM_FILTER, "5.16"),
    (MapType.USER_RINGBUF, "6.1"),
    (MapType.CGRP_STORAGE, "6.2"),
    (MapType.ARENA, "6.9"),
    (MapType.INSN_ARRAY, "6.19"),
    (MapType.RHASH, "7.2"),
)
_PROG_TYPES: Final[_First] = (
    (ProgType.SOCKET_FILTER, "3.19"),
    (ProgType.KPROBE, "4.1"),
    (ProgType.TRACEPOINT, "4.7"),
    (ProgType.XDP, "4.8"),
    (ProgType.PERF_EVENT, "4.9"),
    (ProgType.CGROUP_SKB, "4.10"),
    (ProgType.SOCK_OPS, "4.13"),
    (ProgType.SK_SKB, "4.14"),
    (ProgType.CGROUP_DEVICE, "4.15"),
    (ProgType.SK_MSG, "4.17"),
    (ProgType.LWT_SEG6LOCAL, "4.18"),
    (ProgType.SK_REUSEPORT, "4.19"),
    (ProgType.FLOW_DISSECTOR, "4.20"),
    (ProgType.CGROUP_SYSCTL, "5.2"),
    (ProgType.CGROUP_SOCKOPT, "5.3"),
    (ProgType.TRACING, "5.5"),
    (ProgType.STRUCT_OPS, "5.6"),
    (ProgType.LSM, "5.7"),
    (ProgType.SK_LOOKUP, "5.9"),
    (ProgType.SYSCALL, "5.14"),
    (ProgType.NETFILTER, "6.4"),
)
_ATTACH_TYPES: Final[_First] = (
    (AttachType.CGROUP_INET_INGRESS, "4.10"),
    (AttachType.CGROUP_SOCK_OPS, "4.13"),
    (AttachType.SK_SKB_STREAM_PARSER, "4.14"),
    (AttachType.CGROUP_DEVICE, "4.15"),
    (AttachType.SK_MSG_VERDICT, "4.17"),
    (AttachType.CGROUP_UDP4_SENDMSG, "4.18"),
    (AttachType.FLOW_DISSECTOR, "4.20"),
    (AttachType.CGROUP_SYSCTL, "5.2"),
    (AttachType.CGROUP_GETSOCKOPT, "5.3"),
    (AttachType.TRACE_RAW_TP, "5.5"),
    (AttachType.MODIFY_RETURN, "5.7"),
    (AttachType.TRACE_ITER, "5.8"),
    (AttachType.CGROUP_INET_SOCK_RELEASE, "5.9"),
    (AttachType.SK_SKB_VERDICT, "5.13"),
    (AttachType.SK_REUSEPORT_SELECT, "5.14"),
    (AttachType.PERF_EVENT, "5.15"),
    (AttachType.TRACE_KPROBE_MULTI, "5.18"),
    (AttachType.LSM_CGROUP, "6.0"),
    (AttachType.STRUCT_OPS, "6.4"),
    (AttachType.TCX_INGRESS, "6.6"),
    (AttachType.CGROUP_UNIX_CONNECT, "6.7"),
    (AttachType.TRACE_KPROBE_SESSION, "6.10"),
    (AttachType.TRACE_UPROBE_SESSION, "6.13"),
    (AttachType.TRACE_FSESSION, "7.0"),
    (AttachType.TRACE_FENTRY_MULTI, "7.2"),
)
_MAP_FLAGS: Final[Mapping[int, str]] = {  # flag -> release
    MapFlag.NO_PREALLOC: "4.6",
    MapFlag.NO_COMMON_LRU: "4.10",
    MapFlag.NUMA_NODE: "4.14",
    MapFlag.RDONLY: "4.15",
    MapFlag.WRONLY: "4.15",
    MapFlag.STACK_BUILD_ID: "4.17",
    MapFlag.ZERO_SEED: "5.0",
    MapFlag.RDONLY_PROG: "5.2",
    MapFlag.WRONLY_PROG: "5.2",
    MapFlag.CLONE: "5.4",
    MapFlag.MMAPABLE: "5.5",
    MapFlag.PRESERVE_ELEMS: "5.10",
    MapFlag.INNER_MAP: "5.10",
    1 << 13: "6.4",  # BPF_F_LINK
    1 << 15: "6.9",  # BPF_F_VTYPE_BTF_OBJ_FD
    1 << 16: "6.9",  # BPF_F_TOKEN_FD
    1 << 17: "6.9",  # BPF_F_SEGV_ON_FAULT
    1 << 18: "6.9",  # BPF_F_NO_USER_CONV
    1 << 19: "6.19",  # BPF_F_RB_OVERWRITE
}
_PROG_FLAGS: Final[Mapping[int, str]] = {
    ProgFlag.STRICT_ALIGNMENT: "4.12",
    ProgFlag.ANY_ALIGNMENT: "5.0",
    ProgFlag.TEST_RND_HI32: "5.3",
    ProgFlag.TEST_STATE_FREQ: "5.4",
    ProgFlag.SLEEPABLE: "5.10",
    ProgFlag.XDP_HAS_FRAGS: "5.18",
    ProgFlag.XDP_DEV_BOUND_ONLY: "6.3",
}
_KFUNCS: Final[Mapping[str, str]] = {  # release -> the well-known kfuncs that it added
    "5.13": """
        tcp_slow_start tcp_cong_avoid_ai tcp_reno_ssthresh tcp_reno_cong_avoid
        tcp_reno_undo_cwnd""",
    "5.18": "bpf_xdp_ct_lookup bpf_skb_ct_lookup bpf_ct_release",
    "6.0": """
        bpf_ct_insert_entry bpf_ct_set_timeout bpf_ct_change_timeout bpf_ct_set_status
        bpf_ct_change_status""",
    "6.1": """
        bpf_lookup_user_key bpf_lookup_system_key bpf_key_put bpf_verify_pkcs7_signature
        crash_kexec""",
    "6.2": """
        bpf_obj_new_impl bpf_obj_drop_impl bpf_list_pop_front bpf_list_pop_back
        bpf_task_acquire bpf_task_release bpf_task_from_pid bpf_cgroup_acquire
        bpf_cgroup_release bpf_cgroup_ancestor bpf_cast_to_kern_ctx bpf_rdonly_cast
        bpf_rcu_read_lock bpf_rcu_read_unlock""",
    "6.3": """
        bpf_cpumask_create bpf_cpumask_acquire bpf_cpumask_release bpf_cpumask_test_cpu
        bpf_cpumask_set_cpu bpf_rbtree_first bpf_rbtree_remove bpf_xdp_metadata_rx_timestamp
        bpf_xdp_metadata_rx_hash""",
    "6.4": """
        bpf_refcount_acquire_impl bpf_rbtree_add_impl bpf_list_push_front_impl
        bpf_list_push_back_impl bpf_cgroup_from_id bpf_dynptr_slice bpf_dynptr_slice_rdwr
        bpf_dynptr_from_skb bpf_dynptr_from_xdp bpf_iter_num_new bpf_iter_num_next
        bpf_iter_num_destroy""",
    "6.5": """
        bpf_task_under_cgroup bpf_dynptr_adjust bpf_dynptr_is_null bpf_dynptr_is_rdonly
        bpf_dynptr_size bpf_dynptr_clone bpf_sock_destroy""",
    "6.6": "bpf_map_sum_elem_count",
    "6.7": """
        bpf_throw bpf_percpu_obj_new_impl bpf_percpu_obj_drop_impl
        bpf_sock_addr_set_sun_path bpf_iter_task_new bpf_iter_task_next
        bpf_iter_task_destroy bpf_iter_css_new bpf_iter_css_next bpf_iter_css_destroy
        bpf_iter_css_task_new bpf_iter_css_task_next bpf_iter_css_task_destroy
        bpf_iter_task_vma_new bpf_iter_task_vma_next bpf_iter_task_vma_destroy""",
    "6.8": """
        bpf_task_get_cgroup1 bpf_get_file_xattr bpf_get_fsverity_digest bpf_cpumask_weight
        bpf_xdp_get_xfrm_state""",
    "6.9": "bpf_arena_alloc_pages bpf_arena_free_pages",
    "6.10": """
        bpf_wq_init bpf_wq_set_callback_impl bpf_wq_start bpf_preempt_disable
        bpf_preempt_enable bpf_session_is_return bpf_session_cookie bpf_crypto_encrypt
        bpf_crypto_decrypt""",
    "6.11": "bpf_iter_bits_new bpf_iter_bits_next bpf_iter_bits_destroy",
    "6.12": """
        bpf_copy_from_user_str bpf_get_task_exe_file bpf_put_file bpf_path_d_path
        bpf_get_dentry_xattr""",
    "6.13": "bpf_task_from_vpid bpf_send_signal_task bpf_get_kmem_cache bpf_iter_kmem_cache_new",
    "6.14": "bpf_local_irq_save bpf_local_irq_restore",
    "6.15": """
        bpf_copy_from_user_task_str bpf_dynptr_copy bpf_res_spin_lock bpf_res_spin_unlock
        bpf_set_dentry_xattr""",
    "6.16": """
        bpf_probe_read_user_dynptr bpf_probe_read_kernel_dynptr bpf_copy_from_user_dynptr
        bpf_list_front""",
    "6.17": """
        bpf_dynptr_memset bpf_cgroup_read_xattr bpf_strcmp bpf_strchr bpf_strlen
        bpf_stream_vprintk_impl""",
    "6.18": "bpf_strcasecmp bpf_dynptr_from_skb_meta bpf_xdp_pull_data",
    "6.19": "bpf_dynptr_from_file",
}
_SLEEPABLE: Final[Mapping[int, str]] = {  # program type -> release
    ProgType.TRACING: "5.10",
    ProgType.LSM: "5.10",
    ProgType.SYSCALL: "5.14",
    ProgType.KPROBE: "6.0",
    ProgType.STRUCT_OPS: "6.3",
    ProgType.TRACEPOINT: "7.2",
    ProgType.RAW_TRACEPOINT: "7.2",
}
# attach types of TRACING that became sleepable later than the others
_SLEEPABLE_TRACING: Final[Mapping[int, str]] = {
    AttachType.TRACE_ITER: "5.18",
    AttachType.TRACE_RAW_TP: "7.2",
}


def _release(table: _First, number: int) -> str:
    """Return the release of the last row up to ``number``, "" if there is no such row."""
    index = bisect_right(table, number, key=lambda row: row[0])
    return table[index - 1][1] if index and number >= 0 else ""


def helper(number: int) -> str:
    """Return the first release with a helper, "" if the number is unknown."""
    return _release(_HELPERS, number) if number < len(HELPERS) else ""


def kfunc(name: str) -> str:
    """Return the first release with a kfunc, "" if it is not in the table."""
    return next((release for release, names in _KFUNCS.items() if name in names.split()), "")


def map_type(number: int) -> str:
    """Return the first release with a map type, "" if the number is unknown."""
    return _release(_MAP_TYPES, number) if number <= max(MapType) else ""


def prog_type(number: int) -> str:
    """Return the first release with a program type, "" if the number is unknown."""
    return _release(_PROG_TYPES, number) if number <= max(ProgType) else ""


def attach_type(number: int) -> str:
    """Return the first release with an attach type, "" if the number is unknown."""
    return _release(_ATTACH_TYPES, number) if number <= max(AttachType) else ""


def map_flags(flags: int) -> Iterator[str]:
    """Yield the first release of each known flag of BPF_MAP_CREATE that is set."""
    return (release for flag, release in _MAP_FLAGS.items() if flags & flag)


def prog_flags(flags: int) -> Iterator[str]:
    """Yield the first release of each known flag of BPF_PROG_LOAD that is set."""
    return (release for flag, release in _PROG_FLAGS.items() if flags & flag)


def sleepable(prog_type: int, attach_type: int) -> str:
    """Return the first release in which these programs may be sleepable, "" if they may not."""
    later = _SLEEPABLE_TRACING.get(attach_type) if prog_type == ProgType.TRACING else None
    return later or _SLEEPABLE.get(prog_type, "")


def order(release: str) -> tuple[int, ...]:
    """Return a release as numbers, which compare in order: "5.9" before "5.10"."""
    return tuple(int(number) for number in release.split(".")) if release else ()


def newest(releases: Iterable[str]) -> str:
    """Return the newest of ``releases``, "" if there are none."""
    return max(releases, key=order, default="")
