"""The commands in bee's documents, with ``bee`` replaced by ``beepy`` and nothing else changed.

The images have the maps and fields that the documents name; those of their own convention come from
the bundled ones.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

import beepy
from beepy.oci.lookup import bundled_store
from beepy.oci.store import Store
from bpf import build
from tests.conftest import TIERS
from tests.registry.test_ghcr import ROOT, in_a_network_of_its_own
from tests.support.command import Done
from tests.support.compiled import compile_text
from tests.support.trigger import OURS, VARIABLE

pytestmark = pytest.mark.registry

README = "README.md"
STARTED = "docs/getting_started.md"
HELP = "bee run --help"
HAS_KPROBES = Path("/sys/bus/event_source/devices/kprobe").exists()


class Line(NamedTuple):
    """A line and its document; it shows ``event``, and its rows must match ``rows``."""

    where: str
    text: str
    event: str = ""
    rows: Mapping[str, str] = {}


RUNS = (
    Line(README, "sudo beepy run ghcr.io/solo-io/bumblebee/tcpconnect:$(beepy version)"),
    Line(
        README,
        'sudo env "PATH=$PATH" beepy run ghcr.io/solo-io/bumblebee/tcpconnect:$(beepy version)',
    ),
    Line(STARTED, "beepy run my_probe:v1", "exit", {"map": "print_exits"}),
    Line(STARTED, "beepy run ghcr.io/solo-io/bumblebee/tcpconnect:$(beepy version)"),
    Line(
        "examples/capable/README.md", "beepy run ghcr.io/solo-io/bumblebee/capable:$(beepy version)"
    ),
    Line(
        "examples/capable/README.md",
        'beepy run -f="print_events,task,ping" ghcr.io/solo-io/bumblebee/capable:$(beepy version)',
    ),
    Line(
        "examples/exitsnoop/README.md",
        "beepy run ghcr.io/solo-io/bumblebee/exitsnoop:$(beepy version)",
        "exit",
        {"map": "print_exits"},
    ),
    Line(
        "examples/exitsnoop/README.md",
        'beepy run -f="print_exits,comm,bash" ghcr.io/solo-io/bumblebee/exitsnoop:$(beepy version)',
        "exit",
        {"map": "print_exits", "comm": "bash"},
    ),
    Line(
        "examples/exitsnoop/README.md before the prefixes",
        'beepy run -f="exits,comm,bash" ghcr.io/solo-io/bumblebee/exitsnoop:$(beepy version)',
        "exit",
        {"map": "print_exits", "comm": "bash"},
    ),
    Line(
        "examples/oomkill/README.md", "beepy run ghcr.io/solo-io/bumblebee/oomkill:$(beepy version)"
    ),
    Line(
        "examples/opensnoop/README.md",
        "beepy run ghcr.io/solo-io/bumblebee/opensnoop:$(beepy version)",
        "open",
        {"map": "print_events"},
    ),
    Line(
        "examples/opensnoop/README.md",
        'beepy run -f="print_events,comm,node" '
        "ghcr.io/solo-io/bumblebee/opensnoop:$(beepy version)",
        "open",
        {"map": "print_events", "comm": "node"},
    ),
    Line(
        "examples/opensnoop/README.md",
        'beepy run -f="print_events,uid,0" ghcr.io/solo-io/bumblebee/opensnoop:$(beepy version)',
        "open",
        {"map": "print_events", "uid": "0"},
    ),
    Line(
        "examples/tcpconnlat/README.md",
        "beepy run ghcr.io/solo-io/bumblebee/tcpconnlat:$(beepy version)",
    ),
    Line(
        "examples/tcpconnlat/README.md",
        'beepy run -f="print_events,daddr_v4,8.8.8.8" '
        "ghcr.io/solo-io/bumblebee/tcpconnlat:$(beepy version)",
    ),
    Line(HELP, "beepy run bpf-program.o", "exit", {"map": "print_exits"}),
    Line(HELP, "beepy run localhost:5000/oras:ringbuf-demo", "exit", {"map": "print_exits"}),
    Line(
        HELP,
        'beepy run --filter="events,comm,node" ghcr.io/solo-io/bumblebee/opensnoop:0.0.7',
        "open",
        {"map": "events", "comm": "node"},
    ),
    Line(
        HELP,
        'beepy run -f="events,comm,node" ghcr.io/solo-io/bumblebee/opensnoop:0.0.7',
        "open",
        {"map": "events", "comm": "node"},
    ),
    Line(
        HELP,
        'beepy run -f="events_hash,daddr,1.1.1.1" -f="events_ring,daddr,1.1.1.1" '
        "ghcr.io/solo-io/bumblebee/tcpconnect:0.0.7",
        "connect",
        {"daddr": "1.1.1.1"},
    ),
    Line(
        "pkg/cli/internal/commands/package/Dockerfile",
        "./beepy run --no-tty ${BPF_IMAGE}",
        "exit",
        {},
    ),
)

TWO_MAPS = """
#include "test/trigger.h"
typedef u32 ipv4_addr;
struct event { ipv4_addr daddr; };
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, struct event);
	__type(value, u64);
} events_hash SEC(".maps.counter");
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 14);
	__type(value, struct event);
} events_ring SEC(".maps.print");
TRIGGER_SEC
int connect(struct trace_event_raw_sys_enter *ctx)
{
	struct event event = { ctx->args[1] };
	u64 one = 1;

	if (!triggered(ctx))
		return 0;
	bpf_map_update_elem(&events_hash, &event, &one, BPF_ANY);
	bpf_ringbuf_output(&events_ring, &event, sizeof(event), 0);
	return 0;
}
char LICENSE[] SEC("license") = "GPL";
"""


def renamed(name: str, **names: str) -> str:
    """Return the source of a bundled image with other names in it."""
    text = (build.SOURCES / f"{name}.bpf.c").read_text()
    for ours, theirs in names.items():
        text, times = re.subn(rf"\b{ours}\b", theirs, text)
        assert times
    return text


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """What the registry has, by repository and tag."""
    folder = tmp_path_factory.mktemp("bees")
    store, version = bundled_store(), beepy.__version__
    bundled = {name: store.get(name).programs[0] for name in ("exitsnoop", "tcpconnect", "oomkill")}
    old = renamed("opensnoop", print_opens="events").replace(
        'events SEC(".maps")', 'events SEC(".maps.print")'
    )
    sources = {
        f"capable:{version}": renamed("capable", print_checks="print_events", comm="task"),
        f"opensnoop:{version}": renamed("opensnoop", print_opens="print_events"),
        f"tcpconnlat:{version}": renamed(
            "tcpconnlat", print_latencies="print_events", daddr="daddr_v4"
        ),
        "opensnoop:0.0.7": old,
        "tcpconnect:0.0.7": TWO_MAPS,
    }
    return {
        "oras:ringbuf-demo": bundled["exitsnoop"],
        **{f"solo-io/bumblebee/{name}:{version}": program for name, program in bundled.items()},
        **{
            f"solo-io/bumblebee/{name}": compile_text(folder, text).read_bytes()
            for name, text in sources.items()
        },
    }


@pytest.fixture
def typed(tmp_path: Path, images: Mapping[str, bytes]) -> Callable[[Line], Done]:
    """Type a line as bee's user does: beside a new object, with an image in bee's store."""
    (tmp_path / "bpf-program.o").write_bytes(images["oras:ringbuf-demo"])
    Store(tmp_path / "home" / ".bumblebee" / "store").add_image(
        "my_probe:v1", images["oras:ringbuf-demo"], {}
    )

    def type_it(line: Line) -> Done:
        variables = {
            "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
            "BPF_IMAGE": "my_probe:v1",
            VARIABLE: f"{OURS}",
        }
        script = str(ROOT / "tests" / "registry" / "typed.py")
        ran = in_a_network_of_its_own(
            tmp_path,
            images,
            variables,
            sys.executable,
            script,
            str(tmp_path),
            line.text,
            line.event,
        )
        assert ran.returncode == 0, ran.stderr
        return Done(**json.loads(ran.stdout))

    return type_it


def needs_the_kernel() -> None:
    if why := TIERS["kernel"]():
        pytest.skip(why)


@pytest.mark.parametrize("line", RUNS, ids=lambda line: line.text)
def test_a_run(typed: Callable[[Line], Done], line: Line) -> None:
    """It shows its event, or is attached; it is refused only for lack of kprobes."""
    needs_the_kernel()
    done = typed(line)
    if not line.event and not HAS_KPROBES:
        assert (done.code, done.out) == (1, ""), done.err
        assert "this kernel has no kprobes" in done.err
        return
    assert done.code == 0, done.err
    assert done.said[-1].startswith("beepy: ")
    rows = [json.loads(row) for row in done.out.splitlines()]
    assert rows or not line.event
    assert all(
        re.search(regex, str(row[name])) for row in rows for name, regex in line.rows.items()
    ), rows[:5]
    if line.event == "connect":
        assert {row["map"] for row in rows} == {"events_hash", "events_ring"}


def test_a_list(typed: Callable[[Line], Done]) -> None:
    done = typed(Line(STARTED, "beepy list"))
    assert (done.code, done.err) == (0, "")
    assert any(line.startswith("my_probe:v1 ") for line in done.out.splitlines())


def test_a_map_that_the_documents_name_and_the_image_has_not(typed: Callable[[Line], Done]) -> None:
    """The page of oomkill was copied from that of exitsnoop; bee shows everything, or nothing."""
    line = Line(
        "examples/oomkill/README.md",
        'beepy run -f="exits,tcomm,bash" ghcr.io/solo-io/bumblebee/oomkill:$(beepy version)',
    )
    needs_the_kernel()
    done = typed(line)
    assert (done.code, done.out) == (2, ""), done.err
    assert done.said[0].startswith(
        "beepy: filter 'exits,tcomm,bash': no map or field 'exits': the map is print_kills"
    )
    assert done.said[1:] == ["note: -f print_kills,tcomm,bash"]


def test_an_image_that_the_documents_have_not_written_yet(typed: Callable[[Line], Done]) -> None:
    done = typed(
        Line(HELP, 'beepy run -b="events,[1,2,3,4,5]" ghcr.io/solo-io/bumblebee/TODO:0.0.7')
    )
    assert (done.code, done.out) == (2, "")
    assert done.said[0].startswith(
        "beepy: reference 'ghcr.io/solo-io/bumblebee/TODO:0.0.7': repository: "
    )
