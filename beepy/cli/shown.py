"""The options that say what is shown, and how: those of ``run`` and of ``replay``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from beepy import outputs
from beepy.cli import panels
from beepy.cli.option_values import seconds, whole_number
from beepy.errors import UsageError

if TYPE_CHECKING:
    from beepy.events.arrangement import Arrangement
    from beepy.events.top import Wanted

_OTHERS = ", ".join([name for name in outputs.TABLE if name not in {"tui", "json"}])


def _output(text: str) -> str:
    """Return the name of an output, or of a file. Raise UsageError for other texts."""
    outputs.destination(text)
    return text


Output: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="OUTPUT",
        parser=_output,
        help=f"Tui (on a terminal), json (else), {_OTHERS}, or a file: NAME.jsonl.",
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
Fields: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--fields",
        metavar="[MAP:]FIELD,...",
        help="Show only these, in this order; -FIELD: all but it; repeat.",
        rich_help_panel=panels.SHOW,
    ),
]
Sort: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--sort",
        metavar="[MAP:][-]FIELD",
        help="Sort each reading of a table; -FIELD: largest first; repeat.",
        rich_help_panel=panels.SHOW,
    ),
]
Limit: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--limit",
        metavar="N",
        parser=whole_number("--limit", 1),
        help="Show N rows of each reading of a table.",
        rich_help_panel=panels.SHOW,
    ),
]
Labels: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--labels",
        metavar="MAP=FIELD,...",
        help="The only labels of this map's metric; repeat.",
        rich_help_panel=panels.METRICS,
    ),
]
TopCount: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--top",
        metavar="N",
        parser=whole_number("--top", 1, 10_000),
        help="Show the N largest groups of events, see --by.",
        rich_help_panel=panels.SHOW,
    ),
]
By: TypeAlias = Annotated[
    str,
    typer.Option(
        "--by",
        metavar="[MAP:]FIELD,...",
        help="Fields that --top groups events by.",
        rich_help_panel=panels.SHOW,
    ),
]
Every: TypeAlias = Annotated[
    str,
    typer.Option(
        "--every",
        metavar="TIME",
        help="How often --top shows groups; default: at the end.",
        rich_help_panel=panels.SHOW,
    ),
]
Sum: TypeAlias = Annotated[
    str,
    typer.Option(
        "--sum",
        metavar="FIELD",
        help="Rank groups of --top by the sum of this field.",
        rich_help_panel=panels.SHOW,
    ),
]
Average: TypeAlias = Annotated[
    str,
    typer.Option(
        "--avg",
        metavar="FIELD",
        help="Rank groups of --top by the average of this field.",
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
Raw: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--raw",
        help="Show numbers as they are, not what they mean.",
        rich_help_panel=panels.SHOW,
    ),
]
NoTty: TypeAlias = Annotated[
    bool,
    typer.Option("--no-tty", help="Plain output, even on a terminal.", rich_help_panel=panels.SHOW),
]
Rotate: TypeAlias = Annotated[
    str,
    typer.Option(
        "--rotate",
        metavar="SIZE|TIME",
        help="With -o FILE: begin a new file after 100M, or after 1h.",
        rich_help_panel=panels.SHOW,
    ),
]
Until: TypeAlias = Annotated[
    str,
    typer.Option(
        "--until",
        metavar="EXPRESSION",
        help="End with the first row for which it is true, as of --where.",
        rich_help_panel=panels.SHOW,
    ),
]
Summary: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--summary",
        help="Show counts and top values at the end, as 2 kB of JSON.",
        rich_help_panel=panels.SHOW,
    ),
]
Scrollback: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--scrollback",
        metavar="N",
        parser=whole_number("--scrollback", 1, 10_000_000),
        help="Rows of each map that the screen keeps, default 10000.",
        show_default=False,
        rich_help_panel=panels.SHOW,
    ),
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


def arrangement(
    fields: Sequence[str] | None,
    sort: Sequence[str] | None,
    limit: int | None,
    *,
    raw: bool = False,
) -> "Arrangement | None":
    """Return how rows are arranged, None if no option says so."""
    if not fields and not sort and limit is None and not raw:
        return None
    from beepy.events.arrangement import Arrangement  # noqa: PLC0415 - few runs arrange

    return Arrangement(fields or (), sort or (), limit, raw)


def output_name(
    output: str | None, top_count: int | None, *, summary: bool, plain: bool, bounded: bool
) -> str:
    """Return the output of a run: that of -o, else one that fits; ``plain`` is --no-tty.

    ``bounded``: the run ends by itself. Raise UsageError for options that do not go together.
    """
    if summary:
        check_summary(output, top_count)
        return "json"
    if output:
        return output
    from beepy.cli import terminal  # noqa: PLC0415 - for a run that leaves it open

    return terminal.default_output(plain=plain, bounded=bounded)


def check_summary(output: str | None, top_count: int | None) -> None:
    """Raise UsageError for options that do not go with --summary."""
    if output is not None:
        raise UsageError("--summary: not with -o: it takes the place of rows")
    if top_count is not None:
        raise UsageError("--summary: not with --top: it has the top values of each field")


def top(
    count: int | None, by: str, every: str, total: str, average: str, *, fields: bool
) -> "Wanted | None":
    """Return which groups are shown in the place of events, None if no option says so.

    ``fields``: --fields is given. Raise UsageError for options that do not go together.
    """
    if count is None and not (by or every or total or average):
        return None
    if count is None or not by:
        raise UsageError("--top, --by: expected both: --top 10 --by comm")
    if fields:
        raise UsageError("--fields: --top shows the fields of --by")
    from beepy.events.top import Wanted  # noqa: PLC0415 - few runs ask for it

    wanted = Wanted(count, by, seconds("--every", every) if every else 0, total, average)
    wanted.check()
    return wanted
