"""Arguments as Go's flags take them, compared with spf13/pflag 1.0.6, which bee uses."""

import pytest

from beepy.cli.spelling import OTHERS, Option, canonical
from beepy.errors import UsageError

OPTIONS = {
    **dict.fromkeys(("--filter", "-f"), Option("--filter", is_flag=False)),
    **dict.fromkeys(("--output", "-o"), Option("--output", is_flag=False)),
    **dict.fromkeys(("--verbose", "-v"), Option("--verbose", is_flag=True)),
    **dict.fromkeys(("--debug", "-d"), Option("--debug", is_flag=True)),
    "--no-tty": Option("--no-tty", is_flag=True),
    "--fail-on-loss": Option("--fail-on-loss", is_flag=False),
}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["-f=exits,comm,bash"], ["--filter=exits,comm,bash"]),
        (["-f", "exits,comm,bash"], ["--filter=exits,comm,bash"]),
        (["-fexits,comm,bash"], ["--filter=exits,comm,bash"]),
        (["--filter=exits,comm,bash"], ["--filter=exits,comm,bash"]),
        (["--filter", "exits,comm,bash"], ["--filter=exits,comm,bash"]),
        (["-f==x"], ["--filter==x"]),
        (["--filter==x"], ["--filter==x"]),
        (["--filter", "=x"], ["--filter==x"]),
        (["-f", "=x"], ["--filter==x"]),
        (["-f="], ["--filter="]),
        (["-f", ""], ["--filter="]),
        (["-f", "-v"], ["--filter=-v"]),
        (["--filter", "--"], ["--filter=--"]),
        (["-f", "--", "--", "-v"], ["--filter=--", "--", "-v"]),
        (["--no-tty"], ["--no-tty=true"]),
        (
            ["--no-tty", "false"],
            ["--no-tty=true", "false"],
        ),  # an operand: only = gives a flag a value
        (["--fail-on-loss", "x"], ["--fail-on-loss=lost", "x"]),  # ours, not pflag's
        (["--fail-on-loss=missed", "x"], ["--fail-on-loss=missed", "x"]),
        (["-v"], ["--verbose=true"]),
        (["-dv"], ["--debug=true", "--verbose=true"]),
        (["-dv=0"], ["--debug=true", "--verbose=false"]),
        (["-dvojson"], ["--debug=true", "--verbose=true", "--output=json"]),
        (["-vo=json", "x"], ["--verbose=true", "--output=json", "x"]),
        (["-vo", "json", "x"], ["--verbose=true", "--output=json", "x"]),
        (["x", "-v", "-", "y"], ["x", "--verbose=true", "-", "y"]),
        (["--", "-f=x", "--no-tty=x"], ["--", "-f=x", "--no-tty=x"]),
        (["-v", "--", "--", "-v"], ["--verbose=true", "--", "--", "-v"]),
        ([], []),
    ],
)
def test_arguments_are_rewritten(typed: list[str], meant: list[str]) -> None:
    assert canonical(typed, OPTIONS) == meant


@pytest.mark.parametrize("value", ["1", "t", "T", "true", "TRUE", "True"])
def test_true_values_of_flags(value: str) -> None:
    assert canonical([f"-v={value}", f"--no-tty={value}"], OPTIONS) == [
        "--verbose=true",
        "--no-tty=true",
    ]


@pytest.mark.parametrize("value", ["0", "f", "F", "false", "FALSE", "False"])
def test_false_values_of_flags(value: str) -> None:
    assert canonical([f"-v={value}", f"--no-tty={value}"], OPTIONS) == [
        "--verbose=false",
        "--no-tty=false",
    ]


@pytest.mark.parametrize("value", ["", "yes", "no", "tRUE", "2", "true ", "=1", "\x1b"])
@pytest.mark.parametrize("name", ["-v", "--no-tty"])
def test_other_values_of_flags_are_refused(name: str, value: str) -> None:
    with pytest.raises(UsageError) as caught:
        canonical([f"{name}={value}"], OPTIONS)
    quoted = r"\x1b" if value == "\x1b" else value
    assert str(caught.value) == f"{name} '{quoted}': expected true or false"


@pytest.mark.parametrize(
    ("typed", "left"),
    [
        (["--nothing=x", "-v"], ["--nothing=x", "--verbose=true"]),
        (["-vx=1"], ["--verbose=true", "-x"]),
        (["--filter"], ["--filter"]),
        (["-vf"], ["--verbose=true", "-f"]),
    ],
)
def test_unknown_options_are_left_for_the_parser(typed: list[str], left: list[str]) -> None:
    assert canonical(typed, OPTIONS) == left


def test_arguments_after_the_command_are_unchanged() -> None:
    arguments = ["-v=0", "-f", "run", "run", "-f=x", "--no-tty=no"]
    assert canonical(arguments, OPTIONS, interspersed=False) == [
        "--verbose=false",
        "--filter=run",
        *arguments[3:],
    ]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["--pid", "7", "x"], ["--KEY=pid=7", "x"]),
        (["--pid=7", "x"], ["--KEY=pid=7", "x"]),
        (["--pid=", "x"], ["--KEY=pid=", "x"]),
        (["--pid=a=b"], ["--KEY=pid=a=b"]),
        (["--level", "-1", "--ratio", "-.5"], ["--KEY=level=-1", "--KEY=ratio=-.5"]),
        (["--failed", "-v"], ["--KEY=failed", "--verbose=true"]),
        (["--failed", "--other"], ["--KEY=failed", "--KEY=other"]),
        (["--failed"], ["--KEY=failed"]),
        (["--KEY", "x"], ["--KEY=KEY=x"]),
        (["--a.b:c", "1", "--d_e-f=2"], ["--KEY=a.b:c=1", "--KEY=d_e-f=2"]),
        (["--0x=1", "--\x1b[31m", "--é=1"], ["--0x=1", "--\x1b[31m", "--é=1"]),
        (["-x", "1"], ["-x", "1"]),
        (["-f", "--pid", "--no-tty"], ["--filter=--pid", "--no-tty=true"]),
        (["--", "--pid", "7"], ["--", "--pid", "7"]),
    ],
)
def test_unknown_options_may_be_parameters(typed: list[str], meant: list[str]) -> None:
    assert canonical(typed, {**OPTIONS, OTHERS: Option(OTHERS, is_flag=False)}) == meant
    unknown = [argument for argument in typed if argument.startswith("--pid")]
    if unknown and typed[0] == unknown[0]:
        assert canonical(typed, OPTIONS) == typed  # of other commands the parser refuses them
