"""The command table, and the main function of the command line."""

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Annotated, Final, NamedTuple

import typer
from typer.exceptions import TyperException

import beepy
from beepy.cli import stdio
from beepy.cli.command import Command, Group
from beepy.cli.settings import (
    GENERAL,
    LOG_IN,
    LOG_OUT,
    REGISTRIES,
    STORES,
    Settings,
    with_settings,
)
from beepy.errors import BeepyError


class _Row(NamedTuple):
    """A command: its function in a module of ``beepy.cli``, the shared options that it takes."""

    module: str
    function: str
    settings: tuple[str, ...]

    def load(self) -> Callable[..., None]:
        """Import the command and add its shared options."""
        module = import_module(f"beepy.cli.{self.module}")
        return with_settings(getattr(module, self.function), self.settings)


COMMANDS: Final[Mapping[str, _Row]] = {
    "run": _Row("run", "run", REGISTRIES),
    "list": _Row("images", "list_images", STORES),
    "describe": _Row("describe", "describe", REGISTRIES),
    "inspect": _Row("registry", "inspect", REGISTRIES),
    "pull": _Row("registry", "pull", REGISTRIES),
    "push": _Row("registry", "push", REGISTRIES),
    "login": _Row("login", "login", LOG_IN),
    "logout": _Row("login", "logout", LOG_OUT),
    "tag": _Row("store_commands", "tag", STORES),
    "rm": _Row("store_commands", "remove", STORES),
    "prune": _Row("store_commands", "prune", STORES),
    "save": _Row("store_commands", "save", STORES),
    "load": _Row("store_commands", "load", STORES),
    "verify": _Row("verify", "verify", REGISTRIES),
    "build": _Row("build", "build", STORES),
    "init": _Row("init", "init", GENERAL),
    "package": _Row("package", "package", REGISTRIES),
    "completion": _Row("completion", "completion", GENERAL),
    "version": _Row("images", "version", GENERAL),
}
"""Only the called command is imported."""


_COMPLETE: Final = "__complete"  # not a command: for the scripts of ``beepy completion``


def _version(*, wanted: bool) -> None:
    if wanted:
        stdio.write(f"beepy {beepy.__version__}\n")
        raise typer.Exit


def _new_app() -> typer.Typer:
    return typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    )


@with_settings
def _group(
    *,
    settings: Settings,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Run eBPF programs that are packaged as OCI images."""


def main() -> int:
    """Run the command line and return its exit code."""
    stdio.reserve_std_fds()
    stdio.escape_unencodable()
    if sys.argv[1:2] == [_COMPLETE]:
        from beepy.cli import candidates  # noqa: PLC0415 - only for the shells' scripts

        return candidates.main(sys.argv[2:])
    try:
        code = _run(sys.argv[1:] or ["--help"])
    except BeepyError as error:
        from beepy.cli import report  # noqa: PLC0415 - logging is not for --version

        return report.failure(error)
    except MemoryError as error:
        error.__traceback__ = None  # free the objects of its frames
        from beepy.cli import report  # noqa: PLC0415

        return report.failure(BeepyError("out of memory"))
    except TyperException as error:
        from beepy.cli import report  # noqa: PLC0415

        return report.usage(error)
    return code if isinstance(code, int) else 0


def _run(arguments: list[str]) -> object:
    if arguments[0] in COMMANDS:
        command, *arguments = arguments
        app, program_name = command_app(command), f"beepy {command}"
    else:
        app, program_name = group_app(), "beepy"
    try:
        return app(args=arguments, prog_name=program_name, standalone_mode=False)
    except OSError as error:
        if isinstance(error, BeepyError):
            raise
        raise stdio.write_error(error) from error  # from help, which typer itself writes


def command_app(command: str) -> typer.Typer:
    """Return an app of this command alone: the others need not be imported."""
    app = _new_app()
    app.command(command, cls=Command)(COMMANDS[command].load())
    return app


def group_app(commands: Iterable[str] = tuple(COMMANDS)) -> typer.Typer:
    """Return an app of several commands, with the options that come before their names."""
    app = _new_app()
    app.callback(cls=Group)(_group)
    for command in commands:
        app.command(command, cls=Command)(COMMANDS[command].load())
    return app
