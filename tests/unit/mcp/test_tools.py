"""Arguments that clients may send, whatever their JSON looks like."""

from pathlib import Path
from typing import Any

import pytest

from beepy.errors import BeepyError
from beepy.mcp.schemas import Limits
from beepy.mcp.tools import Permissions, Tools
from beepy.oci.options import Options
from tests.unit.recording.test_recording import batches, record


@pytest.fixture
def served(tmp_path: Path) -> Tools:
    record(tmp_path / "x.rec", batches())
    return Tools(Permissions(Options(), Limits(5, 1000), recordings=tmp_path))


def test_whole_numbers_may_have_a_point(served: Tools) -> None:
    both = [
        served.call("replay", {"recording": "x.rec", "top": top, "by": "print_exits:pid"})
        for top in (2, 2.0)
    ]
    assert both[0].partition('"seconds"')[0] == both[1].partition('"seconds"')[0]
    assert both[1].count('"count": 1') == 2


@pytest.mark.parametrize(
    ("tool", "arguments", "why"),
    [
        ("replay", {"recording": "x" * 300}, "not found: `list` has their names"),
        ("run", {"image": "exitsnoop", "pid": [10**30]}, "run: pid.0: .* maximum of 4194304"),
        ("run", {"image": "exitsnoop", "uid": [2**32]}, "run: uid.0: .* maximum of 4294967294"),
        ("run", {"image": "exitsnoop", "comm": ["\ud800"]}, "comm '.*': a process has a name of"),
    ],
)
def test_what_is_refused_says_why(
    served: Tools, tool: str, arguments: dict[str, Any], why: str
) -> None:
    with pytest.raises(BeepyError, match=why):
        served.call(tool, arguments)
