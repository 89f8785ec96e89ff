"""What a program can change besides its own maps, by its helpers, kfuncs, type and pins."""

from collections.abc import Mapping
from typing import Final

from beepy import sections
from beepy.analysis import context_writes
from beepy.obj.insn import CALL, PSEUDO_KFUNC_CALL, PSEUDO_MAP_FD, PSEUDO_MAP_VALUE
from beepy.obj.pinning import Pins
from beepy.obj.spec import CollectionSpec, ExternRef, MapRef, ProgramSpec
from beepy.uapi import HELPERS, MapFlag, MapType

# effect -> the helpers with that effect
_CHANGES: Final = {
    "memory of processes": "probe_write_user",
    "return values of kernel functions": "override_return",
    "signals to processes": "send_signal send_signal_thread",
    "how programs start": "bprm_opts_set",
    "packets": """
        skb_store_bytes l3_csum_replace l4_csum_replace clone_redirect skb_vlan_push
        skb_vlan_pop skb_set_tunnel_key skb_set_tunnel_opt redirect skb_change_proto
        skb_change_type skb_change_tail skb_change_head set_hash set_hash_invalid
        skb_adjust_room redirect_map redirect_neigh redirect_peer skb_set_tstamp
        xdp_adjust_head xdp_adjust_meta xdp_adjust_tail xdp_store_bytes sk_redirect_map
        sk_redirect_hash msg_redirect_map msg_redirect_hash msg_apply_bytes msg_cork_bytes
        msg_pull_data msg_push_data msg_pop_data lwt_push_encap lwt_seg6_store_bytes
        lwt_seg6_adjust_srh lwt_seg6_action store_hdr_opt reserve_hdr_opt tcp_send_ack
        skb_ecn_set_ce""",
    "sockets": """
        setsockopt bind sk_assign sk_select_reuseport sock_map_update sock_hash_update
        sock_ops_cb_flags_set""",
    "sysctl values": "sysctl_set_new_value",
    "answers of the kernel": "set_retval",
    "input events": "rc_repeat rc_keydown rc_pointer_rel",
    "other programs and maps": "sys_bpf",
    "open files": "sys_close",
}
_EFFECTS: Final = {
    helper: change for change, helpers in _CHANGES.items() for helper in helpers.split()
}
# helpers that only read, or change only the program's own maps, packets that its hook changes
# anyway, and what a packet or socket has beside its contents for the program itself
_READING: Final = """
    unspec map_lookup_elem map_update_elem map_delete_elem probe_read ktime_get_ns trace_printk
    get_prandom_u32 get_smp_processor_id tail_call get_current_pid_tgid get_current_uid_gid
    get_current_comm get_cgroup_classid skb_get_tunnel_key perf_event_read get_route_realm
    perf_event_output skb_load_bytes get_stackid csum_diff skb_get_tunnel_opt skb_under_cgroup
    get_hash_recalc get_current_task current_task_under_cgroup skb_pull_data csum_update
    get_numa_node_id probe_read_str get_socket_cookie get_socket_uid perf_event_read_value
    perf_prog_read_value getsockopt skb_get_xfrm_state get_stack skb_load_bytes_relative
    fib_lookup skb_cgroup_id get_current_cgroup_id get_local_storage skb_ancestor_cgroup_id
    sk_lookup_tcp sk_lookup_udp sk_release map_push_elem map_pop_elem map_peek_elem spin_lock
    spin_unlock sk_fullsock tcp_sock get_listener_sock skc_lookup_tcp tcp_check_syncookie
    sysctl_get_name sysctl_get_current_value sysctl_get_new_value strtol strtoul sk_storage_get
    sk_storage_delete tcp_gen_syncookie skb_output probe_read_user probe_read_kernel
    probe_read_user_str probe_read_kernel_str jiffies64 read_branch_records
    get_ns_current_pid_tgid xdp_output get_netns_cookie get_current_ancestor_cgroup_id
    ktime_get_boot_ns seq_printf seq_write sk_cgroup_id sk_ancestor_cgroup_id ringbuf_output
    ringbuf_reserve ringbuf_submit ringbuf_discard ringbuf_query csum_level skc_to_tcp6_sock
    skc_to_tcp_sock skc_to_tcp_timewait_sock skc_to_tcp_request_sock skc_to_udp6_sock
    get_task_stack load_hdr_opt inode_storage_get inode_storage_delete d_path copy_from_user
    snprintf_btf seq_printf_btf skb_cgroup_classid per_cpu_ptr this_cpu_ptr task_storage_get
    task_storage_delete get_current_task_btf ktime_get_coarse_ns ima_inode_hash sock_from_file
    check_mtu for_each_map_elem snprintf btf_find_by_name_kind timer_init timer_set_callback
    timer_start timer_cancel get_func_ip get_attach_cookie task_pt_regs get_branch_snapshot
    trace_vprintk skc_to_unix_sock kallsyms_lookup_name find_vma loop strncmp get_func_arg
    get_func_ret get_func_arg_cnt get_retval xdp_get_buff_len xdp_load_bytes copy_from_user_task
    ima_file_hash kptr_xchg map_lookup_percpu_elem skc_to_mptcp_sock dynptr_from_mem
    ringbuf_reserve_dynptr ringbuf_submit_dynptr ringbuf_discard_dynptr dynptr_read dynptr_write
    dynptr_data tcp_raw_gen_syncookie_ipv4 tcp_raw_gen_syncookie_ipv6 tcp_raw_check_syncookie_ipv4
    tcp_raw_check_syncookie_ipv6 ktime_get_tai_ns user_ringbuf_drain cgrp_storage_get
    cgrp_storage_delete"""
_READS: Final = frozenset(_READING.split())
# prefixes of kfuncs that only read, or change only objects of the program
_OWN_KFUNCS: Final = """
    bpf_get_ bpf_iter_ bpf_cpumask_ bpf_obj_ bpf_percpu_obj_ bpf_list_ bpf_rbtree_ bpf_wq_
    bpf_refcount_ bpf_rcu_ bpf_preempt_ bpf_local_irq_ bpf_res_spin_ bpf_arena_ bpf_session_
    bpf_dynptr_ bpf_copy_from_ bpf_probe_read_ bpf_str bpf_crypto_ bpf_xdp_metadata_ bpf_path_
    bpf_task_acquire bpf_task_release bpf_task_from_ bpf_task_under_ bpf_task_get_ bpf_put_file
    bpf_cgroup_acquire bpf_cgroup_release bpf_cgroup_ancestor bpf_cgroup_from_ bpf_cgroup_read_
    bpf_cast_to_kern_ctx bpf_rdonly_cast bpf_throw bpf_map_sum_elem_count bpf_lookup_
    bpf_key_put bpf_verify_ bpf_stream_ bpf_xdp_get_ bpf_xdp_ct_lookup bpf_skb_ct_lookup
    bpf_ct_release"""
_MAPS: Final[Mapping[int, str]] = {
    MapType.SOCKMAP: "sockets",
    MapType.SOCKHASH: "sockets",
    MapType.STRUCT_OPS: "kernel operations",
}
# src of an LD_IMM64 whose map is the number of a descriptor, or an index into an array of them
_MAP_OF_NUMBER: Final = (PSEUDO_MAP_FD, PSEUDO_MAP_VALUE, 5, 6)
_BY_NAME: Final = Pins()


def of_maps(spec: CollectionSpec, pins: Pins = _BY_NAME) -> dict[str, str]:
    """Return the effect of the maps that are more than the programs' own, by the map's name.

    Other programs may use a map that is pinned; a socket in a SOCKMAP, or an operation of
    struct_ops, is the kernel's.
    """
    effects = {
        map_spec.name: _MAPS[map_spec.type] for map_spec in spec.maps if map_spec.type in _MAPS
    }
    effects |= {
        map_spec.name: f"map pinned at {path}"
        for map_spec in spec.maps
        if not map_spec.flags & MapFlag.RDONLY_PROG and (path := pins.path(map_spec))
    }
    return effects


def of_program(program: ProgramSpec, maps: Mapping[str, str]) -> tuple[str, ...]:
    """Return the effects of a program, sorted: what it can change besides its own maps.

    An empty result is a proof: whatever is not known to have no effect has one. ``maps`` is the
    result of ``of_maps``.
    """
    effects = {maps[ref.map] for ref in program.refs if isinstance(ref, MapRef) and ref.map in maps}
    effects |= _of_section(program)
    for name in helpers(program):
        if name in _EFFECTS:
            effects.add(_EFFECTS[name])
        elif name not in _READS:
            effects.add(f"what helper {name} changes")
    named = {ref.insn for ref in program.refs}
    for index, insn in enumerate(program.insns):
        if index in named:
            continue
        if insn.code == CALL and insn.src == PSEUDO_KFUNC_CALL:
            effects.add("what a kernel function changes")
        elif insn.wide and insn.src in _MAP_OF_NUMBER:
            effects.add("maps of others")
    externs = [ref for ref in program.refs if isinstance(ref, ExternRef)]
    called = [ref.name for ref in externs if program.insns[ref.insn].code == CALL]
    own = tuple(_OWN_KFUNCS.split())
    effects |= {f"kernel function {name}" for name in called if not name.startswith(own)}
    return tuple(sorted(effects))


def helpers(program: ProgramSpec) -> tuple[str, ...]:
    """Return the helpers that a program calls, in the order of first call; "#250" if unknown."""
    calls = [insn.imm for insn in program.insns if insn.code == CALL and insn.src == 0]
    return tuple(
        [
            HELPERS[number] if 0 <= number < len(HELPERS) else f"#{number}"
            for number in dict.fromkeys(calls)
        ]
    )


def _of_section(program: ProgramSpec) -> set[str]:
    """Return what a program changes by its return value and its context."""
    hook = sections.find(program.section)
    if hook is None:
        return {f"what programs of section '{program.section}' change"}
    effects = {hook.effect} if hook.effect else set()
    if hook.context_effect and context_writes.writes(program):
        effects.add(hook.context_effect)
    return effects
