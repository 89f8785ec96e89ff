"""Gadgets under ig and under beepy, row by row and leaf by leaf.

GADGETS is a directory with an archive for each gadget: NAME.tar, as `ig image export` writes it.
"""

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

from tests.support import gadget_peers
from tests.support.command import Beepy
from tests.support.gadget_peers import Peers, Refused

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.peer("ig"),
    pytest.mark.usefixtures("same_pids"),
]

GADGETS: Final = Path(os.environ.get("GADGETS", "/nosuch"))

__test__ = GADGETS.is_dir()


@pytest.fixture
def peers(beepy: Beepy) -> Peers:
    return Peers(shutil.which("ig") or "", GADGETS, beepy)


@pytest.mark.parametrize("name", gadget_peers.STREAMS)
def test_a_stream(peers: Peers, name: str) -> None:
    try:
        peers.check_stream(name)
    except Refused as refused:
        pytest.skip(f"this kernel lacks {refused}")


@pytest.mark.parametrize("name", gadget_peers.SNAPSHOTS)
def test_a_snapshot(peers: Peers, name: str) -> None:
    peers.check_snapshot(name)


def test_constant_rows(peers: Peers) -> None:
    peers.check_constant(gadget_peers.CONSTANT)
