"""Errors of ``beepy run``: one line, the exit code, notes; no traceback without --debug."""

import json
import os
import re
import socket
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from bpf import build
from tests.kernel.conftest import ObjectOf
from tests.support import ordinary
from tests.support.command import Beepy, Done

pytestmark = pytest.mark.kernel


def refused(done: Done, code: int) -> str:
    """Return the error without 'beepy: '; check the exit code and the notes."""
    assert (done.code, done.out) == (code, "")
    first, *notes = [line for line in done.said if not line.startswith(("info: ", "debug: "))]
    assert first.startswith("beepy: ")
    assert first.isprintable()
    assert all(note.startswith(("note: ", "  ")) for note in notes)
    assert "attached to" not in done.err
    return first.removeprefix("beepy: ")


@pytest.mark.parametrize(
    "arguments", [["-f", "x"], ["-f", "a,b,("], ["-b", "x"], ["-k", "x,"]], ids=" ".join
)
def test_expressions_are_checked_before_loading(beepy: Beepy, arguments: list[str]) -> None:
    done = beepy("-d", "run", "exitsnoop", *arguments)
    assert done.code == 2
    assert "_LOAD" not in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["-f", "print_exits,comm"],
            "filter 'print_exits,comm': 'print_exits' is a map: expected map,field,regex",
        ),
        (
            ["-f", "nothing,comm,x"],
            "filter 'nothing,comm,x': no map or field 'nothing': the map is print_exits",
        ),
        (
            ["-f", "print_exits,name,x"],
            "filter 'print_exits,name,x': no field 'name' in print_exits: its fields are",
        ),
        (["-f", "print_exits,comm,("], "filter 'print_exits,comm,(': regex '(': missing ): ("),
        (
            ["-f", "print_exits,comm,a", "-f", "x\x1b,a,b"],
            r"filter 'x\x1b,a,b': no map or field 'x\x1b': the map is print_exits",
        ),
        (
            ["--timeout", "soon"],
            "--timeout 'soon': expected a duration above 0, such as 10s, 500ms or 2m",
        ),
        (["--timeout", "0s"], "--timeout '0s': expected a duration above 0"),
        (["--interval", "-1s"], "--interval '-1s': expected a duration above 0"),
        (["--count", "0"], "--count '0': expected a whole number from 1 on"),
        (["--pid", "4294967297"], "--pid '4294967297': expected a whole number from 1 to 4194304"),
        (["--count", "many"], "--count 'many': expected a whole number from 1 on"),
        (["--prom-port", "65536"], "--prom-port '65536': expected a whole number from 0 to 65535"),
        (["-o", "xml"], "output 'xml': unknown: expected json, csv, columns, "),
        (["--last", "64M"], "--last: expected --record FILE too"),
        (["--record", "x.rec", "--last", "1K"], "--last '1K': expected a size from 64K on"),
        (["--rotate", "1h"], "--rotate: expected -o FILE too"),
        (
            ["--pull", "sometimes"],
            "invalid value for '--pull': 'sometimes' is not one of 'always', 'missing', 'never'",
        ),
        (["--nothing"], "no such option: --nothing"),
        (
            ["-b", "print_exits,[1]"],
            "--hist-buckets 'print_exits,[1]': map 'print_exits' is not a histogram of a stream",
        ),
        (
            ["-b", "nothing,[1]"],
            "--hist-buckets 'nothing,[1]': no map 'nothing': the map is print_exits",
        ),
        (
            ["-k", "nothing,le"],
            "--hist-value-key 'nothing,le': no map 'nothing': the map is print_exits",
        ),
        (
            ["-k", "print_exits"],
            "--hist-value-key 'print_exits': no map is a histogram or gauge of a stream of events",
        ),
        (["-k", "a,b,c"], "--hist-value-key 'a,b,c': expected map,field or field"),
        (
            ["-b", "print_exits,1"],
            "--hist-buckets 'print_exits,1': expected map,[1,2,3] or [1,2,3]",
        ),
        (["--set", "a=1", "--set", "a=2"], "--set 'a=2': a second value for 'a'"),
        (
            ["--attach", "p=a/b", "--attach", "p=c/d"],
            "--attach 'p=c/d': a second target for program 'p'",
        ),
        (
            ["--attach", "sched_process_exit=bar"],
            "program 'sched_process_exit': tracepoint 'bar': expected CATEGORY/NAME",
        ),
        (["--netns", ""], "--netns: expected a value, got an empty one"),
        (["--pin-maps="], "--pin-maps: expected a value, got an empty one"),
    ],
)
def test_usage_errors(beepy: Beepy, arguments: list[str], message: str) -> None:
    assert refused(beepy("-v", "run", "exitsnoop", *arguments), 2).startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["-k", "hist_lat,us", "-b", "hist_lat,[2,1]"],
            "--hist-buckets 'hist_lat,[2,1]': bounds must increase",
        ),
        (
            ["-k", "hist_lat,us", "-b", "hist_lat,[]"],
            "--hist-buckets 'hist_lat,[]': expected numbers",
        ),
        (
            ["-k", "hist_lat,us", "-b", "hist_lat,[a]"],
            "--hist-buckets 'hist_lat,[a]': expected numbers",
        ),
        (
            ["-k", "hist_lat,size"],
            "--hist-value-key 'hist_lat,size': no field 'size' in hist_lat: its fields are us,",
        ),
        (
            ["-k", "size"],
            "--hist-value-key 'size': no field 'size' in hist_lat: its fields are us, kind",
        ),
        (["-b", "[1]", "-b", "lat,[2]"], "--hist-buckets 'lat,[2]': map 'hist_lat' is named twice"),
        (
            ["-k", "us", "-k", "lat,kind"],
            "--hist-value-key 'lat,kind': map 'hist_lat' is named twice",
        ),
    ],
)
def test_usage_errors_of_histograms(
    beepy: Beepy, object_of: ObjectOf, arguments: list[str], message: str
) -> None:
    done = beepy("-v", "run", object_of("hist"), "--prom-port", "0", *arguments)
    assert refused(done, 2).startswith(message)


@pytest.mark.parametrize("arguments", [[], ["--prom-port", "9091"]])
def test_a_port_in_use(beepy: Beepy, arguments: list[str]) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # another process has it
            taken.bind(("127.0.0.1", 9091))
            taken.listen()
        done = beepy("-v", "run", "exitsnoop-counter", *arguments)
    assert refused(done, 1) == "prometheus: 127.0.0.1:9091: address in use"
    assert done.said[-1] == "note: --prom-port chooses another port, --no-metrics serves none"


def test_an_address_of_another_machine(beepy: Beepy) -> None:
    done = beepy("run", "exitsnoop-counter", "--prom-host", "192.0.2.1", "--prom-port", "0")
    assert refused(done, 1).startswith("prometheus: 192.0.2.1:0: cannot assign requested address")


def test_a_missing_image_that_may_not_be_pulled(beepy: Beepy) -> None:
    image = "127.0.0.1:1/some/image:1"
    message = f"{image}: not found locally, and no registry may be asked (--pull never)"
    assert refused(beepy("run", image, "--pull", "never"), 1) == message


@pytest.mark.parametrize(
    ("image", "code", "message"),
    [
        ("./nothing.o", 1, "./nothing.o: no such file"),
        ("/etc/passwd", 1, "/etc/passwd: neither an ELF object nor an OCI archive"),
        ("Not A Reference", 2, "reference 'Not A Reference': repository: "),
        ("/bin/sh", 1, "/bin/sh: "),
    ],
)
def test_files_that_are_not_images(beepy: Beepy, image: str, code: int, message: str) -> None:
    assert refused(beepy("run", image), code).startswith(message)


PROGRAM = """
#include "include/core.h"
SEC("%s") int program(void *ctx) { return 0; }
char LICENSE[] SEC("license") = "GPL";
"""


def test_an_unknown_section(beepy: Beepy, compiled: ObjectOf) -> None:
    path = compiled(PROGRAM % "nobody/knows")
    why = "no program type is known by that name"
    assert (
        refused(beepy("run", path), 1)
        == f"{path}: program 'program': section 'nobody/knows': {why}"
    )


LEGACY = 'a legacy definition has no types: define it in SEC(".maps") with __type(value, ...)'
NOT_SHOWN = """
#include "include/core.h"
struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, int);
	__type(value, int);
} print_fds SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 4);
	__type(value, u64);
} print_queue SEC(".maps");
struct {
	unsigned int type, key_size, value_size, max_entries, map_flags;
} print_legacy SEC("maps") = { BPF_MAP_TYPE_HASH, 4, 8, 16, 0 };
SEC("raw_tp/sched_process_exit") int program(void *ctx) { return 0; }
char LICENSE[] SEC("license") = "GPL";
"""


def test_each_map_that_is_not_shown_has_a_reason(beepy: Beepy, compiled: ObjectOf) -> None:
    path = compiled(NOT_SHOWN)
    descriptors = "the type of its records is unknown (its own values are file descriptors)"
    whys = [
        f"map 'print_fds': not shown: {descriptors}: declare it with __type(value, struct event)",
        "map 'print_queue': not shown: nothing reads QUEUE yet",
        f"map 'print_legacy': not shown: {LEGACY}",
    ]
    done = beepy("run", path, "--timeout", "100ms")
    assert (done.code, done.out) == (0, "")
    assert done.said[:3] == [f"warning: {why}" for why in whys]
    assert done.said[4].startswith(
        "warning: nothing will be shown, the programs only stay attached: its maps: "
    )
    asked = beepy("describe", path, "-o", "json")
    described = json.loads(asked.out)["maps"]
    assert [f"map '{info['name']}': not shown: {info['not_shown']}" for info in described] == whys
    assert asked.err == ""  # not repeated as a warning


def test_a_tracepoint_that_this_kernel_lacks(beepy: Beepy, compiled: ObjectOf) -> None:
    done = beepy("run", compiled(PROGRAM % "tracepoint/sched/sched_process_exi"))
    where = "program 'program': tracepoint sched/sched_process_exi"
    assert refused(done, 1) == f"{where}: not found in this kernel"
    assert "sched/sched_process_exit" in done.said[1]


def test_the_first_image_is_detached_if_the_second_fails(
    beepy: Beepy, object_of: ObjectOf, compiled: ObjectOf
) -> None:
    done = beepy("-v", "run", object_of("tables"), compiled(PROGRAM % "tracepoint/a/b"))
    assert done.code == 1
    assert "tracepoint a/b: not found in this kernel" in done.err


@pytest.mark.parametrize("name", [name for name in build.sources() if name.startswith("err_")])
def test_a_program_that_the_verifier_rejects(beepy: Beepy, object_of: ObjectOf, name: str) -> None:
    done = beepy("run", object_of(name))
    line = refused(done, 1)
    lines = (build.SOURCES / "test" / f"{name}.bpf.c").read_text().splitlines()
    number = next(number for number, text in enumerate(lines, 1) if "refused here" in text)
    assert re.match(
        rf"program '{name}': verifier: instruction \d+: {name}\.bpf\.c:{number}: '.*': \S", line
    )
    assert len(line) < 600
    assert done.said[1] == "note: the verifier's last lines:"
    assert 1 <= len(done.said) - 2 <= 12


def test_debug_prints_the_whole_log_and_a_traceback(beepy: Beepy, object_of: ObjectOf) -> None:
    done = beepy("run", object_of("err_loop"), "--debug")
    assert done.code == 1
    assert len(done.said) > 1000
    assert sum(line.startswith("processed ") for line in done.said) == 1
    assert "Traceback (most recent call last):" in done.said
    assert any(
        line.startswith("debug: PROG_LOAD: program 'err_loop': load = -1 ") for line in done.said
    )
    assert all(line.isprintable() for line in done.said)


def as_nobody(beepy: Beepy, *capabilities: str) -> Beepy:
    """Return the command as an unprivileged user whose HOME is another user's."""
    beepy.home.parent.chmod(0o700)
    return beepy._replace(prefix=ordinary.prefix(capabilities))


@pytest.mark.parametrize(
    ("capabilities", "what", "missing"),
    [
        ((), "bpf: ", ("CAP_BPF", "CAP_PERFMON")),
        (("bpf",), "program 'sched_process_exit': load: ", ("CAP_PERFMON",)),
    ],
)
def test_without_privilege(
    beepy: Beepy, capabilities: tuple[str, ...], what: str, missing: tuple[str, ...]
) -> None:
    done = as_nobody(beepy, *capabilities)("run", "exitsnoop")
    line = refused(done, 1)
    assert line.startswith(what)
    assert "operation not permitted (EPERM)" in line
    assert all(name in done.err for name in missing)
    assert len(done.said) <= 3


def test_nothing_is_pulled_without_privilege_to_load(beepy: Beepy) -> None:
    done = as_nobody(beepy)("run", "127.0.0.1:1/tools/x:1", "-f", "a,b,c d")
    assert refused(done, 1).startswith(
        "bpf: operation not permitted (EPERM): needs CAP_BPF, this process lacks"
    )
    *_, as_root, named = done.said
    command = f"{sys.executable} -m beepy run 127.0.0.1:1/tools/x:1 -f 'a,b,c d'"
    assert as_root == f"note: run it as root: sudo {command}"
    assert named.endswith(": beepy describe 127.0.0.1:1/tools/x:1")


def test_two_capabilities_suffice_without_tracefs(beepy: Beepy, object_of: ObjectOf) -> None:
    path = Path(object_of("tp_btf"))
    done = as_nobody(beepy, "bpf", "perfmon", "dac_read_search")(
        "run", str(path), "-o", "none", "--timeout", "1ms"
    )
    assert done.code == 0


def test_describe_needs_no_privilege(beepy: Beepy) -> None:
    for command in (["describe", "exitsnoop"], ["list"], ["version"]):
        done = as_nobody(beepy)(*command)
        assert (done.code, done.err) == (0, "")
    assert os.geteuid() == 0


@pytest.mark.parametrize("option", ["--read-only", "--policy"])
def test_what_can_change_more_than_its_maps_is_refused_before_loading(
    beepy: Beepy, tmp_path: Path, option: str
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("read-only = true\n")
    asked = [option] if option == "--read-only" else [option, str(policy)]
    done = beepy("-d", "run", "exitsnoop", "xdpcount", "--iface", "lo", *asked)
    where = option if option == "--read-only" else f"{policy}: read-only"
    assert (done.code, done.out) == (1, "")
    assert f"beepy: xdpcount: {where}: program 'count' can change packets" in done.said
    assert not re.search("PROG_LOAD|MAP_CREATE", done.err)
    assert beepy("run", "exitsnoop", *asked, "-o", "none", "--timeout", "0.1").code == 0
