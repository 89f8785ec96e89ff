"""What differs between kernels below the command line.

Limits, names, types, the verifier's messages, and what a run leaves behind.
"""

import ctypes
import resource
from errno import ENOENT
from functools import partial
from typing import Final

from beepy import uapi
from beepy.btf import downgrade
from beepy.collection.fallbacks import load_types
from beepy.collection.load import load
from beepy.errors import VerifierError
from beepy.features import Feature
from beepy.host import kconfig
from beepy.host.machine import release
from beepy.kernel import features
from beepy.obj.spec import CollectionSpec
from beepy.oci.lookup import bundled_store
from beepy.source import parse
from beepy.sys import syscall
from beepy.sys.fd import Fd
from beepy.uapi import Cmd
from tests.vm.checks.check import YES, Check, failure, parsed

# 3ac1f01b43b6, "bpf: Eliminate rlimit-based memory accounting for bpf progs"
_NO_MEMLOCK: Final = (5, 11, 0)
_CALLBACKS: Final = (5, 13, 0)  # 69c087ba6225, "bpf: Add bpf_for_each_map_elem() helper"
_SELFTESTS: Final = {  # object -> programs, which return 0, or the line that found a fault
    "calls": ("subprograms", "callbacks", "elsewhere"),
    "data": ("initial", "change"),
    "kconfig": ("tell",),
    "slots": ("maps",),
    "everything": ("emit",),
    "bee_types": ("emit",),
}
_NAME: Final = {"map": 24, "program": 64}  # where struct bpf_map_info and bpf_prog_info have theirs
_HELD: Final = {  # what outlives its maker only if it was left behind
    "programs": Cmd.PROG_GET_NEXT_ID,
    "maps": Cmd.MAP_GET_NEXT_ID,
    "links": Cmd.LINK_GET_NEXT_ID,
}


def _exitsnoop() -> CollectionSpec:
    return parse(bundled_store().get("exitsnoop"))


def memlock() -> str:
    """Load under a limit of 64 KiB: it is raised only where the kernel charges BPF memory to it."""
    small = 1 << 16
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (small, resource.RLIM_INFINITY))
    with load(_exitsnoop()):
        soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    assert (soft == small) == (release() >= _NO_MEMLOCK), soft
    return "left alone" if soft == small else "raised"


def names() -> str:
    """Ask the kernel for the names that it was given."""
    with load(_exitsnoop()) as collection:
        maps = {name: _name(one.fd, "map") for name, one in collection.maps.items()}
        programs = {name: _name(one.fd, "program") for name, one in collection.programs.items()}
    assert maps == {"print_exits": "print_exits", ".rodata": ".rodata"}
    assert programs == {"sched_process_exit": "sched_process_e"}
    return YES


def _name(fd: Fd, kind: str) -> str:
    info = ctypes.create_string_buffer(128)
    attr = uapi.ObjInfo(bpf_fd=fd.fileno(), info_len=len(info), info=ctypes.addressof(info))
    syscall.obj_get_info_by_fd(attr, kind)
    at = _NAME[kind]
    return info.raw[at : at + uapi.OBJ_NAME_LEN].partition(b"\0")[0].decode()


def types() -> str:
    """Load objects' types without the kinds that the kernel lacks: only newer ones are missing."""
    without = set()
    for spec in (_exitsnoop(), parsed("everything")):
        loaded = load_types(spec)
        assert loaded, spec.name
        loaded.fd.close()
        assert spec.btf
        without |= {feature for feature in downgrade.used(spec.btf) if not features.has(feature)}
    assert all(release() < tuple(map(int, feature.since.split("."))) for feature in without)
    return f"no {', '.join(sorted(feature.text for feature in without))}" if without else "all"


def contexts() -> str:
    """Run a program whose functions tag their context.

    Where the kernel does not read that tag, the argument has another type.
    """
    reads = features.has(Feature.ARG_CTX_TAG)
    with load(parsed("contexts")) as collection:
        assert collection.programs["on_packet"].run(data=bytes(64)).retval == 0
        contents = collection.maps[".bss"].lookup(bytes(4))
    assert contents
    # Twice the frame without its Ethernet header.
    assert int.from_bytes(contents[:8], "little") == 2 * 50
    return "by their tags" if reads else "by name"


def configuration() -> str:
    """Show a program the options that the kernel was built with."""
    options = kconfig.options()
    spec = _as_raw_tracepoints(parsed("kconfig_options"))
    with load(spec) as collection:
        assert collection.programs["tell"].run(bytes(16)).retval == 0
        contents = collection.maps[".bss"].lookup(bytes(4))
    assert contents
    (hz,) = [one for one in spec.variables if one.name == "hz"]
    assert int.from_bytes(contents[hz.offset : hz.offset + hz.size], "little") == int(
        options["CONFIG_HZ"]
    )
    return YES


def _as_raw_tracepoints(spec: CollectionSpec) -> CollectionSpec:
    """Return the programs as raw tracepoints, which the oldest kernel runs by PROG_TEST_RUN too.

    They do not use their context.
    """
    return spec._replace(
        programs=tuple([one._replace(section="raw_tp/sys_enter") for one in spec.programs])
    )


def selftests() -> str:
    """Run the programs that test themselves."""
    refused = []
    for name, programs in _SELFTESTS.items():
        spec = _as_raw_tracepoints(parsed(name))
        if name == "calls" and release() < _CALLBACKS:
            refused.append("callbacks")
            failure(VerifierError, partial(load, spec))
            spec = spec._replace(
                programs=tuple([one for one in spec.programs if one.name not in refused])
            )
        with load(spec) as collection:
            ran = {
                one: collection.programs[one].run(bytes(16)).retval
                for one in programs
                if one not in refused
            }
        assert ran == dict.fromkeys(ran, 0), (name, ran)
    return f"all but {', '.join(refused)}" if refused else "all"


def reason() -> str:
    """Load what the verifier refuses: the message ends with its words."""
    told = str(failure(VerifierError, lambda: load(parsed("err_null"))))
    assert told.endswith(": R0 invalid mem access 'map_value_or_null'"), told
    assert "err_null.bpf.c:18: 'return *value; /* refused here */'" in told
    return YES


def nothing_left() -> str:
    """Look for programs, maps and links of all checks before this one."""
    held = {}
    for name, command in _HELD.items():
        attr = uapi.GetId()
        while syscall._bpf(command, attr, name, ENOENT) >= 0:
            held[name, attr.next_id] = True
            attr.id = attr.next_id
    assert not held, held
    return YES


CHECKS: Final = (
    Check("RLIMIT_MEMLOCK", memlock),
    Check("names", names),
    Check("types", types, ("everything",)),
    Check("configuration", configuration, ("kconfig_options",)),
    Check("tagged contexts", contexts, ("contexts",)),
    Check("selftests", selftests, tuple(_SELFTESTS)),
    Check("verifier's reason", reason, ("err_null",)),
    Check("nothing is left", nothing_left),
)
