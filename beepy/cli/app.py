"""The command table, and the main function of the command line."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Annotated, Final, NamedTuple

import typer
from typer.exceptions import TyperException

import beepy
from beepy.cli import stdio
from beepy.cli.command import Command, Group
from beepy.cli.settings import GENERAL, REGISTRIES, STORES, Settings, with_settings
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
    "pull": _Row("images", "pull", REGISTRIES),
    "tag": _Row("store_commands", "tag", STORES),
    "rm": _Row("store_commands", "remove", STORES),
    "prune": _Row("store_commands", "prune", STORES),
    "save": _Row("store_commands", "save", STORES),
    "load": _Row("store_commands", "load", STORES),
    "verify": _Row("verify", "verify", REGISTRIES),
    "build": _Row("build", "build", STORES),
    "init": _Row("init", "init", GENERAL),
    "package": _Row("package", "package", REGISTRIES),
    "version": _Row("images", "version", GENERAL),
}
"""Only the called command is imported."""


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
    app, program_name = _new_app(), "beepy"
    if arguments[0] in COMMANDS:  # an app of this command alone: the others need not be imported
        command, *arguments = arguments
        program_name = f"beepy {command}"
        app.command(command, cls=Command)(COMMANDS[command].load())
    else:
        app.callback(cls=Group)(_group)
        for command, row in COMMANDS.items():
            app.command(command, cls=Command)(row.load())
    try:
        return app(args=arguments, prog_name=program_name, standalone_mode=False)
    except OSError as error:
        if isinstance(error, BeepyError):
            raise
        raise stdio.write_error(error) from error  # from help, which typer itself writes
