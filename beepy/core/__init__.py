"""CO-RE relocation, with the decisions of libbpf's relo_core. Pure."""
