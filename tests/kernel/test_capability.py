"""The capabilities that the running kernel requires."""

import json

import pytest

from tests.support import child

pytestmark = pytest.mark.kernel


def test_each_program_type_needs_exactly_its_capabilities() -> None:
    """Loading a type fails with EPERM if and only if one of its capabilities is missing."""
    output = child.run(
        """
import ctypes, errno, json, os
from beepy import capability, uapi
from beepy.errors import KernelError
from beepy.sys import syscall
from beepy.obj.insn import CALL, EXIT, Insn, encode
from beepy.uapi import ProgType
from tests.support.capabilities import keep

# the kernel checks the type before the code
insns, gpl = encode((Insn(CALL, imm=10_000), Insn(EXIT))), b"GPL\\0"

def allowed(kind, names):
    keep(names)
    attr = uapi.ProgLoad(prog_type=kind, insn_cnt=2)
    attr.insns, attr.license = syscall.ptr(insns), syscall.ptr(gpl)
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

results = {}
for kind in ProgType:
    if kind:
        needed = capability.to_load(kind)
        fewer = [needed - {name} for name in needed if name != "CAP_BPF"]
        results[kind.name] = [
            apart(kind, {"CAP_SYS_ADMIN"}),
            apart(kind, needed),
            [apart(kind, names) for names in fewer],
        ]
print(json.dumps(results))
"""
    )
    results = {name: answers for name, (root, *answers) in json.loads(output).items() if root}
    assert len(results) > 20  # some kernels refuse LSM and EXT to everybody
    assert all(enough and not any(fewer) for enough, fewer in results.values()), output


def test_each_helper_needs_exactly_its_capabilities() -> None:
    """Call each helper from XDP and SYSCALL programs, with and without CAP_PERFMON."""
    output = child.run(
        """
import json, os
from beepy import capability
from beepy.kernel import samples
from beepy.obj.insn import CALL, EXIT, Insn
from beepy.uapi import HELPERS, ProgFlag, ProgType
from tests.support.capabilities import keep

def refused(kind):
    flags = ProgFlag.SLEEPABLE if kind == ProgType.SYSCALL else ProgFlag(0)
    names = set()
    for number in range(1, len(HELPERS)):
        _, log = samples.load(kind, (Insn(CALL, imm=number), Insn(EXIT)), flags=flags)
        if b"cannot use helper" in log or b"unknown func" in log:
            names.add(HELPERS[number])
    return names

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
    assert output.endswith("done\n")
