"""``beepy replay``."""

from typing import Annotated

import typer

from beepy import outputs
from beepy.cli import shown
from beepy.cli.option_values import factor
from beepy.cli.settings import Settings


def replay(
    *,
    settings: Settings,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file that run --record wrote.")],
    output: shown.Output = None,
    rotate: shown.Rotate = "",
    filters: shown.Filters = None,
    wheres: shown.Wheres = None,
    fields: shown.Fields = None,
    sort: shown.Sort = None,
    limit: shown.Limit = None,
    top: shown.TopCount = None,
    by: shown.By = "",
    every: shown.Every = "",
    total: shown.Sum = "",
    average: shown.Average = "",
    buckets: shown.Buckets = None,
    value_keys: shown.ValueKeys = None,
    labels: shown.Labels = None,
    summary: shown.Summary = False,
    count: shown.Count = None,
    until: shown.Until = "",
    prom_port: shown.PromPort = None,
    prom_host: shown.PromHost = "127.0.0.1",
    no_metrics: shown.NoMetrics = False,
    zero: shown.Zero = False,
    rows: shown.Rows = False,
    raw: shown.Raw = False,
    no_tty: shown.NoTty = False,
    scrollback: shown.Scrollback = None,
    speed: Annotated[
        float | None,
        typer.Option(
            "--speed",
            metavar="N[x]",
            parser=factor("--speed"),
            help="So many seconds of it in one; default: all at once.",
        ),
    ] = None,
) -> None:
    """Show what a run recorded; needs no root, and no image."""
    from beepy.chosen import Chosen  # noqa: PLC0415
    from beepy.cli import session  # noqa: PLC0415 - --help needs none of it

    del settings
    bounded = bool(count or until or (top and not every))
    output = shown.output_name(output, top, summary=summary, plain=no_tty, bounded=bounded)
    options = session.ShowOptions(
        output=output,
        buckets=tuple(buckets or ()),
        value_keys=tuple(value_keys or ()),
        labels=tuple(labels or ()),
        rows=rows,
        host=prom_host,
        port=prom_port,
        metrics=not no_metrics,
        summary=summary,
        rotate=rotate,
        top=shown.top(top, by, every, total, average, fields=bool(fields)),
        scrollback=scrollback,
    )
    session.replay(
        file,
        Chosen(filters or (), wheres or ()),
        options,
        arrangement=shown.arrangement(fields, sort, limit, raw=raw),
        limit=count,
        until=until,
        speed=speed,
        hides_zeros=outputs.output(output).hides_zeros and not zero,
    )
