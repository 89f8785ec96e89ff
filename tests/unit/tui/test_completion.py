import pytest

from beepy.events.decoder import Decoder
from beepy.tui.completion import candidates, equals
from beepy.tui.rows import Rows
from tests.support.events import Exits, ring

EXITS = Exits()
DECODER = Decoder(EXITS.schema)
RECORDS = [
    EXITS.record(comm, pid) for comm, pid in [(b"make", 7), (b'a"b', 8), (b"make", 7), (b"\x1b", 9)]
]
ROWS = Rows(DECODER, [ring(EXITS.schema, RECORDS)])


@pytest.mark.parametrize(
    ("text", "first", "start"),
    [
        ("", "start_time", 0),
        ("co", "comm", 0),
        ("code", "exit_code", 0),
        ("comm ", "==", 5),
        ("comm == ", '"make"', 8),
        ('comm == "m', '"make"', 8),
        ("comm ~ ", '"make"', 7),
        ("comm in (", '"make"', 9),
        ("pid ", "==", 4),
        ("pid > ", "7", 6),
        ("pid > 7 ", "and", 8),
        ("pid > 7 o", "or", 8),
        ("not ", "start_time", 4),
        ("pid > 7 and (ex", "exit_time", 13),
    ],
)
def test_what_comes_next(text: str, first: str, start: int) -> None:
    found = candidates(text, ROWS)
    assert (found.texts[0], found.start) == (first, start)


def test_values_are_quoted_and_none_is_hostile() -> None:
    assert list(candidates("comm == ", ROWS).texts) == ['"make"', '"a\\"b"']
    assert list(candidates("pid == ", ROWS).texts) == ["7", "8", "9"]
    assert list(candidates("what == x", ROWS).texts) == []


def test_an_expression_for_a_value() -> None:
    fields = {field.name: field for field in DECODER.fields}
    assert equals(DECODER, fields["comm"], 'a"b') == 'comm == "a\\"b"'
    assert equals(DECODER, fields["pid"], 7) == "pid == 7"
    assert equals(DECODER, fields["pid"], None) == "pid is null"
