"""What is not an image: what it is instead, and the command that makes an image of it."""

import re
import shlex
from collections.abc import Callable
from typing import Final

from beepy.errors import StoreError, UnsupportedImage
from beepy.text import safe

_BITCODE: Final = (b"BC\xc0\xde", b"\xde\xc0\x17\x0b")  # bare, and in its wrapper
_COMPRESSED: Final = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
}
_SUFFIX: Final = re.compile(r"\.(gz|xz|zst|bz2)$")


def file(head: bytes, text: str) -> UnsupportedImage:
    """Return why the file ``text``, which begins with ``head``, is not an image."""
    where, name = safe(text[:200]), _word(text)
    if head.startswith(_BITCODE):
        error = UnsupportedImage(f"{where}: LLVM bitcode, not an ELF object")
        error.add_note(f"llc -march=bpf -filetype=obj {name} -o {_word(_stem(text, 'bc|o'))}.bpf.o")
        return error
    for magic, program in _COMPRESSED.items():
        if head.startswith(magic):
            error = UnsupportedImage(f"{where}: compressed ({program})")
            unpacked = (
                _stem(text, "tgz") + ".tar" if text.endswith(".tgz") else _SUFFIX.sub("", text)
            )
            target = unpacked if unpacked != text else f"{text}.unpacked"
            error.add_note(f"{program} -dc {name} > {_word(target)}")
            return error
    if not head:
        return UnsupportedImage(f"{where}: an empty file")
    if text.endswith(".c"):
        error = UnsupportedImage(f"{where}: C source, neither an ELF object nor an OCI archive")
        error.add_note(f"beepy build {name}")
        return error
    return UnsupportedImage(f"{where}: neither an ELF object nor an OCI archive")


def layout(text: str, read_names: Callable[[], tuple[str, ...]]) -> UnsupportedImage:
    """Return why the image layout (a directory) ``text`` is not an image: it may hold several."""
    error = UnsupportedImage(
        f"{safe(text[:200])}: an image layout (a directory), not one image of it"
    )
    try:
        names = read_names()
    except StoreError as unreadable:
        error.add_note(str(unreadable))
        return error
    if len(names) == 1:
        error.add_note(f"beepy run --storage {_word(text)} {_word(names[0])}")
    else:
        error.add_note(
            f"beepy list --storage {_word(text)} shows its images; run takes --storage too"
        )
    return error


def _stem(text: str, endings: str) -> str:
    return re.sub(rf"\.({endings})$", "", text)


def _word(text: str) -> str:
    """Return a name quoted for a shell."""
    return safe(shlex.quote(text[:200]))
