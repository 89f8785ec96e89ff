"""Contexts that are told by a tag, on this kernel and as on one that does not read it."""

from pathlib import Path

import pytest

from beepy.collection.load import load
from beepy.kernel import btf_features, host
from beepy.source import parse
from tests.kernel.conftest import ObjectOf

pytestmark = pytest.mark.kernel

FRAME = bytes(64)
LENGTH = 50  # of what follows the Ethernet header, as a socket filter sees it


def test_the_probe_agrees_with_the_release() -> None:
    assert btf_features.reads_context_tags() == (host.release()[:2] >= (6, 8))


@pytest.mark.parametrize("reads", [True, False])
def test_contexts(reads: bool, object_of: ObjectOf, monkeypatch: pytest.MonkeyPatch) -> None:
    if reads and not btf_features.reads_context_tags():
        pytest.skip("this kernel reads no tags of contexts")
    monkeypatch.setattr(btf_features, "reads_context_tags", lambda: reads)
    with load(parse(Path(object_of("contexts")).read_bytes(), name="contexts")) as collection:
        assert collection.programs["on_packet"].run(data=FRAME).retval == 0
        contents = collection.maps[".bss"].lookup(bytes(4))
    assert contents
    assert int.from_bytes(contents[:8], "little") == 2 * LENGTH
    assert int.from_bytes(contents[8:16], "little") == 1
