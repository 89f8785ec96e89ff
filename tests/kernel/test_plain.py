"""Objects in which no map has a role: what is shown of them, and what ``--type`` changes."""

import json
import subprocess
import sys
from typing import Any, Final

import pytest

import beepy as api
from beepy.errors import UsageError
from beepy.launch import launch
from beepy.request import RunRequest
from tests.kernel.conftest import ObjectOf
from tests.support.command import ROOT, Beepy, Done

pytestmark = pytest.mark.kernel

HEADER: Final = """
#include "include/core.h"
struct event { u32 pid; u32 number; char comm[16]; };
char LICENSE[] SEC("license") = "GPL";
"""
RING: Final = """
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} events SEC(".maps");
"""
# as libbpf-bootstrap's examples do, of which some keep the type by a variable
RESERVED: Final = (
    HEADER
    + RING
    + """
%s
SEC("raw_tp/sched_process_exec") int send(void *ctx)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event)
		return 0;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->number = 7;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	bpf_ringbuf_submit(event, 0);
	return 0;
}
"""
)
NAMED: Final = RESERVED % "const struct event *unused __attribute__((unused));"
UNNAMED: Final = RESERVED % ""
TABLES: Final = (
    HEADER
    + """
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, u32);
	__type(value, u64);
} start SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 64);
	__type(key, u32);
	__type(value, struct event);
} last SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, u64);
} counts SEC(".maps");
u64 total;
u64 unused_total;
SEC("raw_tp/sched_process_exec") int count(void *ctx)
{
	u32 key = 1;
	u64 now = 5, *value;
	struct event event = { .pid = 3, .number = 9, .comm = "plain" };

	bpf_map_update_elem(&start, &key, &now, BPF_ANY);
	key = 2;
	bpf_map_update_elem(&start, &key, &now, BPF_ANY);
	bpf_map_delete_elem(&start, &key);
	bpf_map_update_elem(&last, &key, &event, BPF_ANY);
	key = 1;
	value = bpf_map_lookup_elem(&counts, &key);
	if (value)
		*value = 11;
	__sync_fetch_and_add(&total, 1);
	return 0;
}
"""
)


def shown(done: Done) -> list[dict[str, Any]]:
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def ran(beepy: Beepy, path: str, *options: str) -> tuple[Done, int]:
    """Run an object while a process is executed; return its pid, too."""
    with beepy.start("-v", "run", path, "-o", "json", *options) as running:
        running.until_attached()
        with subprocess.Popen(["/bin/true"]) as child:
            pass
        return running.end(), child.pid


@pytest.mark.usefixtures("same_pids")
def test_a_type_that_the_object_names(beepy: Beepy, compiled: ObjectOf) -> None:
    done, pid = ran(beepy, compiled(NAMED))
    (row,) = [row for row in shown(done) if row["pid"] == pid]
    assert (row["map"], row["number"], row["comm"]) == ("events", 7, "true")
    guess = "which is a guess (variable 'unused' points to it)"
    advice = "--type 'events=struct NAME' overrules it"
    assert f"warning: map 'events': shown as struct event, {guess}: {advice}" in done.said


@pytest.mark.usefixtures("same_pids")
def test_records_of_an_unknown_type(beepy: Beepy, compiled: ObjectOf) -> None:
    done, pid = ran(beepy, compiled(UNNAMED))
    raw = [bytes.fromhex(row["data"]) for row in shown(done) if row["size"] == 24]
    assert len(raw) == len(shown(done))
    (record,) = [record for record in raw if record[:4] == pid.to_bytes(4, "little")]
    assert record[4:] == b"\x07\0\0\0" + b"true".ljust(16, b"\0")
    assert "warning: map 'events': shown as hex: the object has no type of 24 bytes" in done.said


def test_a_given_type(beepy: Beepy, compiled: ObjectOf) -> None:
    done, _ = ran(beepy, compiled(NAMED), "--type", "events=u32")
    assert all(list(row) == ["map", "time", "value"] for row in shown(done))
    assert "guess" not in done.err
    done, _ = ran(beepy, compiled(NAMED), "--type", "events=hex")
    assert {row["size"] for row in shown(done)} == {24}


def test_an_unknown_type_or_map(beepy: Beepy, compiled: ObjectOf) -> None:
    path = compiled(NAMED)
    for command in ("run", "describe"):
        done = beepy(command, path, "--type", "events=struct evnt")
        assert (done.code, done.out) == (2, "")
        assert done.said == [
            "beepy: --type 'events=struct evnt': the object has no such type",
            "note: did you mean struct event?",
        ]
        done = beepy(command, path, "--type", "event=struct event")
        assert done.code == 2
        assert done.said[1] == "note: did you mean events?"
    with pytest.raises(UsageError, match="types 'events=struct evnt': the object has no such"):
        api.describe(path, types={"events": "struct evnt"})


def test_tables_and_variables(beepy: Beepy, compiled: ObjectOf) -> None:
    done, _ = ran(beepy, compiled(TABLES), "--interval", "1h")
    rows = shown(done)
    event = {"pid": 3, "number": 9, "comm": "plain"}
    assert [row for row in rows if row["map"] == "last"] == [
        {"map": "last", "time": rows[0]["time"], "key": 2, "value": event}
    ]
    counts = {row["key"]: row["value"] for row in rows if row["map"] == "counts"}
    assert counts[0] == 0
    assert counts[1] in {11, 22}  # of one CPU, or of both
    (total,) = [row["value"] for row in rows if row["map"] == ".bss"]
    assert list(total) == ["total"]
    assert total["total"] >= 1
    assert "start" not in {row["map"] for row in rows}
    said = [line for line in done.said if line.startswith("warning")]
    assert said == ["warning: tables not shown: start: --type start=u64 shows one"]


def test_a_table_that_is_asked_for(beepy: Beepy, compiled: ObjectOf) -> None:
    done, _ = ran(beepy, compiled(TABLES), "--interval", "1h", "--type", "start=u64")
    rows = [(row["key"], row["value"]) for row in shown(done) if row["map"] == "start"]
    assert rows == [(1, 5)]
    assert "warning" not in done.err


def test_columns(beepy: Beepy, compiled: ObjectOf) -> None:
    done, _ = ran(beepy, compiled(UNNAMED), "-o", "columns")
    assert done.code == 0
    assert done.out.split()[:3] == ["time", "size", "data"]


def test_sizes_of_maps(compiled: ObjectOf) -> None:
    path = compiled(TABLES)
    run, (loaded,), *_ = launch(RunRequest([path], map_sizes={"last": "1K", "start": 7}))
    with run:
        (collection,) = loaded.collections
        sizes = {name: map_.max_entries for name, map_ in collection.maps.items()}
    assert (sizes["last"], sizes["start"], sizes["counts"]) == (1024, 7, 2)
    run, (loaded,), *_ = launch(RunRequest([compiled(NAMED)], map_sizes={"events": "1M"}))
    with run:
        assert loaded.collections[0].maps["events"].max_entries == 1 << 20


def test_what_describe_says(beepy: Beepy, compiled: ObjectOf) -> None:
    path = compiled(NAMED)
    text = beepy("describe", path).out
    assert "convention    automatic: no map has bee's prefix\n" in text
    assert "record type  struct event (guess: variable 'unused' points to it)" in text
    facts = json.loads(beepy("describe", path, "-o", "json").out)
    assert facts["convention"] == "automatic: no map has bee's prefix"
    (info,) = facts["maps"]
    assert info["record_type"] == "struct event"
    assert info["type_reason"] == "guess: variable 'unused' points to it"
    given = json.loads(beepy("describe", path, "-o", "json", "--type", "events=hex").out)
    assert (given["maps"][0]["record_type"], given["maps"][0]["type_reason"]) == ("hex", None)
    hidden = json.loads(beepy("describe", compiled(TABLES), "-o", "json").out)["maps"]
    reasons = {info["name"]: info["not_shown"] for info in hidden}
    assert reasons["start"] == "programs delete its entries: it is likely their working state"


def test_an_image_of_bee_imports_no_flow() -> None:
    script = "import sys, beepy; beepy.open('exitsnoop').close(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT
    )
    modules = set(done.stdout.split())
    assert "beepy.conventions.bee" in modules
    assert not {name for name in modules if name.startswith(("beepy.flow", "beepy.events.raw"))}
    assert "beepy.obj.map_sizes" not in modules
    assert not modules & {f"beepy.conventions.{name}" for name in ("auto", "choices", "notices")}
