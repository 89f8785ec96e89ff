"""CO-RE: what libbpf's relo_core decides about an object's relocations against a kernel's types. Pure."""
