"""What the running kernel asks of a process."""

import json

import pytest

from tests.support import child

pytestmark = pytest.mark.kernel


def test_the_capabilities_are_those_that_the_kernel_asks_for() -> None:
    """Load every type with too few: EPERM; with those named here: another refusal, or none."""
    told = child.run(
        """
import ctypes, errno, json, os
from beepy import capability, uapi
from beepy.errors import KernelError
from beepy.sys import syscall
from beepy.obj.insn import CALL, EXIT, Insn, encode
from beepy.uapi import ProgType
from tests.support.capabilities import keep

# the type is asked about before the code is looked at
insns, gpl = encode((Insn(CALL, imm=10_000), Insn(EXIT))), b"GPL\\0"

def allowed(kind, names):
    keep(names)
    attr = uapi.ProgLoad(prog_type=kind, insn_cnt=2, insns=syscall.ptr(insns), license=syscall.ptr(gpl))
    try:
        syscall.prog_load(attr, "load").close()
    except KernelError as error:
        return error.errno != errno.EPERM
    return True

def apart(kind, names):
    pid = os.fork()
    if not pid:
        os._exit(allowed(kind, names))
    return bool(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

found = {}
for kind in ProgType:
    if kind:
        needed = capability.to_load(kind)
        fewer = [needed - {one} for one in needed if one != "CAP_BPF"]
        found[kind.name] = [
            apart(kind, {"CAP_SYS_ADMIN"}), apart(kind, needed), [apart(kind, names) for names in fewer]
        ]
print(json.dumps(found))
"""
    )
    found = {name: answers for name, (root, *answers) in json.loads(told).items() if root}
    assert len(found) > 20  # some kernels refuse LSM and EXT to everybody
    assert all(enough and not any(fewer) for enough, fewer in found.values()), told


def test_helpers_ask_for_the_capabilities_that_the_kernel_asks_for() -> None:
    """Each helper that this kernel lets XDP and SYSCALL programs call, with and without CAP_PERFMON."""
    told = child.run(
        """
import json, os
from beepy import capability
from beepy.kernel import samples
from beepy.obj.insn import CALL, EXIT, Insn
from beepy.uapi import HELPERS, ProgFlag, ProgType
from tests.support.capabilities import keep

def refused(kind):
    flags = ProgFlag.SLEEPABLE if kind == ProgType.SYSCALL else ProgFlag(0)
    found = set()
    for number in range(1, len(HELPERS)):
        _, log = samples.load(kind, (Insn(CALL, imm=number), Insn(EXIT)), flags=flags)
        if b"cannot use helper" in log or b"unknown func" in log:
            found.add(HELPERS[number])
    return found

kinds = (ProgType.XDP, ProgType.SYSCALL)
keep({"CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"})
enough = [refused(kind) for kind in kinds]
keep({"CAP_BPF", "CAP_NET_ADMIN"})
for kind, without in zip(kinds, enough):
    for name in refused(kind) - without:
        assert "CAP_PERFMON" in capability.to_call(name), (kind, name)
for name in set(HELPERS[1:]) - refused(ProgType.XDP):
    assert "CAP_PERFMON" not in capability.to_call(name), name
print("done")
"""
    )
    assert told.endswith("done\n")
