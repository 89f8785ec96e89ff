"""Names of sections that mean something, as libbpf and clang give them."""

from typing import Final

TEXT: Final = ".text"
"""The section of subprograms; every other section of code holds entry programs."""

KCONFIG: Final = ".kconfig"
KSYMS: Final = ".ksyms"
ARENA: Final = ".addr_space.1"
JUMP_TABLES: Final = ".jumptables"
LINKED_STRUCT_OPS: Final = (".struct_ops.link", "?.struct_ops.link")
STRUCT_OPS: Final = (".struct_ops", "?.struct_ops", *LINKED_STRUCT_OPS)
LEGACY_MAPS: Final = "maps"
"""The section of map definitions of before BTF, ``struct bpf_map_def``."""


PAIR: Final = "____btf_map_"
"""The prefix that BPF_ANNOTATE_KV_PAIR puts before a legacy map's name.

A struct of its key and value has that name, and a variable.
"""


def is_maps(section: str) -> bool:
    """Tell whether a section holds map definitions: .maps, or .maps.foo as in older bee images."""
    return section == ".maps" or section.startswith(".maps.")


def is_data(section: str) -> bool:
    """Tell whether a section holds global variables: .data, .rodata, .bss, .data.foo and so on."""
    return any(
        section == kind or section.startswith(f"{kind}.") for kind in (".data", ".rodata", ".bss")
    )


def is_constant(section: str) -> bool:
    """Tell whether the variables of the section are fixed at load."""
    return section in (".rodata", KCONFIG) or section.startswith(".rodata.")
