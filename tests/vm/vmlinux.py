"""The types of a kernel that is not running: .BTF out of its compressed image.

::

    x86    | boot sector, setup code | ... | payload | ...
             Documentation/arch/x86/boot.rst: 0x1f1, 0x248, 0x24c
    arm64  | MZ | ... | "ARMd" | ... the kernel itself, or since
             Documentation/arch/arm64/booting.rst
           | MZ | "zimg" | offset u32 | length u32 | ... | payload | ...
             drivers/firmware/efi/libstub/zboot-header.S
"""

import gzip
import lzma
import struct
import subprocess
from pathlib import Path
from typing import Final

from beepy.btf.btf import Btf

_HEADER: Final = struct.Struct("<HBBIIIII")  # struct btf_header
_BEGIN: Final = struct.pack("<HBBI", 0xEB9F, 1, 0, _HEADER.size)
_LEAST: Final = 1 << 20  # bytes: a kernel's types are some MB; any other is that of a piece


def types(image: Path) -> Btf:
    """Return the kernel's types."""
    kernel = _unpacked(image.read_bytes())
    at = -1
    while (at := kernel.find(_BEGIN, at + 1)) >= 0:
        *_, types_at, types_size, strings_at, strings_size = _HEADER.unpack_from(kernel, at)
        size = _HEADER.size + strings_at + strings_size
        if (
            types_at == 0
            and strings_at == types_size
            and size >= _LEAST
            and at + size <= len(kernel)
        ):
            return Btf(kernel[at : at + size], name="vmlinux")
    raise ValueError(f"{image}: no types in it")


def _unpacked(image: bytes) -> bytes:
    if image[0x202:0x206] == b"HdrS":
        sectors = image[0x1F1] or 4
        offset, length = struct.unpack_from("<II", image, 0x248)
        offset += (sectors + 1) * 512
    elif image[0x38:0x3C] == b"ARMd":
        return image
    else:
        assert image[4:8] == b"zimg"
        offset, length = struct.unpack_from("<II", image, 8)
    payload = image[offset : offset + length]
    if payload.startswith(b"\x1f\x8b"):
        return gzip.decompress(payload)
    if payload.startswith(b"\xfd7zXZ"):
        return lzma.LZMADecompressor().decompress(payload)
    command = "zstd" if payload.startswith(b"\x28\xb5\x2f\xfd") else "lz4"
    ended = subprocess.run([command, "-dcq"], check=False, input=payload, capture_output=True)
    return ended.stdout  # behind the payload stands its size, which these commands do not know
