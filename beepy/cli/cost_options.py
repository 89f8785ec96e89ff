"""The options of ``beepy run`` about what programs cost."""

from typing import Annotated, TypeAlias

import typer

from beepy.cli import panels
from beepy.cli.option_values import share

Measure: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--cost", help="Measure what programs cost, also with -v.", rich_help_panel=panels.COST
    ),
]
MaxOverhead: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--max-overhead",
        metavar="PERCENT",
        parser=share("--max-overhead"),
        help="Detach programs that take more of a CPU, such as 2%.",
        rich_help_panel=panels.COST,
    ),
]
