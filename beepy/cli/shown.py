"""The options that say what is shown, and how: those of ``run`` and of ``replay``."""

from typing import Annotated, TypeAlias

import typer

from beepy import outputs
from beepy.cli import panels
from beepy.cli.option_values import one_of, whole_number

Output: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar=f"[{'|'.join(outputs.TABLE)}]",
        parser=one_of("'--output' / '-o'", outputs.TABLE),
        help="How rows are shown; columns on a terminal, else json.",
        show_default=False,
        rich_help_panel=panels.SHOW,
    ),
]
Filters: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        "-f",
        metavar="[MAP,]FIELD,REGEX",
        help="Show only rows that match; repeat.",
        rich_help_panel=panels.SHOW,
    ),
]
Wheres: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="EXPRESSION",
        help="Show only rows for which it is true: 'ret == ENOENT'; repeat.",
        rich_help_panel=panels.SHOW,
    ),
]
Buckets: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--hist-buckets",
        "-b",
        metavar="[MAP,][1,2,3]",
        help="Bounds of a histogram's buckets; repeat.",
        rich_help_panel=panels.METRICS,
    ),
]
ValueKeys: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--hist-value-key",
        "-k",
        metavar="[MAP,]FIELD",
        help="Field with the value of a metric; repeat.",
        rich_help_panel=panels.METRICS,
    ),
]
Count: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--count",
        metavar="N",
        parser=whole_number("--count", 1),
        help="Stop after N rows.",
        rich_help_panel=panels.SHOW,
    ),
]
PromPort: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--prom-port",
        metavar="PORT",
        parser=whole_number("--prom-port", 0, 65535),
        help="Port of /metrics; default 9091.",
        rich_help_panel=panels.METRICS,
    ),
]
PromHost: TypeAlias = Annotated[
    str,
    typer.Option(
        "--prom-host",
        metavar="HOST",
        help="Address of /metrics.",
        rich_help_panel=panels.METRICS,
    ),
]
NoMetrics: TypeAlias = Annotated[
    bool, typer.Option("--no-metrics", help="Serve no metrics.", rich_help_panel=panels.METRICS)
]
Zero: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--zero", help="Also show rows of tables whose value is 0.", rich_help_panel=panels.SHOW
    ),
]
Rows: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--rows",
        help="In columns, show each row of counters, gauges and histograms.",
        rich_help_panel=panels.SHOW,
    ),
]
NoTty: TypeAlias = Annotated[
    bool,
    typer.Option("--no-tty", help="Plain output, even on a terminal.", rich_help_panel=panels.SHOW),
]
Texts: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--text",
        metavar="[MAP,]FIELD",
        help="Show this array of bytes as text; repeat.",
        rich_help_panel=panels.SHOW,
    ),
]
