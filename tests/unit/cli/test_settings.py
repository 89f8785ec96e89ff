import re
from enum import Enum
from errno import EIO, ENOTDIR
from pathlib import Path

import pytest

from beepy.cli import settings
from beepy.errors import BeepyError, KernelError, OutputError


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
