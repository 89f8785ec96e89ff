import re
from enum import Enum
from errno import EIO, ENOTDIR
from pathlib import Path

import pytest

from beepy.cli import settings
from beepy.errors import BeepyError, KernelError, OutputError


class ParameterSource(Enum):
    """As click names it."""

    COMMANDLINE = 0


class Root:
    """What a command is given by typer, as far as it is asked for."""

    obj: settings.Settings | None = None
    invoked_subcommand: str | None = None

    def find_root(self) -> "Root":
        return self

    def get_parameter_source(self, name: str) -> ParameterSource | None:
        """Return that nobody chose it."""
        del name
        return None


class Chosen(Root):
    """A command all of whose options were chosen, after those of the group."""

    def __init__(self, before: settings.Settings) -> None:
        self.obj = before

    def get_parameter_source(self, name: str) -> ParameterSource:
        """Return that the user did."""
        del name
        return ParameterSource.COMMANDLINE


def test_files_of_credentials_before_and_after_the_command() -> None:
    found = []

    def command(*, settings: settings.Settings) -> None:
        found.extend(settings.config or [])

    context = Chosen(settings.Settings(config=[Path("a")]))
    settings.with_settings(command)(context, **settings.Settings(config=[Path("b"), Path("c")])._asdict())
    assert found == [Path("a"), Path("b"), Path("c")]


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (OSError(ENOTDIR, "text", "/a\x1b"), r"/a\x1b: not a directory"),
        (OSError(EIO, "text"), "system call: input/output error"),
        (OSError("an address that is none"), "system call: an address that is none"),
        (KernelError("map 'x': create: no", EIO), "map 'x': create: no"),
        (OutputError("closed"), "closed"),
    ],
)
def test_no_refusal_of_the_system_is_a_traceback(raised: Exception, told: str) -> None:
    def command(*, settings: object) -> None:
        del settings
        raise raised

    with pytest.raises(BeepyError, match=f"^{re.escape(told)}$"):
        settings.with_settings(command)(Root(), **settings.Settings()._asdict())
