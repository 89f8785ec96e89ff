/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CORE_FIELDS_H
#define CORE_FIELDS_H

/* integers that every kernel with BTF has: plain, nested, in unions, signed and unsigned */
#define INTEGERS(X)                                                                                \
	X(task_struct, pid)                                                                        \
	X(task_struct, tgid)                                                                       \
	X(task_struct, exit_code)                                                                  \
	X(task_struct, flags)                                                                      \
	X(task_struct, prio)                                                                       \
	X(task_struct, se.vruntime)                                                                \
	X(task_struct, start_time)                                                                 \
	X(task_struct, migration_disabled)                                                         \
	X(signal_struct, group_exit_code)                                                          \
	X(signal_struct, oom_flag_origin)                                                          \
	X(cred, euid.val)                                                                          \
	X(sk_buff, protocol)                                                                       \
	X(sk_buff, mac_len)                                                                        \
	X(sock, __sk_common.skc_daddr)                                                             \
	X(sock, __sk_common.skc_num)                                                               \
	X(sock, __sk_common.skc_state)                                                             \
	X(sock, sk_type)                                                                           \
	X(tcp_sock, srtt_us)                                                                       \
	X(dentry, d_name.len)                                                                      \
	X(dentry, d_name.hash_len)                                                                 \
	X(inode, i_mode)

/* structs, arrays and pointers: clang refuses to ask for the sign of these */
#define OTHERS(X)                                                                                  \
	X(task_struct, comm)                                                                       \
	X(task_struct, real_parent)                                                                \
	X(task_struct, signal)                                                                     \
	X(task_struct, tasks.prev)                                                                 \
	X(cred, uid)                                                                               \
	X(sk_buff, next)                                                                           \
	X(sk_buff, cb)                                                                             \
	X(file, f_path.dentry)                                                                     \
	X(super_block, s_id)

#define BITFIELDS(X)                                                                               \
	X(task_struct, in_iowait)                                                                  \
	X(task_struct, sched_reset_on_fork)                                                        \
	X(task_struct, in_execve)                                                                  \
	X(signal_struct, has_child_subreaper)                                                      \
	X(sk_buff, pkt_type)                                                                       \
	X(sk_buff, ip_summed)                                                                      \
	X(sk_buff, cloned)                                                                         \
	X(sk_buff, fclone)                                                                         \
	X(sock_common, skc_reuse)                                                                  \
	X(sock, __sk_common.skc_reuseport)                                                         \
	X(sock, sk_no_check_rx)                                                                    \
	X(tcp_sock, nonagle)                                                                       \
	X(tcp_sock, frto)

/* elements of arrays: only their offset and size can be asked */
#define ELEMENTS(X)                                                                                \
	X(task_struct, comm[0])                                                                    \
	X(task_struct, comm[5])                                                                    \
	X(sk_buff, cb[47])                                                                         \
	X(super_block, s_id[31])

#define INFO(kind, type, field)                                                                    \
	sink = __builtin_preserve_field_info(((struct type *)0)->field, kind);

#endif
