from collections.abc import Sequence

import pytest

from beepy.analysis.describe import describe
from beepy.analysis.description import Description, ProgramInfo
from beepy.analysis.requirements import Capability, Requirements
from beepy.manifest.needs import Mount, Needs, of_objects
from beepy.oci.lookup import bundled_store
from beepy.source import parse_all

NOTHING = Requirements("", (), (), types=False)
TRACEFS = Mount("tracefs", "/sys/kernel/tracing", "/sys/kernel/tracing", "Directory")
CGROUPS = Mount("cgroups", "/sys/fs/cgroup", "/host/cgroup", "Directory")


def needs_of(name: str) -> Needs:
    image = bundled_store().get(name)
    return of_objects([describe(image, spec) for spec in parse_all(image, warn=False)])


def names(needs: Needs) -> list[str]:
    return [item.name for item in needs.capabilities]


def program(section: str, *, name: str = "probe", autoload: bool = True) -> ProgramInfo:
    from beepy import sections

    hook = sections.find(section)
    return ProgramInfo(
        name=name,
        section=section,
        type="",
        target=sections.target(hook, section) if hook else "",
        autoload=autoload,
        instructions=1,
        helpers=(),
        externs=(),
        changes=(),
        needs=NOTHING,
        besides_token=(),
    )


def description(
    *programs: ProgramInfo, externs: Sequence[str] = (), capabilities: Sequence[Capability] = ()
) -> Description:
    image = bundled_store().get("exitsnoop")
    (spec,) = parse_all(image, warn=False)
    return describe(image, spec)._replace(
        programs=programs,
        externs=tuple(externs),
        maps=(),
        needs=NOTHING._replace(capabilities=tuple(capabilities)),
    )


def needs(*programs: ProgramInfo) -> Needs:
    return of_objects([description(*programs)])


@pytest.mark.parametrize(
    ("image", "capabilities", "mounts", "host_network", "metrics"),
    [
        ("exitsnoop", ["CAP_BPF", "CAP_PERFMON"], (TRACEFS,), False, False),
        ("exitsnoop-counter", ["CAP_BPF", "CAP_PERFMON"], (TRACEFS,), False, True),
        ("runqlat", ["CAP_BPF", "CAP_PERFMON"], (), False, True),
        ("xdpcount", ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"], (), True, True),
    ],
)
def test_the_bundled_images(
    image: str,
    capabilities: list[str],
    mounts: tuple[Mount, ...],
    host_network: bool,
    metrics: bool,
) -> None:
    """Root in a container reads tracefs without CAP_DAC_READ_SEARCH, which other users need."""
    given = needs_of(image)
    assert names(given) == capabilities
    assert given.mounts == mounts
    assert (given.host_network, given.host_pid, given.metrics) == (host_network, False, metrics)
    assert given.arguments == ()


def test_a_binary_of_the_host_is_seen_beside_the_containers_own() -> None:
    given = needs_of("bashreadline")
    assert names(given) == ["CAP_SYS_ADMIN"]
    assert given.mounts == (Mount("binary-0", "/bin/bash", "/host/bin/bash", "File"),)
    assert given.arguments == ("--attach", "readline=/host/bin/bash:readline")
    assert given.advice == ()


@pytest.mark.parametrize(
    "target",
    [
        "/../etc/shadow:f",
        "/bin/../../x:f",
        "/bin/./x:f",
        "//bin/x:f",
        "/bin/x/:f",
        "/:f",
        "/bin/a b:f",
        "/bin/\u00e4:f",
        "/bin/$HOME:f",
        "/bin/bash",
        "libc.so.6:malloc",
        "",
    ],
)
def test_what_is_no_plain_path_is_left_to_the_user(target: str) -> None:
    for section in ("uprobe", "usdt", "uprobe.multi"):
        given = needs(program(f"{section}/{target}" if target else section))
        assert (given.mounts, given.arguments) == ((), ())
        (advice,) = given.advice
        assert advice.startswith("program 'probe' needs a file of the host: ")


def test_a_programs_name_is_no_argument_of_its_own() -> None:
    given = needs(program("uprobe//bin/x:f", name="a=b"))
    assert (given.mounts, given.arguments, len(given.advice)) == ((), (), 1)


def test_each_file_is_mounted_once() -> None:
    given = needs(
        program("uprobe//bin/x:f", name="f"),
        program("uretprobe//bin/x:f", name="g"),
        program("usdt//lib/y.so:p:n", name="h"),
    )
    assert [mount.mount_path for mount in given.mounts] == ["/host/bin/x", "/host/lib/y.so"]
    assert [mount.name for mount in given.mounts] == ["binary-0", "binary-1"]
    assert given.arguments[1::2] == ("f=/host/bin/x:f", "g=/host/bin/x:f", "h=/host/lib/y.so:p:n")


@pytest.mark.parametrize(
    ("section", "host_network", "host_pid"),
    [
        ("xdp", True, False),
        ("tc", True, False),
        ("netfilter", True, False),
        ("socket", True, False),
        ("iter/tcp", True, False),
        ("iter/task", False, True),
        ("iter/task_file", False, True),
        ("iter/bpf_map", False, False),
        ("sk_reuseport", False, True),
        ("kprobe/f", False, False),
        ("cgroup/dev", False, False),
        ("nosuch/f", False, False),
    ],
)
def test_namespaces(section: str, host_network: bool, host_pid: bool) -> None:
    given = needs(program(section))
    assert (given.host_network, given.host_pid) == (host_network, host_pid)


def test_cgroups_are_those_of_the_host() -> None:
    for section in ("cgroup_skb/egress", "lsm_cgroup/socket_bind", "sockops"):
        given = needs(program(section), program("kprobe/f"))
        assert given.mounts == (CGROUPS,)
        assert given.arguments == ("--cgroup", "/host/cgroup")


def test_patterns_are_looked_up_in_tracefs() -> None:
    assert needs(program("kprobe.multi/vfs_*")).mounts == (TRACEFS,)
    assert needs(program("kprobe.multi/vfs_read")).mounts == ()


def test_programs_that_are_not_loaded_do_not_count() -> None:
    given = needs(program("kprobe/f"), program("?xdp", autoload=False))
    assert (given.host_network, given.advice) == (False, ())


def test_the_kernels_configuration_and_pinned_maps() -> None:
    image = bundled_store().get("exitsnoop")
    (spec,) = parse_all(image, warn=False)
    described = describe(image, spec)
    pinned = described.maps[0]._replace(pinned="/sys/fs/bpf/print_exits")
    given = of_objects([described._replace(maps=(pinned,), externs=("CONFIG_HZ",))])
    assert given.mounts[1:] == (
        Mount("bpffs", "/sys/fs/bpf", "/sys/fs/bpf", "Directory", writable=True),
        Mount("boot", "/boot", "/boot", ""),
    )
    assert of_objects([description(externs=["LINUX_KERNEL_VERSION"])]).mounts == ()


def test_an_interface_of_a_section_is_not_needed() -> None:
    given = of_objects([description(program("xdp/lo", name="count"))])
    assert given.advice == ()
    assert given.host_network


def test_the_needs_of_several_objects_are_merged() -> None:
    first = description(
        program("kprobe/f"),
        capabilities=[Capability("CAP_BPF", "load"), Capability("CAP_PERFMON", "kprobe programs")],
    )
    second = description(
        program("xdp", name="count"),
        capabilities=[Capability("CAP_BPF", "load"), Capability("CAP_NET_ADMIN", "xdp programs")],
    )
    given = of_objects([first, second])
    assert names(given) == ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]
    assert given.host_network
    assert given.advice == ("program 'count' needs an interface: --arg=--iface --arg=NAME",)
    admin = description(capabilities=[Capability("CAP_SYS_ADMIN", "perf events of uprobes")])
    assert names(of_objects([first, second, admin])) == ["CAP_SYS_ADMIN"]
