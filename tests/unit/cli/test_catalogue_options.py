"""The boxes for options of ``run``: which an image has, and what fits in them."""

import pytest

from beepy.cli import catalogue_options
from beepy.oci.lookup import bundled_store
from beepy.source import parse_all
from beepy.tui.catalogue_items import Box, Kind


def boxes(name: str) -> dict[str, Box]:
    specs = parse_all(bundled_store().get(name))
    found = [*catalogue_options.attach(specs), *catalogue_options.shown(specs)]
    return {box.option: box for box in found}


def test_only_what_the_programs_use() -> None:
    assert list(boxes("exitsnoop")) == ["--where", "--pid", "--comm"]
    assert list(boxes("xdpcount")) == ["--iface", "--where", "--pid", "--comm"]
    assert list(boxes("bashreadline")) == ["--binary", "--where", "--pid", "--comm"]
    assert boxes("bashreadline")["--binary"].default == "/bin/bash"
    assert not boxes("bashreadline")["--binary"].required


def test_a_selection_that_the_programs_cannot_make_is_closed() -> None:
    box = boxes("xdpcount")["--pid"]
    assert box.kind is Kind.CLOSED
    assert box.help.startswith("program 'count': a program of xdp has no process; ")
    assert boxes("exitsnoop")["--pid"].kind is Kind.TEXT


@pytest.mark.parametrize(
    ("option", "text", "error"),
    [
        ("--pid", "1", ""),
        ("--pid", "0", "expected a whole number from 1 to 4194304"),
        ("--pid", "it's': x", "expected a whole number from 1 to 4194304"),
        ("--comm", "bash", ""),
        ("--comm", "a-name-that-is-too-long", "a process has a name of 1 to 15 bytes"),
        ("--binary", "/bin/sh", ""),
        ("--binary", "sh", ""),
        ("--binary", "/nonexistent", "no such file"),
        ("--binary", "no-such-program", "program 'no-such-program': not found in PATH"),
    ],
)
def test_checks(option: str, text: str, error: str) -> None:
    assert boxes("bashreadline")[option].error(text) == error
