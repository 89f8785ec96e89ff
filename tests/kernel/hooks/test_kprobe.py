"""Functions of the kernel, if it has kprobes; the error if it has none."""

import os
from pathlib import Path

import pytest

from beepy.collection.load import load
from beepy.errors import NotSupported
from beepy.obj.spec import CollectionSpec
from tests.support import probed
from tests.support.trigger import trigger

PROBES = Path("/sys/bus/event_source/devices/kprobe").exists()


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> CollectionSpec:
    return probed.built(tmp_path_factory.mktemp("kprobes"), "kprobes")


@pytest.mark.skipif(not PROBES, reason="this kernel has no kprobes")
def test_functions_and_system_calls(spec: CollectionSpec) -> None:
    with load(spec) as collection:
        found = probed.rows(collection, lambda: trigger(3, 4))
    ours = {
        row["kind"]: (row["op"], row["number"], row["ret"])
        for row in found
        if row["pid"] == os.getpid()
    }
    begins = dict.fromkeys(("FUNCTION", "SYSCALL", "ENTRY"), (3, 4, 0))
    assert ours == {**begins, "FUNCTION_RETURN": (0, 0, -38), "SYSCALL_RETURN": (0, 0, -22)}


@pytest.mark.skipif(PROBES, reason="this kernel has kprobes")
def test_error_of_a_kernel_without_kprobes(spec: CollectionSpec) -> None:
    with load(spec) as collection, pytest.raises(NotSupported) as caught:
        collection.attach()
    why = "this kernel has no kprobes (CONFIG_KPROBE_EVENTS)"
    assert str(caught.value) == f"program 'function': kprobe cap_task_prctl: {why}"
    assert caught.value.feature == "kprobes"
