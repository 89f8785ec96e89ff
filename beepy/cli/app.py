"""The command table."""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Final

import typer
from typer.exceptions import TyperException

import beepy
from beepy.cli import standard
from beepy.cli.command import Command, Group
from beepy.cli.settings import GENERAL, REGISTRIES, STORES, Settings, with_settings
from beepy.errors import BeepyError

# command -> module and function of this room, which take time to import; the shared options that the command takes
_COMMANDS: Final = {
    "run": ("run.run", REGISTRIES),
    "list": ("images.list_images", STORES),
    "describe": ("describe.describe", REGISTRIES),
    "pull": ("images.pull", REGISTRIES),
    "version": ("images.version", GENERAL),
}


def _version(*, wanted: bool) -> None:
    if wanted:
        standard.write(f"beepy {beepy.__version__}\n")
        raise typer.Exit


def _made() -> typer.Typer:
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
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Run eBPF programs that are packaged as OCI images."""


def _function(command: str) -> Callable[..., None]:
    path, options = _COMMANDS[command]
    module, function = path.split(".")
    found: Callable[..., None] = getattr(import_module(f"beepy.cli.{module}"), function)
    return with_settings(found, options)


def main() -> int:
    """Run the command line and return its exit code."""
    standard.reserve()
    standard.show_all()
    try:
        code = _run(sys.argv[1:] or ["--help"])
    except BeepyError as error:
        from beepy.cli import report  # noqa: PLC0415 - logging is not for --version

        return report.failure(error)
    except MemoryError as error:
        error.__traceback__ = None  # what its frames hold
        from beepy.cli import report  # noqa: PLC0415

        return report.failure(BeepyError("out of memory"))
    except TyperException as error:
        from beepy.cli import report  # noqa: PLC0415

        return report.usage(error)
    return code if isinstance(code, int) else 0


def _run(arguments: list[str]) -> object:
    app, name = _made(), "beepy"
    if arguments[0] in _COMMANDS:  # alone: only what it takes itself need be read
        command, *arguments = arguments
        name = f"beepy {command}"
        app.command(command, cls=Command)(_function(command))
    else:
        app.callback(cls=Group)(_group)
        for each in _COMMANDS:
            app.command(each, cls=Command)(_function(each))
    try:
        return app(args=arguments, prog_name=name, standalone_mode=False)
    except OSError as error:
        if isinstance(error, BeepyError):
            raise
        raise standard.failed(error) from error  # help, which typer writes itself
