"""A map in the kernel; its keys and values are bytes."""

import ctypes
import errno
import mmap
from types import TracebackType
from typing import Self

from beepy import map_types, uapi
from beepy.errors import KernelError
from beepy.host.machine import possible_cpus
from beepy.sys import syscall
from beepy.sys.fd import Fd
from beepy.text import safe
from beepy.uapi import MapFlag, MapType, UpdateFlag


class Map:
    """Owns the ``fd`` of a map.

    ``key_size`` and ``value_size`` are as the kernel has them, in bytes. ``value_span`` is the size
    of a value in user space: a value of a per-CPU map has one slot per possible CPU, each rounded
    up to 8 bytes. All methods take and return values of that size. ``pinned`` is the path of the
    map's pin ("": it is not pinned); ``claimed`` is true while a reader reads the map.
    """

    def __init__(  # noqa: PLR0917 - what BPF_MAP_CREATE takes
        self,
        fd: Fd,
        name: str,
        type: MapType,  # noqa: A002 - the kernel's word
        key_size: int,
        value_size: int,
        max_entries: int,
    ) -> None:
        self.fd = fd
        self.name = name
        self.type = type
        self.key_size = key_size
        self.value_size = value_size
        self.max_entries = max_entries
        self.pinned = ""
        self.claimed = False
        is_percpu = map_types.of(type).is_percpu
        self.value_span = (value_size + 7 & ~7) * possible_cpus() if is_percpu else value_size
        self._where = f"map '{safe(name)}'"

    def lookup(self, key: bytes) -> bytes | None:
        """Return the value of ``key``, None if the map has no such key."""
        where = f"{self._where}: look-up"
        value = ctypes.create_string_buffer(self.value_span)
        attr = self._elem(where, key)
        attr.value = ctypes.addressof(value)
        return value.raw if syscall.map_lookup_elem(attr, where) else None

    def update(self, key: bytes, value: bytes, flags: UpdateFlag = UpdateFlag.ANY) -> None:
        """Set the value of ``key``.

        Raises KernelError: EEXIST or ENOENT as ``flags`` demand, E2BIG if the map is full.
        """
        where = f"{self._where}: update"
        attr = self._elem(where, key)
        if len(value) != self.value_span:
            raise KernelError(
                f"{where}: value of {len(value)} bytes, expected {self.value_span}", errno.EINVAL
            )
        attr.value = syscall.ptr(value)
        attr.flags = flags
        syscall.map_update_elem(attr, where)

    def delete(self, key: bytes) -> bool:
        """Delete ``key``; return whether it existed."""
        where = f"{self._where}: delete"
        return syscall.map_delete_elem(self._elem(where, key), where)

    def next_key(self, key: bytes | None) -> bytes | None:
        """Return the key that follows ``key`` (None: the first key), None at the end.

        If ``key`` has been deleted, a hash map returns its first key.
        """
        where = f"{self._where}: next key"
        buffer = ctypes.create_string_buffer(self.key_size)
        attr = uapi.MapElem(map_fd=self.fd.fileno()) if key is None else self._elem(where, key)
        attr.value = ctypes.addressof(buffer)
        return buffer.raw if syscall.map_get_next_key(attr, where) else None

    def lookup_batch(
        self, cursor: bytes | None, count: int
    ) -> tuple[bytes, bytes, int, bytes | None]:
        """Return up to ``count`` entries: keys, values, number of entries, and the next cursor.

        ``cursor`` None starts at the first entry; a returned cursor of None means that there are no
        more. Raises KernelError: ENOSPC if a bucket of a hash map has more than ``count`` entries
        (nothing was read: use a larger count); EINVAL or ENOTSUPP if the kernel or the map type
        does not support batches.
        """
        return self._batch(cursor, count, delete=False)

    def take_batch(
        self, cursor: bytes | None, count: int
    ) -> tuple[bytes, bytes, int, bytes | None]:
        """Return what ``lookup_batch`` does, and delete each entry as it is read."""
        return self._batch(cursor, count, delete=True)

    def _batch(
        self, cursor: bytes | None, count: int, *, delete: bool
    ) -> tuple[bytes, bytes, int, bytes | None]:
        keys = ctypes.create_string_buffer(self.key_size * count)
        values = ctypes.create_string_buffer(self.value_span * count)
        cursor_size = max(self.key_size, 4)  # a key, or a u32 of a hash map
        begin = ctypes.create_string_buffer(cursor, cursor_size) if cursor is not None else None
        end = ctypes.create_string_buffer(cursor_size)
        attr = uapi.MapBatch(
            in_batch=ctypes.addressof(begin) if begin else 0,
            out_batch=ctypes.addressof(end),
            keys=ctypes.addressof(keys),
            values=ctypes.addressof(values),
            count=count,
            map_fd=self.fd.fileno(),
        )
        more = syscall.map_lookup_batch(attr, f"{self._where}: batch look-up", delete=delete)
        entries: int = attr.count
        key_bytes = bytes(memoryview(keys)[: entries * self.key_size])
        value_bytes = bytes(memoryview(values)[: entries * self.value_span])
        return key_bytes, value_bytes, entries, end.raw if more else None

    def freeze(self) -> None:
        """Forbid writes from user space; then the verifier relies on the contents of .rodata."""
        syscall.map_freeze(uapi.MapElem(map_fd=self.fd.fileno()), f"{self._where}: freeze")

    def info(self) -> uapi.MapInfo:
        """Return the kernel's struct bpf_map_info; fields that an older kernel lacks are 0."""
        info = uapi.MapInfo()
        attr = uapi.ObjInfo(
            bpf_fd=self.fd.fileno(), info_len=ctypes.sizeof(info), info=ctypes.addressof(info)
        )
        syscall.obj_get_info_by_fd(attr, f"{self._where}: information")
        return info

    def fill_arena(self, address: int, contents: bytes) -> None:
        """Set the user-space address of an arena (0: any), and write ``contents`` to its beginning.

        Programs cannot use an arena before it was mapped once. This maps it, writes and unmaps it
        again: the kernel keeps the contents and the address.
        """
        length = self.max_entries * mmap.PAGESIZE
        if len(contents) > length:
            raise KernelError(
                f"{self._where}: arena: {len(contents)} bytes, expected at most {length}",
                errno.E2BIG,
            )
        mapped = syscall.map_memory(self.fd, address, length, f"{self._where}: arena")
        ctypes.memmove(mapped, contents, len(contents))
        syscall.unmap_memory(mapped, length)

    def close(self) -> None:
        """Close the descriptor; the kernel keeps the map while a program or a pin uses it."""
        self.fd.close()

    def _elem(self, where: str, key: bytes) -> uapi.MapElem:
        """Return the struct that points to ``key``; the caller must keep a reference to ``key``."""
        if len(key) != self.key_size:
            raise KernelError(
                f"{where}: key of {len(key)} bytes, expected {self.key_size}", errno.EINVAL
            )
        return uapi.MapElem(map_fd=self.fd.fileno(), key=syscall.ptr(key))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def create(
    type: MapType,  # noqa: A002 - the kernel's word
    name: str,
    key_size: int,
    value_size: int,
    max_entries: int,
    *,
    flags: MapFlag | int = 0,
    btf: Fd | None = None,
    key_type_id: int = 0,
    value_type_id: int = 0,
    vmlinux_value_type_id: int = 0,
    inner: Map | None = None,
    numa_node: int = 0,
    map_extra: int = 0,
) -> Map:
    """Create a map; the caller owns it, and still owns ``btf`` and ``inner``.

    The kernel gets ``name`` as ``syscall.object_name`` converts it. ``inner`` is the template of
    the maps that a map of maps holds. Raises KernelError.
    """
    where = f"map '{safe(name)}': create"
    attr = uapi.MapCreate(
        map_type=type,
        key_size=key_size,
        value_size=value_size,
        max_entries=max_entries,
        map_flags=flags,
        inner_map_fd=inner.fd.fileno() if inner else 0,
        numa_node=numa_node,
        map_name=syscall.object_name(name),
        btf_fd=btf.fileno() if btf else 0,
        btf_key_type_id=key_type_id,
        btf_value_type_id=value_type_id,
        btf_vmlinux_value_type_id=vmlinux_value_type_id,
        map_extra=map_extra,
    )
    try:
        fd = syscall.map_create(attr, where)
    except KernelError as error:
        from beepy.kernel import memlock  # noqa: PLC0415 - only where the kernel refuses

        can_retry = error.errno == errno.EPERM and memlock.raise_limit()
        if not can_retry and not _sanitize_name(attr, error):
            raise
        fd = syscall.map_create(attr, where)
    return Map(fd, name, type, key_size=key_size, value_size=value_size, max_entries=max_entries)


def from_fd(fd: Fd, name: str) -> Map:
    """Return the map of ``fd``, which it owns. Raises KernelError: EINVAL for an unknown type."""
    unsized = Map(fd, name, MapType.UNSPEC, key_size=0, value_size=0, max_entries=0)
    info = unsized.info()
    try:
        map_type = MapType(info.type)
    except ValueError:
        raise KernelError(f"map '{safe(name)}': type {info.type}: unknown", errno.EINVAL) from None
    return Map(
        fd,
        name,
        map_type,
        key_size=info.key_size,
        value_size=info.value_size,
        max_entries=info.max_entries,
    )


def _sanitize_name(attr: uapi.MapCreate, refused: KernelError) -> bool:
    """Remove characters that an old kernel refuses from the name; return whether it changed."""
    if refused.errno != errno.EINVAL:
        return False
    from beepy.kernel import features  # noqa: PLC0415 - only where the kernel refuses

    name: bytes = attr.map_name
    attr.map_name = features.sanitize_name(name)
    return bool(attr.map_name != name)
