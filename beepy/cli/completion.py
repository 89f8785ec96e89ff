"""``beepy completion``: the script that makes a shell complete beepy's command line."""

from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias, get_args

import typer

from beepy.cli import stdio
from beepy.cli.settings import Settings

Shell: TypeAlias = Literal["bash", "zsh", "fish"]
SHELLS: Final[tuple[str, ...]] = get_args(Shell)

_SCRIPTS: Final = Path(__file__).parent / "completions"


def completion(
    *,
    settings: Settings,
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print a shell's completion script."""
    del settings
    stdio.write((_SCRIPTS / f"beepy.{shell}").read_text(encoding="utf-8"))
