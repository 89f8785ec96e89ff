"""The command table."""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Final

import typer
from typer.exceptions import TyperException

import beepy
from beepy.cli import standard
from beepy.cli.settings import Settings, with_settings
from beepy.errors import BeepyError

app = typer.Typer(
    name="beepy",
    help="Run eBPF programs that are packaged as OCI images.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)

# command -> module and function of this room; both the modules and typer's own commands take time to make
_COMMANDS: Final = {
    "run": "run.run",
    "describe": "describe.describe",
    "pull": "images.pull",
    "list": "images.list_images",
    "version": "images.version",
}


def _version(*, wanted: bool) -> None:
    if wanted:
        standard.write(f"beepy {beepy.__version__}\n")
        raise typer.Exit


@app.callback()
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
    module, function = _COMMANDS[command].split(".")
    found: Callable[..., None] = getattr(import_module(f"beepy.cli.{module}"), function)
    return found


def main() -> int:
    """Run the command line and return its exit code."""
    standard.reserve()
    standard.show_all()
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    for name in [first] if first in _COMMANDS else _COMMANDS:
        app.command(name)(with_settings(_function(name)))
    try:
        code = _run()
    except BeepyError as error:
        from beepy.cli import report  # noqa: PLC0415 - logging is not for --version

        return report.failure(error)
    except TyperException as error:
        from beepy.cli import report  # noqa: PLC0415

        return report.usage(error)
    return code if isinstance(code, int) else 0


def _run() -> object:
    try:
        return app(args=sys.argv[1:] or ["--help"], prog_name="beepy", standalone_mode=False)
    except OSError as error:
        if isinstance(error, BeepyError):
            raise
        raise standard.failed(error) from error  # help, which typer writes itself
