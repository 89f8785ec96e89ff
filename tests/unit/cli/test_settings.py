import re
from errno import EIO, ENOTDIR

import pytest

from beepy.cli import settings
from beepy.errors import BeepyError, KernelError, OutputError


class Root:
    """What a command is given by typer, as far as it is asked for."""

    obj = None

    def find_root(self) -> "Root":
        return self

    def get_parameter_source(self, name: str) -> None:
        """Return that nobody chose it."""
        del name


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (OSError(ENOTDIR, "text", "/a\x1b"), r"/a\x1b: not a directory"),
        (OSError(EIO, "text"), "system call: input/output error"),
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
