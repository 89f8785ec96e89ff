import inspect
import re
from enum import Enum
from errno import EIO, ENOTDIR
from importlib import import_module
from pathlib import Path

import pytest
import typer
from typer.core import TyperOption
from typer.exceptions import TyperException

from beepy.cli import app, settings
from beepy.cli.command import Command
from beepy.errors import BeepyError, KernelError, OutputError, UsageError


class ParameterSource(Enum):
    """The member of click's enum that the command line asks for."""

    COMMANDLINE = 0


class Context:
    """The parts of typer's Context that are used; no option was given."""

    obj: settings.Settings | None = None
    invoked_subcommand: str | None = None

    def find_root(self) -> "Context":
        return self

    def get_parameter_source(self, name: str) -> ParameterSource | None:
        """Return None: not given."""
        del name
        return None


class GivenContext(Context):
    """The context of a command with all options given, after those of its group."""

    def __init__(self, group: settings.Settings) -> None:
        self.obj = group

    def get_parameter_source(self, name: str) -> ParameterSource:
        """Return that it was given on the command line."""
        del name
        return ParameterSource.COMMANDLINE


def test_credentials_files_before_and_after_the_command_add_up() -> None:
    files = []

    def command(*, settings: settings.Settings) -> None:
        files.extend(settings.config or [])

    context = GivenContext(settings.Settings(config=[Path("a")]))
    settings.with_settings(command)(
        context, **settings.Settings(config=[Path("b"), Path("c")])._asdict()
    )
    assert files == [Path("a"), Path("b"), Path("c")]


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (OSError(ENOTDIR, "text", "/a\x1b"), r"/a\x1b: not a directory"),
        (OSError(EIO, "text"), "system call: input/output error"),
        (OSError("not an address"), "system call: not an address"),
        (KernelError("map 'x': create: no", EIO), "map 'x': create: no"),
        (OutputError("closed"), "closed"),
    ],
)
def test_an_unhandled_os_error_becomes_one_line(raised: Exception, message: str) -> None:
    def command(*, settings: object) -> None:
        del settings
        raise raised

    with pytest.raises(BeepyError, match=f"^{re.escape(message)}$"):
        settings.with_settings(command)(Context(), **settings.Settings()._asdict())


_EXAMPLES = (
    *("x", "1", "1s", "64M", "5%", "json", "always", "skip", "missed"),
    *("Network", "HashMap", "print", "C"),
)
"""Texts of which each option takes one."""


def _called(name: str, arguments: list[str], known: list[str] | None) -> dict[str, object] | None:
    """Return what a command's function gets, its own defaults included; None if it is refused."""
    calls: list[dict[str, object]] = []

    def record(**values: object) -> None:
        calls.append(values)

    row = app.COMMANDS[name]
    function = getattr(import_module(f"beepy.cli.{row.module}"), row.function or name)
    signature = inspect.signature(function)
    record.__signature__ = signature  # type: ignore[attr-defined]
    typer_app = typer.Typer(add_completion=False)
    typer_app.command(name, cls=Command)(settings.with_settings(record, row.settings, known))
    try:
        typer_app(args=arguments, standalone_mode=False)
    except (TyperException, UsageError):
        return None
    defaults = {one.name: one.default for one in signature.parameters.values()}
    # typer gives an empty list, or False, where a default is None
    return {key: value or None for key, value in (defaults | calls[0]).items()}


@pytest.mark.parametrize("name", app.COMMANDS)
def test_an_option_gives_the_same_whether_or_not_typer_knows_the_others(name: str) -> None:
    command = typer.main.get_command(app.command_app(name))
    options = [one for one in command.params if isinstance(one, TyperOption) and not one.hidden]
    operands = ["bash" for one in command.params if one not in options and one.required]
    assert _called(name, operands, operands) == _called(name, operands, None)
    for option in options:
        texts = [""] if option.is_flag else [f"={example}" for example in _EXAMPLES]
        for spelling in option.opts:
            given = [[*operands, f"{spelling}{text}"] for text in texts]
            called = ((arguments, _called(name, arguments, None)) for arguments in given)
            arguments, values = next(pair for pair in called if pair[1] is not None)
            assert _called(name, arguments, arguments) == values


@pytest.mark.parametrize(
    "arguments",
    [["--typo"], ["-o"], ["-ojson"], ["-vo", "json"], ["--pid=7", "--unknown=8"], ["--", "-x"]],
    ids=" ".join,
)
def test_what_typer_says_of_arguments_is_the_same_whatever_options_it_knows(
    arguments: list[str],
) -> None:
    assert _called("run", ["a", *arguments], ["a", *arguments]) == _called(
        "run", ["a", *arguments], None
    )
