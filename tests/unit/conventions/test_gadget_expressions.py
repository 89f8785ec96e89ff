"""Expressions in the tags of gadgets: their values, and what is refused."""

from typing import Any

import pytest

from beepy.conventions.gadget_expressions import parse
from beepy.errors import UnsupportedImage

SCOPE: dict[str, Any] = {
    "params": {"on": True, "off": False, "family": -1, "fs": "ext4", "none": None},
    "program": {"disabled": "DISABLED"},
    "kallsyms": {
        "exists": lambda name: name == "f",
        "first": lambda *names: next(name for name in names if name == "f"),
    },
    "defined": {"read": "ext4_read"},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("params.on", True),
        ("!(params.on && params.off)", True),
        ("not params.on or params.off", False),
        ("params.on || params.missing", True),  # the rest is not looked at
        ("params.off and params.missing", False),
        ("params.on && !params.off && !!params.on", True),
        ("params.family in [-1, 4, 6]", True),
        ("params.family == -1", True),
        ("params.family != 4", True),
        ("params.family < 0 && 3 >= 3 && 2 > 1 && 1 <= 1", True),
        ("params.fs in ['btrfs','ext4',]", True),
        ('params.fs == "ext4"', True),
        ("params.on == 1", False),
        ("params.none == nil", True),
        ("kallsyms.exists('f') ? 'f' : program.disabled", "f"),
        ("kallsyms.exists('g') ? 'g' : program.disabled", "DISABLED"),
        ("kallsyms.first('g', 'f')", "f"),
        ("params.off ? 1 : params.on ? 2 : 3", 2),
        ("defined.read", "ext4_read"),
        ("{'ext4': {read: 'r'}, xfs: 1}[params.fs].read", "r"),
        ("let t = {'a': 1}; let u = params.fs; u in t ? t[u] : 7", 7),
        ("  ( true )  ", True),
    ],
)
def test_values(text: str, value: object) -> None:
    assert parse(text)(SCOPE) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected a value, got end"),
        ("params.on +", r"'\+': not supported"),
        ("'a\\\\b'", "not supported"),
        ("params.", "expected name, got end"),
        ("params.on params", "expected end, got 'params'"),
        ("(true", r"expected \), got end"),
        ("[true", "expected ,, got end"),
        ("[,]", "expected a value, got ,"),
        ("{[]: 1}", r"expected a value, got \["),
        ("let 1 = 2; 3", "expected name, got '1'"),
        ("a ? b", "expected :, got end"),
        ("-'x'", "expected a number, got 'x'"),
        ("(" * 100, "nested deeper than 32"),
        ("!" * 100, "nested deeper than 32"),
        ("[" * 100, "nested deeper than 32"),
        ("a ? " * 100, "nested deeper than 32"),
        ("x" * 9000, "expression of 9000 characters, at most 8192"),
        ("\x1b[2J", r"'\\x1b\[2J': not supported"),
    ],
)
def test_what_cannot_be_read(text: str, why: str) -> None:
    with pytest.raises(UnsupportedImage, match=why):
        parse(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nothing", "'nothing': unknown"),
        ("params.nothing", "'nothing': not found"),
        ("params.fs.x", "'x': not found"),
        ("params[1]", "'1': not found"),
        ("[1][0]", "'0': not found"),
        ("params.fs ? 1 : 2", "expected true or false, got 'ext4'"),
        ("!1", "expected true or false, got '1'"),
        ("true && 1", "expected true or false, got '1'"),
        ("params.fs < 1", "expected a number, got 'ext4'"),
        ("1 in 'abc'", "in: expected a list, got 'abc'"),
        ("params.fs('x')", "only functions of texts can be called"),
        ("kallsyms.exists(1)", "only functions of texts can be called"),
    ],
)
def test_what_has_no_value(text: str, why: str) -> None:
    expression = parse(text)
    with pytest.raises(UnsupportedImage, match=why):
        expression(SCOPE)


def test_a_long_expression_is_soon_read() -> None:
    many = " && ".join(["true"] * 900)
    assert parse(many)(SCOPE) is True
    lets = "".join([f"let a{number} = [{number}];" for number in range(400)])
    assert parse(f"{lets} 7 in a7")(SCOPE) is True
