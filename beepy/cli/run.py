"""The options of ``beepy run``."""

import os
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal, TypeAlias

import typer

from beepy import outputs
from beepy.cli import cost_options, panels, shown, verification, whose
from beepy.cli.option_values import one_of, seconds, size
from beepy.cli.settings import Settings
from beepy.cli.spelling import OTHERS
from beepy.errors import BeepyError, ImageNotFound, TargetError, UsageError

_EXIT_LOSS: Final = 3

Missing: TypeAlias = Literal["fail", "skip"]
Pull: TypeAlias = Literal["always", "missing", "never"]


def run(
    *,
    settings: Settings,
    images: Annotated[
        list[str] | None,
        typer.Argument(metavar="IMAGE...", help="Image references, ELF files or archives."),
    ] = None,
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
    texts: shown.Texts = None,
    buckets: shown.Buckets = None,
    value_keys: shown.ValueKeys = None,
    labels: shown.Labels = None,
    summary: shown.Summary = False,
    count: shown.Count = None,
    until: shown.Until = "",
    timeout: Annotated[
        str | None,
        typer.Option(
            "--timeout",
            metavar="TIME",
            help="Stop after this time, such as 10s.",
            rich_help_panel=panels.SHOW,
        ),
    ] = None,
    prom_port: shown.PromPort = None,
    prom_host: shown.PromHost = "127.0.0.1",
    no_metrics: shown.NoMetrics = False,
    zero: shown.Zero = False,
    rows: shown.Rows = False,
    raw: shown.Raw = False,
    no_tty: shown.NoTty = False,
    scrollback: shown.Scrollback = None,
    interval: Annotated[
        str | None,
        typer.Option(
            "--interval",
            metavar="TIME",
            help="How often tables are read; default 1s, or the image's.",
            rich_help_panel=panels.SHOW,
        ),
    ] = None,
    map_types: Annotated[
        list[str] | None,
        typer.Option(
            "--type",
            metavar="MAP=TYPE",
            help="Show this map, with records of this type; repeat.",
            rich_help_panel=panels.SHOW,
        ),
    ] = None,
    map_sizes: Annotated[
        list[str] | None,
        typer.Option(
            "--map-size",
            metavar="MAP=SIZE",
            help="Size of a map: bytes of a ring, else entries; repeat.",
            rich_help_panel=panels.LOAD,
        ),
    ] = None,
    attach: Annotated[
        list[str] | None,
        typer.Option(
            "--attach",
            metavar="PROGRAM=TARGET",
            help="Override where a program attaches; repeat.",
            rich_help_panel=panels.ATTACH,
        ),
    ] = None,
    programs: Annotated[
        list[str] | None,
        typer.Option(
            "--prog",
            metavar="NAME",
            help="Load and attach only this program; repeat.",
            rich_help_panel=panels.ATTACH,
        ),
    ] = None,
    iface: Annotated[
        str,
        typer.Option(
            "--iface",
            metavar="NAME",
            help="Network interface to attach to.",
            rich_help_panel=panels.ATTACH,
        ),
    ] = "",
    netns: Annotated[
        str,
        typer.Option(
            "--netns",
            metavar="NAME",
            help="Network namespace of the interface: name, path or pid.",
            rich_help_panel=panels.ATTACH,
        ),
    ] = "",
    binary: Annotated[
        str,
        typer.Option(
            "--binary",
            metavar="FILE",
            help="Program or library to probe.",
            rich_help_panel=panels.ATTACH,
        ),
    ] = "",
    record: Annotated[
        str,
        typer.Option(
            "--record",
            metavar="FILE",
            help="Write the records that are shown to this file, for replay.",
            rich_help_panel=panels.SHOW,
        ),
    ] = "",
    last: Annotated[
        int | None,
        typer.Option(
            "--last",
            metavar="SIZE",
            parser=size("--last", 64 << 10),
            help="With --record: keep the newest 64M, and write them at the end.",
            rich_help_panel=panels.SHOW,
        ),
    ] = None,
    variables: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Set a variable, or a parameter of the image; repeat.",
            rich_help_panel=panels.SHOW,
        ),
    ] = None,
    parameters: Annotated[list[str] | None, typer.Option(OTHERS, hidden=True)] = None,
    missing: Annotated[
        Missing | None,
        typer.Option(
            "--missing",
            help="What to do if this kernel lacks an attach point.",
            show_default="fail; skip for ebpf_exporter",
            rich_help_panel=panels.ATTACH,
        ),
    ] = None,
    btf: Annotated[
        str,
        typer.Option(
            "--btf",
            metavar="FILE",
            help="Types of this kernel: BTF, vmlinux or BTFHub archive.",
            rich_help_panel=panels.LOAD,
        ),
    ] = "",
    pin_maps: Annotated[
        str,
        typer.Option(
            "--pin-maps",
            metavar="DIR",
            help="Pin the maps in this directory of a BPF file system.",
            rich_help_panel=panels.LOAD,
        ),
    ] = "",
    pin_progs: Annotated[
        str,
        typer.Option(
            "--pin-progs",
            metavar="DIR",
            help="Pin the programs in this directory of a BPF file system.",
            rich_help_panel=panels.LOAD,
        ),
    ] = "",
    pids: whose.Pids = None,
    comms: whose.Comms = None,
    uids: whose.Uids = None,
    cgroups: whose.Cgroups = None,
    containers: whose.Containers = None,
    pods: whose.Pods = None,
    units: whose.Units = None,
    fail_on_loss: Annotated[
        str | None,
        typer.Option(
            "--fail-on-loss",
            metavar="[=missed]",
            parser=one_of("'--fail-on-loss'", ("lost", "missed")),
            help="End with exit code 3 if events were lost, or runs missed.",
            show_default=False,
            rich_help_panel=panels.SHOW,
        ),
    ] = None,
    no_rewrite: Annotated[
        bool,
        typer.Option(
            "--no-rewrite",
            help="Load programs as they are, without counting losses.",
            rich_help_panel=panels.LOAD,
        ),
    ] = False,
    measure: cost_options.Measure = False,
    max_overhead: cost_options.MaxOverhead = None,
    trace: cost_options.Trace = False,
    pull: Annotated[
        Pull,
        typer.Option("--pull", help="When to ask the registry.", rich_help_panel=panels.REGISTRIES),
    ] = "missing",
    verify: verification.Verify = False,
    keys: verification.Keys = None,
    identity: verification.Identity = "",
    issuer: verification.Issuer = "",
    trusted_root: verification.TrustedRoot = None,
    policy_file: verification.PolicyFile = None,
    read_only: verification.ReadOnly = False,
) -> None:
    """Run images and show their events until Ctrl-C."""
    if not images:
        from beepy.cli import advice  # noqa: PLC0415 - only on the way to an error

        raise advice.no_image(parameters or ())
    from beepy.cli import session  # noqa: PLC0415 - --help needs no kernel
    from beepy.collection import targets  # noqa: PLC0415
    from beepy.hooks import Target  # noqa: PLC0415
    from beepy.obj.pinning import Pins  # noqa: PLC0415
    from beepy.request import RunRequest  # noqa: PLC0415

    try:
        options = settings.registry_options()._replace(pull=pull)
    except UsageError as error:
        from beepy.cli import advice  # noqa: PLC0415 - only on the way to an error

        if settings.username is None:
            advice.explain_password(error, settings.password)
        raise
    signer_option = verification.signer_option(keys or (), identity, issuer, trusted_root)
    if signer_option and not verify:
        raise UsageError(f"{signer_option}: expected --verify too")
    policy = verification.read_policy(keys or (), identity, issuer, trusted_root, policy_file)
    options = options._replace(policy=policy, verify=verify)
    ends = bool(count or timeout or until)
    if summary and not ends:
        raise UsageError("--summary: expected --count, --timeout or --until: it comes at the end")
    bounded = ends or bool(top and not every)
    output = shown.output_name(output, top, summary=summary, plain=no_tty, bounded=bounded)
    kind = outputs.output(output)
    interval_s = seconds("--interval", interval or "1s")
    request = RunRequest(
        images=images,
        options=options,
        variables=_variables(variables or ()),
        filters=filters or (),
        wheres=wheres or (),
        texts=texts or (),
        arrangement=shown.arrangement(fields, sort, limit, raw=raw),
        programs=programs or (),
        types=_types(map_types or ()),
        map_sizes=_map_sizes(map_sizes or ()),
        attach=targets.parse(attach or ()),
        common=Target(binary=binary, iface=iface, netns=netns),
        subjects=whose.subjects(
            pids, comms, uids, cgroups, containers=containers, pods=pods, units=units
        ),
        pins=Pins(maps=pin_maps, programs=pin_progs),
        missing=missing,
        btf=btf or None,
        interval=interval_s if kind.shows_rows else None,
        own_intervals=interval is None,
        timeout=seconds("--timeout", timeout) if timeout else None,
        limit=count,
        until=until,
        hides_zeros=kind.hides_zeros and not zero,
        rewrite=not no_rewrite,
        cost=measure or settings.verbose or kind.is_screen,
        max_overhead=max_overhead.share if max_overhead else None,
        shed=bool(max_overhead and max_overhead.shed),
        trace=cost_options.printer(images) if trace else None,
        read_only=read_only,
    )
    show_options = session.ShowOptions(
        output=output,
        buckets=tuple(buckets or ()),
        value_keys=tuple(value_keys or ()),
        labels=tuple(labels or ()),
        rows=rows,
        host=prom_host,
        port=prom_port,
        metrics=not no_metrics,
        top=shown.top(top, by, every, total, average, fields=bool(fields)),
        record=record,
        summary=summary,
        last=last,
        rotate=rotate,
        cost=measure or max_overhead is not None,
        scrollback=scrollback,
    )
    try:
        if parameters:
            from beepy.cli import parameters as of_images  # noqa: PLC0415 - few runs have any

            request = of_images.applied(request, parameters)
        if os.geteuid():
            from beepy.cli import unprivileged  # noqa: PLC0415 - not for root

            unprivileged.check()
        stats = session.run(request, show_options)
    except BeepyError as error:
        from beepy.cli import unprivileged  # noqa: PLC0415 - only on the way to an error

        unprivileged.advise(error, tuple(images), options)
        if isinstance(error, ImageNotFound):
            from beepy.cli import sudo  # noqa: PLC0415

            sudo.advise(error, tuple(images), options)
        if isinstance(error, TargetError):
            from beepy.cli import advice  # noqa: PLC0415

            raise advice.wrong_target(error, tuple(attach or ())) from error
        raise
    if session.failed_by_loss(stats, fail_on_loss or ""):
        raise typer.Exit(_EXIT_LOSS)


def _variables(texts: Sequence[str]) -> Mapping[str, str]:
    if not texts:
        return {}
    from beepy.events.variables import settings  # noqa: PLC0415 - few runs set one

    return settings(texts)


def _types(texts: Sequence[str]) -> Mapping[str, str]:
    if not texts:
        return {}
    from beepy.conventions.choices import settings  # noqa: PLC0415 - few runs name one

    return settings(texts)


def _map_sizes(texts: Sequence[str]) -> Mapping[str, str]:
    if not texts:
        return {}
    from beepy.obj.map_sizes import settings  # noqa: PLC0415 - few runs name one

    return settings(texts)
