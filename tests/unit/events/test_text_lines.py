"""Lines as records of a fixed length."""

from beepy.events import text_lines


def texts(line: bytes) -> list[bytes]:
    found = list(text_lines.pieces(line))
    assert {len(piece) for piece in found} == {text_lines.LENGTH}
    return [piece.rstrip(b"\0") for piece in found]


def test_a_line_is_cut_into_records() -> None:
    assert texts(b"") == [b""]
    assert texts(b"one") == [b"one"]
    assert texts(b"a" * 1024) == [b"a" * 1024]
    assert texts(b"a" * 1025) == [b"a" * 1024, b"a"]


def test_characters_are_not_cut() -> None:
    for text in ("é", "€", "😀"):
        for before in range(1020, 1026):
            line = ("a" * before + text + "b").encode()
            found = texts(line)
            assert b"".join(found) == line
            assert all(piece.decode() for piece in found)


def test_an_unfinished_line_is_cut_as_a_finished_one() -> None:
    line = ("a" * 1023 + "€" + "b" * 1000).encode()
    *full, rest = text_lines.cut(line[:1500])
    assert full == [b"a" * 1023]
    assert b"".join([*full, *text_lines.cut(rest + line[1500:])]) == line


def test_bytes_that_are_not_text_are_cut_anywhere() -> None:
    assert b"".join(texts(b"\x80" * 3000)) == b"\x80" * 3000


def test_a_nul_does_not_end_a_line() -> None:
    assert texts(b"a\0b") == [rb"a\x00b"]
