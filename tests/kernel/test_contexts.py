"""Contexts marked by a tag, on this kernel and as on one that does not read tags."""

from pathlib import Path

import pytest

from beepy.collection.load import load
from beepy.features import Feature
from beepy.kernel import features
from beepy.source import parse
from tests.kernel.conftest import ObjectOf
from tests.support.lacking import lack

pytestmark = pytest.mark.kernel

FRAME = bytes(64)
LENGTH = 50  # of what follows the Ethernet header, as a socket filter sees it


@pytest.mark.parametrize("reads", [True, False])
def test_contexts(reads: bool, object_of: ObjectOf, monkeypatch: pytest.MonkeyPatch) -> None:
    if reads and not features.has(Feature.ARG_CTX_TAG):
        pytest.skip("this kernel reads no tags of contexts")
    if not reads:
        lack(monkeypatch, Feature.ARG_CTX_TAG)
    with load(parse(Path(object_of("contexts")).read_bytes(), name="contexts")) as collection:
        assert collection.programs["on_packet"].run(data=FRAME).retval == 0
        contents = collection.maps[".bss"].lookup(bytes(4))
    assert contents
    assert int.from_bytes(contents[:8], "little") == 2 * LENGTH
    assert int.from_bytes(contents[8:16], "little") == 1
