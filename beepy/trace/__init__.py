"""What programs print, read while they run: by bpf_printk(), and into their streams."""
