import pytest

from beepy.kernel.program import relevant_lines

OLD = """\
0: (95) exit
unreachable insn 1
processed 0 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
"""
NEW = """\
unreachable insn 1

Verification failed: Program Structure: Unreachable instruction

Reason:
  Instruction 1 is not reachable from the program entry point.

Suggestion:
  Remove the unreachable instruction or add valid control flow that reaches it.

processed 0 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
"""


@pytest.mark.parametrize(
    ("log", "lines"),
    [
        (OLD, ["0: (95) exit", "unreachable insn 1"]),
        (NEW, ["unreachable insn 1"]),
        ("processed 3 insns (limit 1000000)\n", []),
        ("", []),
    ],
)
def test_relevant_lines_end_with_the_reason(log: str, lines: list[str]) -> None:
    assert relevant_lines(log) == lines
