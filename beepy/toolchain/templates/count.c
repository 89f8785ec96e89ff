	u64 *count, one = 1;

	count = bpf_map_lookup_elem(&$map, event);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&$map, event, &one, BPF_NOEXIST);
