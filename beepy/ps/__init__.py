"""All BPF programs, maps, links and pins of this machine, and what the programs cost."""
