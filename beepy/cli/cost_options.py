"""The options of ``beepy run`` about what programs cost and print."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from beepy.cli import panels
from beepy.cli.option_values import Bound, bound

if TYPE_CHECKING:
    from beepy.trace.lines import TraceLine  # few runs trace

Measure: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--cost", help="Measure what programs cost, also with -v.", rich_help_panel=panels.COST
    ),
]
MaxOverhead: TypeAlias = Annotated[
    Bound | None,
    typer.Option(
        "--max-overhead",
        metavar="PERCENT[:shed]",
        parser=bound("--max-overhead"),
        help="Detach programs that take more of a CPU, or run them less.",
        rich_help_panel=panels.COST,
    ),
]
Trace: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--trace", help="Show what programs print, on stderr.", rich_help_panel=panels.COST
    ),
]


def printer(images: Sequence[str]) -> "Callable[[TraceLine], None]":
    """Return what writes a line of --trace."""
    from beepy.cli import trace_lines  # noqa: PLC0415 - few runs trace

    return trace_lines.printer(names_images=len(images) > 1)
