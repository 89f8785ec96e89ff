"""Python programs, each for a process whose events a gadget shows."""

from typing import Final

OPEN: Final = """
import os
own = f"/tmp/beepy-{os.getpid()}"
for name, flags, mode in (
    ("/etc/passwd", os.O_RDONLY, 0),
    ("/nosuch", os.O_RDONLY, 0),
    ("/dev/null", os.O_RDWR, 0),
    ("/dev/null", os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK, 0),
    ("/", os.O_DIRECTORY, 0),
    (own, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640),
):
    try:
        os.close(os.open(name, flags, mode))
    except OSError:
        pass
os.unlink(own)
"""
SIGNAL: Final = """
import os, signal
for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGUSR1, signal.SIGRTMIN + 3):
    child = os.fork()
    if not child:
        signal.pause()
    os.kill(child, 0)
    os.kill(child, number)
    os.waitpid(child, 0)
try:
    os.kill(2**22 - 1, signal.SIGTERM)
except ProcessLookupError:
    pass
"""
# in a namespace of its own (CLONE_NEWNS): MS_REC | MS_PRIVATE, MS_NOSUID | MS_NOEXEC, MNT_DETACH
MOUNT: Final = """
import ctypes
libc = ctypes.CDLL(None)
assert libc.unshare(0x20000) == 0
libc.mount(b"none", b"/", None, 1 << 14 | 1 << 18, None)
libc.mount(b"beepy", b"/tmp", b"tmpfs", 1 << 1 | 1 << 3, b"size=64k")
libc.mount(b"beepy", b"/nosuch", b"nosuchfs", 0, b"")
libc.umount2(b"/tmp", 2)
libc.umount2(b"/nosuch", 0)
"""
EXECUTE: Final = """
import os
for arguments in (("/bin/sh", "-c", ":"), ("/bin/sh", "-c", "exit 3", "two words"), ("/nosuch",)):
    child = os.fork()
    if not child:
        try:
            os.execv(arguments[0], arguments)
        finally:
            os._exit(1)
    os.waitpid(child, 0)
"""
BIND: Final = """
import socket
for family, kind, address in (
    (socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1"),
    (socket.AF_INET, socket.SOCK_DGRAM, "0.0.0.0"),
    (socket.AF_INET6, socket.SOCK_STREAM, "::1"),
):
    with socket.socket(family, kind) as endpoint:
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        endpoint.bind((address, 0))
"""
LINK: Final = """
import os
own = f"/tmp/beepy-{os.getpid()}"
open(own, "w").close()
os.symlink(own, own + "-symbolic")
os.link(own, own + "-hard")
for suffix in ("", "-symbolic", "-hard"):
    os.unlink(own + suffix)
"""
WRITE: Final = """
import os
own = f"/tmp/beepy-{os.getpid()}"
fd = os.open(own, os.O_CREAT | os.O_RDWR, 0o600)
for number in range(100):
    os.write(fd, bytes(1000 + number))
    os.pread(fd, 500, 0)
os.close(fd)
os.unlink(own)
"""
SLEEP: Final = """
import os, select, socket, sys
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
accepted, _ = server.accept()
datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
datagrams.bind(("::1", 0))
files = [open("/etc/passwd"), open("/dev/null", "wb"), os.pipe()]
print(*{end.getsockname()[1] for end in (server, client, datagrams)}, flush=True)
while not select.select([sys.stdin], [], [], 0.1)[0]:
    open("/etc/passwd").close()
"""
