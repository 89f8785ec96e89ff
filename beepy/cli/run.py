"""``beepy run``: its options."""

from typing import Annotated, Final, Literal, TypeAlias

import typer

from beepy.cli.settings import Settings

_MAX_PID: Final = 1 << 22  # PID_MAX_LIMIT; the kernel's structs would cut off what is above 32 bits


Output: TypeAlias = Literal["json", "columns", "wide", "none"]
Missing: TypeAlias = Literal["fail", "skip"]
Pull: TypeAlias = Literal["always", "missing", "never"]


def run(
    *,
    settings: Settings,
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Image references, ELF files or archives.")],
    output: Annotated[
        Output | None,
        typer.Option(
            "--output", "-o", help="How rows are shown; columns on a terminal, else json.", show_default=False
        ),
    ] = None,
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", "-f", metavar="MAP,FIELD,REGEX", help="Keep the rows that match; repeat."),
    ] = None,
    texts: Annotated[
        list[str] | None,
        typer.Option("--text", metavar="[MAP,]FIELD", help="An array of bytes that is shown as text; repeat."),
    ] = None,
    buckets: Annotated[
        list[str] | None,
        typer.Option("--hist-buckets", "-b", metavar="MAP,[1,2,3]", help="Bounds of a histogram's buckets; repeat."),
    ] = None,
    value_keys: Annotated[
        list[str] | None,
        typer.Option("--hist-value-key", "-k", metavar="MAP,FIELD", help="The field with a metric's value; repeat."),
    ] = None,
    count: Annotated[int | None, typer.Option("--count", metavar="N", min=1, help="Stop after N rows.")] = None,
    timeout: Annotated[str | None, typer.Option("--timeout", metavar="TIME", help="Stop after a time: 10s.")] = None,
    prom_port: Annotated[
        int | None,
        typer.Option("--prom-port", metavar="PORT", min=0, max=65535, help="Port of /metrics; 9091 if not given."),
    ] = None,
    prom_host: Annotated[str, typer.Option("--prom-host", metavar="HOST", help="Address of /metrics.")] = "127.0.0.1",
    no_metrics: Annotated[bool, typer.Option("--no-metrics", help="Serve no metrics.")] = False,
    zero: Annotated[bool, typer.Option("--zero", help="Show rows of tables whose value is 0 too.")] = False,
    rows: Annotated[
        bool, typer.Option("--rows", help="In columns, show each row of counters, gauges and histograms.")
    ] = False,
    no_tty: Annotated[bool, typer.Option("--no-tty", help="Plain output, even on a terminal.")] = False,
    interval: Annotated[str, typer.Option("--interval", metavar="TIME", help="How often tables are read.")] = "1s",
    attach: Annotated[
        list[str] | None,
        typer.Option("--attach", metavar="PROGRAM=TARGET", help="Where a program attaches, not its section; repeat."),
    ] = None,
    iface: Annotated[str, typer.Option("--iface", metavar="NAME", help="Network interface to attach to.")] = "",
    netns: Annotated[
        str, typer.Option("--netns", metavar="NAME", help="Network namespace of the interface: name, path or pid.")
    ] = "",
    cgroup: Annotated[str, typer.Option("--cgroup", metavar="DIR", help="Control group to attach to.")] = "",
    pid: Annotated[
        int | None, typer.Option("--pid", metavar="PID", min=1, max=_MAX_PID, help="Only this process.")
    ] = None,
    binary: Annotated[str, typer.Option("--binary", metavar="FILE", help="Program or library to probe.")] = "",
    variables: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Set a global variable of the program; repeat."),
    ] = None,
    missing: Annotated[
        Missing, typer.Option("--missing", help="What to do if this kernel lacks what a program attaches to.")
    ] = "fail",
    btf: Annotated[
        str, typer.Option("--btf", metavar="FILE", help="Types of this kernel: BTF, vmlinux or BTFHub archive.")
    ] = "",
    pin_maps: Annotated[
        str, typer.Option("--pin-maps", metavar="DIR", help="Pin the maps in this folder of a BPF file system.")
    ] = "",
    pin_progs: Annotated[
        str, typer.Option("--pin-progs", metavar="DIR", help="Pin the programs in this folder of a BPF file system.")
    ] = "",
    pull: Annotated[Pull, typer.Option("--pull", help="When to ask the registry.")] = "missing",
) -> None:
    """Run images and show what they report, until Ctrl-C."""
    from beepy.cli import session  # noqa: PLC0415 - --help needs no kernel
    from beepy.cli.durations import seconds  # noqa: PLC0415
    from beepy.collection.pins import Pins  # noqa: PLC0415
    from beepy.hooks import Target  # noqa: PLC0415
    from beepy.outputs import metric_options  # noqa: PLC0415

    session.run(
        session.Request(
            images=tuple(images),
            options=settings.options()._replace(pull=pull),
            output=output or session.default_output(plain=no_tty),
            filters=tuple(filters or ()),
            buckets=metric_options.all_buckets(buckets or ()),
            value_keys=metric_options.all_value_keys(value_keys or ()),
            zero=zero,
            rows=rows,
            limit=count,
            timeout=seconds("--timeout", timeout) if timeout else None,
            interval=seconds("--interval", interval),
            host=prom_host,
            port=prom_port,
            metrics=not no_metrics,
            attach=tuple(attach or ()),
            common=Target(pid=pid, binary=binary, iface=iface, netns=netns, cgroup=cgroup),
            variables=tuple(variables or ()),
            pins=Pins(maps=pin_maps, programs=pin_progs),
            missing=missing,
            btf=btf,
            texts=tuple(texts or ()),
        )
    )
