"""What the sources say; tests/kernel/test_init.py compiles and runs each."""

from itertools import product
from pathlib import Path

import pytest

from beepy.toolchain import scaffold
from beepy.toolchain.scaffold import MAPS, OUTPUTS, PROGRAMS, source


@pytest.mark.parametrize(("program", "map_type", "output"), [*product(PROGRAMS, MAPS, OUTPUTS)])
def test_a_source_is_complete(program: str, map_type: str, output: str) -> None:
    text = source(Path("probe.c"), program, map_type, output)
    assert "$" not in text
    assert f"}} {output}_{PROGRAMS[program].events} SEC(" in text
    assert "beepy build probe.c\n//     sudo beepy run ./probe.o\n" in text
    assert max(map(len, text.expandtabs(8).splitlines())) <= 100
    assert "\n\n\n" not in text


def test_a_metric_has_no_label_of_many_values() -> None:
    for program, map_type in product(PROGRAMS, MAPS):
        for output in OUTPUTS:
            has_pid = "pid;" in source(Path("x.c"), program, map_type, output)
            assert has_pid == ((map_type, output) == ("RingBuffer", "print"))


def test_a_gauge_of_a_ring_has_a_value() -> None:
    for program, map_type, output in product(PROGRAMS, MAPS, OUTPUTS):
        has_value = "u64 value;" in source(Path("x.c"), program, map_type, output)
        assert has_value == ((map_type, output) == ("RingBuffer", "gauge"))


def test_no_name_of_a_file_becomes_code() -> None:
    text = source(Path("x\nint y;.c"), "Network", "HashMap", "print")
    assert "\nint y" not in text
    assert text.encode()
    assert source(Path("\udcff.c"), "Network", "HashMap", "print").encode()


def test_one_more_program_is_one_row() -> None:
    rows = scaffold.PROGRAMS.values()
    assert len({row.events for row in rows}) == len({row.section for row in rows}) == len(rows)
