import pytest

from beepy.cli import trace_lines
from beepy.trace.lines import TraceLine

LINE = TraceLine("image", "say\x1b", "bash-7", "hello\x1b[31m")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (LINE, r"trace: program 'say\x1b' (bash-7): hello\x1b[31m"),
        (LINE._replace(process=""), r"trace: program 'say\x1b': hello\x1b[31m"),
        (LINE._replace(program="", image=""), r"trace: unknown program (bash-7): hello\x1b[31m"),
    ],
)
def test_a_line(line: TraceLine, text: str) -> None:
    assert trace_lines.text_of(line, names_images=False) == text


def test_the_image_is_named_where_there_are_several() -> None:
    text = trace_lines.text_of(LINE, names_images=True)
    assert text.startswith("trace: image: program ")
    unknown = LINE._replace(program="", image="")
    assert trace_lines.text_of(unknown, names_images=True).startswith("trace: unknown program")


def test_a_line_is_bounded() -> None:
    assert len(trace_lines.text_of(LINE._replace(text="x" * 10**6), names_images=False)) < 5000
