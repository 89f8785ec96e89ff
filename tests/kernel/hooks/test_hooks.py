"""A new row of the table of sections is loaded, attached and checked by its mechanism."""

import ctypes
import os
from pathlib import Path

import pytest

from beepy import sections
from beepy.check.check import check
from beepy.collection.load import load
from beepy.hooks import Target
from beepy.sections import Hook, Mechanism
from beepy.source import parse
from beepy.uapi import ProgType
from tests.kernel.conftest import ObjectOf

pytestmark = pytest.mark.kernel

_SOURCE = """
#include "test/trigger.h"
long calls;
SEC("newprobe/libc.so.6:getenv")
int one(void *ctx)
{
	__sync_fetch_and_add(&calls, 1);
	return 0;
}
char LICENSE[] SEC("license") = "GPL";
"""


def test_a_new_row(compiled: ObjectOf, monkeypatch: pytest.MonkeyPatch) -> None:
    getenv = ctypes.CDLL(None).getenv
    row = Hook("newprobe+", ProgType.KPROBE, mechanism=Mechanism.UPROBE)
    monkeypatch.setattr(sections, "TABLE", (*sections.TABLE, row))
    spec = parse(Path(compiled(_SOURCE)).read_bytes(), name="new")
    assert check(spec).findings == ()
    (data,) = [one.name for one in spec.maps if one.section == ".bss"]
    with load(spec, targets={"one": Target("libc.so.6:getenv", pid=os.getpid())}) as collection:
        collection.attach()
        for _ in range(3):
            getenv(b"NONE")
        collection.detach()
        getenv(b"NONE")
        assert int.from_bytes(collection.maps[data].lookup(bytes(4)) or b"", "little") == 3
