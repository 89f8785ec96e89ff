"""The command table, and the main function of the command line."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Annotated, Final, NamedTuple

import typer
from typer.exceptions import TyperException

import beepy
from beepy.cli import panels, stdio
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
    """A command: its section of the help, its function, the shared options that it takes.

    The function is that of the command's name in a module of ``beepy.cli``, unless it has another.
    """

    panel: str
    module: str
    settings: tuple[str, ...]
    function: str = ""

    def load(self, name: str, arguments: Sequence[str] | None = None) -> Callable[..., None]:
        """Import the command of that name and add its shared options.

        With ``arguments`` it need not know the options that they do not set.
        """
        module = import_module(f"beepy.cli.{self.module}")
        return with_settings(getattr(module, self.function or name), self.settings, arguments)


COMMANDS: Final[Mapping[str, _Row]] = {
    "run": _Row(panels.RUN, "run", REGISTRIES),
    "describe": _Row(panels.RUN, "describe", REGISTRIES),
    "replay": _Row(panels.RUN, "replay", GENERAL),
    "list": _Row(panels.RUN, "images", STORES, "list_images"),
    "ps": _Row(panels.RUN, "ps_command", GENERAL),
    "verify": _Row(panels.RUN, "verify", REGISTRIES),
    "tag": _Row(panels.STORE, "store_commands", STORES),
    "rm": _Row(panels.STORE, "store_commands", STORES, "remove"),
    "prune": _Row(panels.STORE, "store_commands", STORES),
    "save": _Row(panels.STORE, "store_commands", STORES),
    "load": _Row(panels.STORE, "store_commands", STORES),
    "pull": _Row(panels.REGISTRY, "registry", REGISTRIES),
    "push": _Row(panels.REGISTRY, "registry", REGISTRIES),
    "inspect": _Row(panels.REGISTRY, "registry", REGISTRIES),
    "login": _Row(panels.REGISTRY, "login", LOG_IN),
    "logout": _Row(panels.REGISTRY, "login", LOG_OUT),
    "mcp": _Row(panels.OTHERS, "mcp_command", STORES),
    "init": _Row(panels.MAKE, "init", GENERAL),
    "build": _Row(panels.MAKE, "build", STORES),
    "package": _Row(panels.MAKE, "package", REGISTRIES),
    "completion": _Row(panels.OTHERS, "completion", GENERAL),
    "version": _Row(panels.OTHERS, "images", GENERAL),
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
        code = _run(sys.argv[1:]) if sys.argv[1:] else _without_arguments()
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


def _without_arguments() -> object:
    """Show the images on a terminal, else the help."""
    if os.isatty(stdio.STDIN) and os.isatty(stdio.STDOUT):
        from beepy.cli import catalogue  # noqa: PLC0415 - only on terminals

        if catalogue.is_possible():
            return catalogue.main()
    return _run(["--help"])


def _run(arguments: list[str]) -> object:
    if arguments[0] in COMMANDS:
        command, *arguments = arguments
        app, program_name = command_app(command, arguments), f"beepy {command}"
    else:
        # the list of commands shows none of their options
        known = () if len(arguments) == 1 else None
        app, program_name = group_app(arguments=known), "beepy"
    try:
        return app(args=arguments, prog_name=program_name, standalone_mode=False)
    except OSError as error:
        if isinstance(error, BeepyError):
            raise
        raise stdio.write_error(error) from error  # from help, which typer itself writes


def command_app(command: str, arguments: Sequence[str] | None = None) -> typer.Typer:
    """Return an app of this command alone: the others need not be imported.

    With ``arguments`` it need not know the options that they do not set.
    """
    app = _new_app()
    app.command(command, cls=Command)(COMMANDS[command].load(command, arguments))
    return app


def group_app(
    commands: Iterable[str] = tuple(COMMANDS), arguments: Sequence[str] | None = None
) -> typer.Typer:
    """Return an app of several commands, with the options that come before their names.

    With ``arguments`` the commands need not know the options that they do not set.
    """
    app = _new_app()
    app.callback(cls=Group)(_group)
    for command in commands:
        row = COMMANDS[command]
        app.command(command, cls=Command, rich_help_panel=row.panel)(row.load(command, arguments))
    return app
