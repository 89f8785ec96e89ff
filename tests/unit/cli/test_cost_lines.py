import pytest

from beepy.cli import cost_lines
from beepy.events.costs import Cost, ProgramCost

TWO = (
    ProgramCost("opensnoop", "enter\x1b", 1000, 2_000_000),
    ProgramCost("opensnoop", "exit", 1, 10_000_000),
    ProgramCost("opensnoop", "never", 0, 0),
)
COST = Cost(TWO, counted_s=2.0, elapsed_s=2.1, own_s=0.021)


def test_a_line_for_each_program() -> None:
    assert list(cost_lines.lines(COST)) == [
        "cost: program 'exit': 1 run of 10ms, 0.5% of a CPU",
        r"cost: program 'enter\x1b': 1000 runs of 2us, 0.1% of a CPU",
        "cost: program 'never': 0 runs, 0% of a CPU",
        "cost: beepy itself: 1% of a CPU",
    ]


def test_programs_of_several_images() -> None:
    other = ProgramCost("exitsnoop", "exit", 2, 0)
    (*_, line, _) = cost_lines.lines(COST._replace(programs=(*TWO, other)))
    assert line == "cost: exitsnoop: program 'exit': 2 runs of 0ns, 0% of a CPU"


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (COST, "programs 0.6% of a CPU, beepy 1% of a CPU"),
        (
            COST._replace(elapsed_s=21.0),
            "programs 0.6% of a CPU (counted for 2.0 s), beepy 0.1% of a CPU",
        ),
        (
            Cost(TWO, elapsed_s=2, own_s=0.02, unknown="no"),
            "cost of programs unknown, beepy 1% of a CPU",
        ),
        (Cost(), "cost of programs unknown"),
    ],
)
def test_the_part_of_the_summary(cost: Cost, text: str) -> None:
    assert cost_lines.summary(cost) == text


def test_what_was_not_counted_is_unknown() -> None:
    assert list(cost_lines.lines(Cost(TWO, unknown="no"))) == ["cost: programs: unknown: no"]
