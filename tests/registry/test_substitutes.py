"""What beepy says to type for bee's commands that it lacks, typed into a shell."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy.oci.lookup import bundled_store
from tests.conftest import TIERS
from tests.registry import distribution
from tests.registry.distribution import PASSWORD, SETUPS, USER, Running
from tests.support.command import BEEPY, Beepy, environment

pytestmark = pytest.mark.registry

SOURCE = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8);
    __type(key, __u32);
    __type(value, __u64);
} counter_calls SEC(".maps");

SEC("raw_tp/sys_enter")
int enter(void *ctx)
{
    __u32 key = 0;
    __u64 one = 1;

    bpf_map_update_elem(&counter_calls, &key, &one, 0);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
"""


@pytest.fixture
def beepy(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Beepy:
    """Run in a directory of its own."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return Beepy(home)


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    needs(distribution.PROGRAM)
    (tmp_path / "registry").mkdir()
    with SETUPS[getattr(request, "param", "plain")](tmp_path / "registry") as running:
        yield running


def needs(*programs: str) -> None:
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")


def noted(beepy: Beepy, *arguments: str) -> str:
    """Return the last command that it notes, with beepy as these tests run it."""
    done = beepy(*arguments)
    assert (done.code, done.out) == (2, "")
    return done.said[-1].removeprefix("note: ").replace("&& beepy ", f"&& {' '.join(BEEPY)} ")


def typed(beepy: Beepy, line: str, given: str = "") -> str:
    """Type a line; return what it writes."""
    variables = environment(beepy.home, beepy.variables)
    done = subprocess.run(
        ["sh", "-c", line], check=False, capture_output=True, text=True, env=variables, input=given
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def listed(beepy: Beepy) -> dict[str, str]:
    rows = json.loads(beepy("list", "-o", "json").out)
    return {row["name"]: row["digest"] for row in rows if not row["bundled"]}


def test_tag_then_push(server: Running, beepy: Beepy, tmp_path: Path) -> None:
    needs("skopeo")
    digest = bundled_store().get("exitsnoop").digest
    first, second = (f"{server.host}/tools/exitsnoop:{tag}" for tag in (1, 2))
    assert beepy("tag", "exitsnoop", first).out == f"{first} {digest}\n"
    assert beepy("tag", first, second).out == f"{second} {digest}\n"
    assert listed(beepy) == {first: digest, second: digest}
    assert beepy("push", second).code == 0
    assert beepy("--storage", str(tmp_path / "other"), "pull", second) == (
        0,
        f"{second} {digest}\n",
        "",
    )


@pytest.mark.parametrize("server", ["htpasswd"], indirect=True)
@pytest.mark.parametrize("client", ["docker", "skopeo"])
def test_a_login_of_another_program(server: Running, beepy: Beepy, client: str) -> None:
    needs(client)
    line = f"{client} login {server.host}"
    flag = "--tls-verify=false " if client == "skopeo" else ""
    image = f"{server.host}/tools/none:1"
    beepy = beepy._replace(variables={"XDG_RUNTIME_DIR": str(beepy.home)})
    assert beepy("pull", image).said[0].endswith("authentication required")
    typed(beepy, f"{line} {flag}--username {USER} --password-stdin", PASSWORD)
    missing = (
        f"{image}: manifest: {server.host} does not have it (MANIFEST_UNKNOWN: manifest unknown)"
    )
    assert beepy("pull", image).said[0] == f"beepy: {missing}"


def test_package_then_run(beepy: Beepy) -> None:
    needs("skopeo")
    line = noted(beepy, "package", "exitsnoop", "image:1")
    typed(beepy, line.partition(" && ")[0])
    assert (
        f'"{bundled_store().get("exitsnoop").digest}"'
        in beepy("describe", "./image.tar", "-o", "json").out
    )


def test_build_then_run(beepy: Beepy) -> None:
    needs("clang")
    if why := TIERS["kernel"]():
        pytest.skip(why)
    Path("calls.bpf.c").write_text(SOURCE)
    line = noted(beepy, "build", "calls.bpf.c")
    assert '{"map": "counter_calls", ' in typed(beepy, f"{line} --count 1 --no-metrics -o json")


def test_build_then_push(server: Running, beepy: Beepy) -> None:
    needs("clang", "oras")
    Path("calls.bpf.c").write_text(SOURCE)
    image = f"{server.host}/tools/calls:1"
    typed(
        beepy,
        noted(beepy, "build", "calls.bpf.c", image).replace("oras push", "oras push --plain-http"),
    )
    assert '"counter_calls"' in beepy("describe", image, "-o", "json").out


def test_init_then_build(beepy: Beepy) -> None:
    needs("bpftool", "clang")
    if not Path("/sys/kernel/btf/vmlinux").exists():
        pytest.skip("this kernel has no types")
    typed(beepy, noted(beepy, "init"))
    Path("one.bpf.c").write_text('#include "vmlinux.h"\n' + SOURCE.partition("linux/bpf.h>")[2])
    typed(beepy, noted(beepy, "build", "one.bpf.c").partition(" && ")[0])
