"""Frames of stacks that a program has stored."""

import time

import pytest

from beepy.collection.load import load
from beepy.hooks import Target
from beepy.maps import stacks
from beepy.obj.parse import parse
from tests.kernel.conftest import ObjectOf
from tests.support.trigger import trigger

pytestmark = pytest.mark.kernel

SOURCE = """
#include "test/trigger.h"
#include "maps.h"

STACKS(stacks, 16);

long id = -1;

SEC("raw_tracepoint/sys_enter")
int enter(struct bpf_raw_tracepoint_args *ctx)
{
	if (id < 0)
		id = bpf_get_stackid(ctx, &stacks, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
"""


def test_frames_are_addresses_of_the_kernel(compiled: ObjectOf) -> None:
    with open(compiled(SOURCE), "rb") as file:  # noqa: PTH123 - a path as text
        spec = parse(file.read(), "stacks")
    with load(spec, targets={"enter": Target("sys_enter")}) as collection:
        collection.attach()
        deadline = time.monotonic() + 60
        key = -1
        while key < 0 and time.monotonic() < deadline:
            trigger(1)
            data = collection.maps[".data"].lookup(bytes(4)) or b""
            key = int.from_bytes(data[:8], "little", signed=True)
        assert key >= 0
        text = stacks.text_of(collection.maps["stacks"])
        frames = text(key).split("; ")
        assert all(int(frame, 16) > 1 << 47 for frame in frames)
        named = stacks.text_of(collection.maps["stacks"], lambda address: f"<{address:x}>")
        assert named(key) == "; ".join([f"<{frame[2:]}>" for frame in frames])
        of_process = stacks.user_text_of(
            collection.maps["stacks"], lambda pid, at: f"{pid}:{at:#x}"
        )
        assert of_process(7, key) == "; ".join([f"7:{frame}" for frame in frames])
        assert text(-14) == text((key + 1) % 16) == ""  # an errno, and a stack that is not there
