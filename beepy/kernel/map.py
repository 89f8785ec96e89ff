"""A map in the kernel: its entries as bytes."""

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
    """Owns a map's ``fd``.

    ``key_size`` and ``value_size`` are the kernel's, in bytes. ``value_span`` is what one value takes in user space: of
    a per-CPU map one slot for each possible CPU, each rounded up to 8 bytes; all methods mean that by a value.
    ``pinned`` is the path at which it was found or pinned, "" if it is not; ``claimed`` says that its records have a
    reader.
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
        """Return the value of ``key``, None if there is none."""
        where = f"{self._where}: look-up"
        value = ctypes.create_string_buffer(self.value_span)
        attr = self._elem(where, key)
        attr.value = ctypes.addressof(value)
        return value.raw if syscall.map_lookup_elem(attr, where) else None

    def update(self, key: bytes, value: bytes, flags: UpdateFlag = UpdateFlag.ANY) -> None:
        """Set the value of ``key``. Raises KernelError: EEXIST, ENOENT as ``flags`` ask; E2BIG when the map is full."""
        where = f"{self._where}: update"
        attr = self._elem(where, key)
        if len(value) != self.value_span:
            raise KernelError(f"{where}: value of {len(value)} bytes, expected {self.value_span}", errno.EINVAL)
        attr.value = syscall.ptr(value)
        attr.flags = flags
        syscall.map_update_elem(attr, where)

    def delete(self, key: bytes) -> bool:
        """Remove ``key``; tell whether it was there."""
        where = f"{self._where}: delete"
        return syscall.map_delete_elem(self._elem(where, key), where)

    def next_key(self, key: bytes | None) -> bytes | None:
        """Return the key after ``key`` (None: the first one), None at the end.

        After a key that is gone a hash map begins again from its first one.
        """
        where = f"{self._where}: next key"
        found = ctypes.create_string_buffer(self.key_size)
        attr = uapi.MapElem(map_fd=self.fd.fileno()) if key is None else self._elem(where, key)
        attr.value = ctypes.addressof(found)
        return found.raw if syscall.map_get_next_key(attr, where) else None

    def lookup_batch(self, cursor: bytes | None, count: int) -> tuple[bytes, bytes, int, bytes | None]:
        """Return keys, values, how many, and the cursor to go on from (None: that was the end).

        ``cursor`` None begins. Raises KernelError: ENOSPC when a bucket of a hash map holds more than ``count``
        entries (nothing was read: ask for more); EINVAL or ENOTSUPP where kernel or map type has no batches.
        """
        keys = ctypes.create_string_buffer(self.key_size * count)
        values = ctypes.create_string_buffer(self.value_span * count)
        size = max(self.key_size, 4)  # of a cursor: a key, or a hash map's u32
        begin = ctypes.create_string_buffer(cursor, size) if cursor is not None else None
        end = ctypes.create_string_buffer(size)
        attr = uapi.MapBatch(
            in_batch=ctypes.addressof(begin) if begin else 0,
            out_batch=ctypes.addressof(end),
            keys=ctypes.addressof(keys),
            values=ctypes.addressof(values),
            count=count,
            map_fd=self.fd.fileno(),
        )
        more = syscall.map_lookup_batch(attr, f"{self._where}: look-up of a batch")
        found: int = attr.count
        key_bytes = bytes(memoryview(keys)[: found * self.key_size])
        value_bytes = bytes(memoryview(values)[: found * self.value_span])
        return key_bytes, value_bytes, found, end.raw if more else None

    def freeze(self) -> None:
        """Allow no more writes from user space; the verifier then knows a ``.rodata`` map's contents."""
        syscall.map_freeze(uapi.MapElem(map_fd=self.fd.fileno()), f"{self._where}: freeze")

    def info(self) -> uapi.MapInfo:
        """Return what the kernel knows of it; what an old kernel does not know is 0."""
        found = uapi.MapInfo()
        attr = uapi.ObjInfo(bpf_fd=self.fd.fileno(), info_len=ctypes.sizeof(found), info=ctypes.addressof(found))
        syscall.obj_get_info_by_fd(attr, f"{self._where}: information")
        return found

    def fill_arena(self, address: int, contents: bytes) -> None:
        """Give an arena its place in user space (0: anywhere), which programs need, and its first bytes.

        It is mapped for that time only: what is written stays, and so does the place.
        """
        length = self.max_entries * mmap.PAGESIZE
        if len(contents) > length:
            raise KernelError(f"{self._where}: arena: {len(contents)} bytes exceed its {length}", errno.E2BIG)
        mapped = syscall.map_memory(self.fd, address, length, f"{self._where}: arena")
        ctypes.memmove(mapped, contents, len(contents))
        syscall.unmap_memory(mapped, length)

    def close(self) -> None:
        """Let go of the map; the kernel keeps it as long as a program uses it."""
        self.fd.close()

    def _elem(self, where: str, key: bytes) -> uapi.MapElem:
        """Return the struct for ``key``, which the caller keeps."""
        if len(key) != self.key_size:
            raise KernelError(f"{where}: key of {len(key)} bytes, expected {self.key_size}", errno.EINVAL)
        return uapi.MapElem(map_fd=self.fd.fileno(), key=syscall.ptr(key))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def create(  # noqa: PLR0917 - as above
    type: MapType,  # noqa: A002 - as above
    name: str,
    key_size: int,
    value_size: int,
    max_entries: int,
    flags: MapFlag | int = 0,
    *,
    btf: Fd | None = None,
    key_type_id: int = 0,
    value_type_id: int = 0,
    vmlinux_value_type_id: int = 0,
    inner: Map | None = None,
    numa_node: int = 0,
    map_extra: int = 0,
) -> Map:
    """Create a map; ``btf`` and ``inner`` stay the caller's. The kernel sees 15 bytes of ``name`` (``object_name``)."""
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

        if not (error.errno == errno.EPERM and memlock.raise_limit()) and not _renamed(attr, error):
            raise
        fd = syscall.map_create(attr, where)
    return Map(fd, name, type, key_size, value_size, max_entries)


def adopt(fd: Fd, name: str) -> Map:
    """Return the map of ``fd``, which becomes the map's own. Raises KernelError for a type that nobody knows."""
    found = Map(fd, name, MapType.UNSPEC, 0, 0, 0).info()
    try:
        kind = MapType(found.type)
    except ValueError:
        raise KernelError(f"map '{safe(name)}': type {found.type}: unknown", errno.EINVAL) from None
    return Map(fd, name, kind, found.key_size, found.value_size, found.max_entries)


def _renamed(attr: uapi.MapCreate, refused: KernelError) -> bool:
    """Remove from the name what an old kernel refuses; tell whether there was anything."""
    if refused.errno != errno.EINVAL:
        return False
    from beepy.kernel import features  # noqa: PLC0415 - only where the kernel refuses

    name: bytes = attr.map_name
    attr.map_name = features.sanitize_name(name)
    return bool(attr.map_name != name)
