"""CO-RE: resolve an object's relocations against a kernel's types, as libbpf's relo_core. Pure."""
