	u64 seconds = bpf_ktime_get_ns() / 1000000000; // since boot: when it was last

	bpf_map_update_elem(&$map, event, &seconds, BPF_ANY);
