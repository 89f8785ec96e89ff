"""Names in objects: strings of BTF and ELF as text, and the essential names that CO-RE compares."""

from typing import Final

_ESCAPES: Final = {code: f"\\x{code:02x}" for code in range(0x80, 0x100)}


def text(string: bytes) -> str:
    """Return a string as text: bytes outside ASCII become ``\\xNN``."""  # noqa: D301 - one backslash
    return (
        string.decode("ascii") if string.isascii() else string.decode("latin-1").translate(_ESCAPES)
    )


def essential_name(name: str) -> str:
    """Return ``name`` without its flavor: ``task_struct___old`` is ``task_struct``."""
    at = name.rfind("___")
    while at > 0:
        after = name[at + 3 : at + 4]
        if name[at - 1] != "_" and after and after != "_":
            return name[:at]
        at = name.rfind("___", 0, at + 2)
    return name
