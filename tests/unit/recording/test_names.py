"""What a recording says of users, processes and containers, where nothing else knows of them."""

import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from beepy import outputs
from beepy.btf.writer import BtfWriter
from beepy.errors import RecordingError
from beepy.events.arrangement import Arrangement
from beepy.events.batch import Batch, Machine, Place, Schema, Subject
from beepy.events.decoder import Decoder
from beepy.obj.presentation import ColumnHint, Presentation
from beepy.recording import items
from beepy.recording.blocks import Item
from beepy.recording.items import Kind
from beepy.recording.names import NamesWriter, RecordedNames
from beepy.recording.playback import Playback
from beepy.recording.recorder import Recorder
from beepy.session import Run
from tests.support.events import ring, stream
from tests.support.gadget_types import Vocabulary

PLACES: dict[int, Place] = {}
ASKED: list[Subject] = []


def place(subject: Subject) -> Place:
    ASKED.append(subject)
    return PLACES.get(subject.pid, Place())


MACHINE = Machine(
    user=lambda number: {0: "root", 7: "ünal"}.get(number, ""),
    exe=lambda subject: f"/bin/{subject.pid}",
    argv=lambda subject: f"secret {subject.pid}",
    place=place,
)


def schema() -> Schema:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    members = [("pid", u32, 0), ("uid", u32, 32)]
    return stream(w, w.struct("event", 8, members))._replace(machine=MACHINE)


EVENTS = schema()


def batch(*pairs: tuple[int, int]) -> Batch:
    return ring(EVENTS, [struct.pack("<II", *pair) for pair in pairs])


@pytest.fixture(autouse=True)
def forget() -> None:
    PLACES.clear()
    ASKED.clear()


def shown(source: Playback, output: str, path: Path, *fields: str) -> list[str]:
    fd = os.open(path / "out", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    with Run(source, arrangement=Arrangement(fields)) as run:
        run.add_sink(outputs.make(output, fd))
        for _ in run:
            pass
    os.close(fd)
    return (path / "out").read_text().splitlines()


def record(path: Path, *batches: Batch, fields: tuple[str, ...] = ()) -> None:
    recorder = Recorder(str(path), {})
    decoders = [Decoder(batches[0].schema)]
    Arrangement(fields).apply(decoders)
    recorder.open(decoders)
    for one in batches:
        recorder.write(one)
    recorder.close()


def test_a_replay_shows_the_texts_of_the_machine_that_recorded(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    PLACES[1] = Place("/docker/x", "web", "cart-0", "shop", "x.scope")
    record(path, batch((1, 0), (2, 7)), batch((1, 99)))
    columns = shown(Playback(str(path)), "columns", tmp_path, "+container,+unit")
    assert [line.split()[1:] for line in columns] == [
        ["pid", "uid", "container", "unit"],
        ["1", "root", "web", "x.scope"],
        ["2", "ünal"],
        ["1", "99", "web", "x.scope"],
    ]
    lines = shown(Playback(str(path)), "json", tmp_path, "pid,namespace,exe")
    assert [list(json.loads(line).values())[2:] for line in lines] == [
        [1, "shop", None],
        [2, None, None],
        [1, "shop", None],
    ]


def test_programs_and_arguments_are_recorded_only_if_the_run_shows_them(tmp_path: Path) -> None:
    record(tmp_path / "no.rec", batch((1, 0)))
    record(tmp_path / "yes.rec", batch((1, 0)), fields=("+argv",))
    for name, argv in (("no", None), ("yes", "secret 1")):
        (line,) = shown(Playback(str(tmp_path / f"{name}.rec")), "json", tmp_path, "argv,exe")
        assert json.loads(line)["argv"] == argv
        assert json.loads(line)["exe"] is None


def test_a_process_may_change_its_place(tmp_path: Path) -> None:
    seconds = 5.0
    names = NamesWriter([Decoder(EVENTS)], lambda: seconds)
    read = RecordedNames()

    def container_after(*pairs: tuple[int, int]) -> str:
        for raw in names.items(batch(*pairs)):
            read.read(Item(Kind.NAMES, raw[5:]), "x")
        return read.machine.place(Subject(1, 0, 0)).container

    PLACES[1] = Place(container="web")
    assert container_after((1, 0)) == "web"
    PLACES[1] = Place(container="db")
    assert container_after((1, 0)) == "web"  # not asked again so soon
    seconds += 1
    assert container_after((1, 0), (2, 0)) == "db"
    assert names.items(batch((1, 0))) == []
    seconds += 1
    PLACES.clear()
    assert container_after((1, 0)) == ""
    PLACES[1] = Place(container="web")
    seconds += 1
    container_after((1, 0))
    anew = RecordedNames()
    for raw in names.all():
        anew.read(Item(Kind.NAMES, raw[5:]), "x")
    assert anew.machine.place(Subject(1, 0, 0)).container == "web"
    assert anew.machine.user(0) == "root"
    assert tmp_path.exists()


def test_each_process_is_asked_about_once_in_a_batch() -> None:
    names = NamesWriter([Decoder(EVENTS)])
    names.items(batch(*[(1 + number % 2, 0) for number in range(100)]))
    assert sorted(subject.pid for subject in ASKED) == [1, 2]


def test_many_names_are_many_items() -> None:
    read = RecordedNames()
    names = NamesWriter([Decoder(EVENTS)])
    machine = MACHINE._replace(user=lambda number: f"u{number}" + 1000 * "\U0010ffff")
    many = ring(EVENTS._replace(machine=machine), [struct.pack("<II", 1, n) for n in range(1000)])
    names._sources[many.schema] = names._sources[EVENTS]
    made = names.items(many)
    assert 10 < len(made) < 20
    assert max(map(len, made)) < items._MAX_TEXT
    for raw in made:
        read.read(Item(Kind.NAMES, raw[5:]), "x")
    assert [read.machine.user(number)[:5] for number in (0, 999, 1000)] == [
        "u0" + 3 * "\U0010ffff",
        "u999\U0010ffff",
        "",
    ]


def test_names_are_bounded(tmp_path: Path) -> None:
    """When there are too many they are given anew, so that a replay forgets none in use."""
    path = tmp_path / "x.rec"
    names = [f"{number}-" + 20_000 * "x" for number in range(1000)]
    machine = MACHINE._replace(user=lambda number: names[number % 1000])
    known = EVENTS._replace(machine=machine)
    record(path, *[ring(known, [struct.pack("<II", 1, n % 1000)]) for n in (*range(1000), 5)])
    with Playback(str(path)) as playback:
        texts = [
            playback.schemas[0].machine.user(Decoder(b.schema).values(b, [user])[0][0])  # type: ignore[arg-type]
            for b in playback
            if (user := Decoder(b.schema).fields[1])
        ]
        kept = playback._names._known["user"]
    assert texts == [*names, names[5]]
    assert sum(map(len, kept.values())) <= 16 << 20  # of 20 MB


@pytest.mark.parametrize(
    "value",
    [
        {"user": [["0", "root"]]},
        {"user": [[0, 7]]},
        {"user": [[0]]},
        {"user": 7},
        {"place": [[1, ["a"]]]},
        {"place": [[[1, "2"], []]]},
        {"place": [[[1, 2, 3], []]]},
        {"place": [[[1, 2], ["a", "b", "c", "d", "e", "f"]]]},
        {"exe": [["a", "b"]]},
        {"user_symbols": [[3, "main"]]},
    ],
)
def test_malformed_names_are_refused(value: object) -> None:
    raw = json.dumps(value).encode()
    with pytest.raises(RecordingError, match="x: malformed names"):
        RecordedNames().read(Item(Kind.NAMES, raw), "x")


@pytest.mark.timeout(60)
def test_forgetting_names_takes_no_longer_the_more_were_forgotten() -> None:
    """A file of 8 MB has 16 million: it took minutes to find the oldest of them each time."""
    names = RecordedNames()
    for start in range(0, 200_000, 20_000):
        pairs = [[number, "x"] for number in range(start, start + 20_000)]
        names.read(Item(Kind.NAMES, json.dumps({"user": pairs}).encode()), "x")
    assert names.machine.user(199_999) == "x"
    assert names.machine.user(0) == ""


def test_functions_of_a_later_version_are_skipped() -> None:
    names = RecordedNames()
    names.read(Item(Kind.NAMES, b'{"planet": [[1, "Mars"]], "user": [[1, "me"]]}'), "x")
    assert names.machine.user(1) == "me"


def test_a_vocabulary_and_its_look_come_back(tmp_path: Path) -> None:
    types = Vocabulary()
    w = types.writer
    uid = w.typedef("gadget_uid", types.u32)
    record_type = w.struct("event", 8, [("pid", types.u32, 0), ("uid", uid, 32)])
    look = Presentation(
        columns={"pid": ColumnHint(heading="PROCESS", right=False, min_width=9)},
        limit=3,
        sort="pid",
        not_in_json=frozenset(["uid"]),
        targets={"uid": "user"},
    )
    gadget = stream(w, record_type)._replace(
        machine=MACHINE, vocabulary="gadget", presentation=look
    )
    path = tmp_path / "x.rec"
    record(path, ring(gadget, [struct.pack("<II", 5, 0), struct.pack("<II", 6, 8)]))
    (line, other) = shown(Playback(str(path)), "json", tmp_path)
    assert list(json.loads(line).items())[2:] == [("pid", 5), ("user", "root")]
    assert json.loads(other)["user"] == "uid:8"
    assert "PROCESS" in shown(Playback(str(path)), "columns", tmp_path)[0]
    with Playback(str(path)) as playback:
        (back,) = playback.schemas
        presentation = back.presentation
    assert presentation
    assert (presentation.columns, presentation.limit, presentation.targets) == (
        look.columns,
        3,
        {"uid": "user"},
    )


def test_functions_of_a_gadgets_stacks_come_back(tmp_path: Path) -> None:
    """They are asked for by process and number, also if the number is an errno."""
    types = Vocabulary()
    s32 = types.writer.integer("int", 4, 1)
    members = [("tgid_level0", types.u32, 0), ("inode", types.u64, 64), ("stack_id", s32, 128)]
    stack = types.writer.struct("gadget_user_stack", 24, members)
    machine = Machine(
        user_stack=lambda number: {3: "0x10"}.get(number, ""),
        user_symbols=lambda pid, number: {(9, 3): "main+0x2"}.get((pid, number), ""),
    )
    schema = stream(types.writer, types.writer.struct("event", 24, [("ustack", stack, 0)]))
    schema = schema._replace(machine=machine, vocabulary="gadget")
    pairs = [(9, 3), (8, 3), (9, -14), (0, 0)]
    records = [struct.pack("<I4xQi4x", pid, 1, number) for pid, number in pairs]
    path = tmp_path / "x.rec"
    record(path, ring(schema, records))
    lines = shown(Playback(str(path)), "json", tmp_path)
    stacks = [json.loads(line)["ustack"] for line in lines]
    assert [found["symbols"] for found in stacks] == ["main+0x2", "", "", ""]
    assert [found["addresses"] for found in stacks] == ["0x10", "0x10", "", ""]


@pytest.mark.parametrize(
    "damage",
    [{"columns": 3}, {"limit": "x"}, {"columns": {"a": 3}}, {"columns": {"a": []}}, {"targets": 1}],
)
def test_a_malformed_look_is_refused(damage: dict[str, Any]) -> None:
    look = Presentation(columns={"pid": ColumnHint()})
    raw = items.schema_item(0, EVENTS._replace(presentation=look), 0, None)
    value = json.loads(raw[5:])
    value["fields"]["presentation"] |= damage
    item = Item(Kind.SCHEMA, json.dumps(value).encode())
    with pytest.raises(RecordingError, match="malformed schema"):
        items.read_schema(item, {0: EVENTS.btf}, EVENTS.clock, "x")


def test_stacks_whose_part_their_names_do_not_say(tmp_path: Path) -> None:
    """Ids of a map, and addresses of the kernel before those of the process."""
    kernel = 0xFFFF_FFFF_8000_0000
    machine = Machine(
        kernel_stack=lambda number: {7: "do_read; entry"}.get(number, ""),
        kernel_function=lambda address: {kernel: "do_exit"}.get(address, ""),
        user_function=lambda frame: {(5, 16): "main"}.get(frame, ""),
    )
    w = BtfWriter()
    u32, trace = w.integer("u32", 4, 0), w.array(w.integer("u64", 8, 0), 3)
    for name, kind, raw in (
        ("stack_id", u32, struct.pack("<II", 5, 7)),
        ("stack", trace, struct.pack("<I4x3Q", 5, kernel, 16, 0)),
    ):
        size = len(raw)
        at = 32 if kind == u32 else 64
        types = w.struct(f"{name}_event", size, [("pid", u32, 0), (name, kind, at)])
        schema = stream(w, types)._replace(machine=machine)
        path = tmp_path / f"{name}.rec"
        record(path, ring(schema, [raw]))
        (line,) = shown(Playback(str(path)), "folded", tmp_path)
        assert line == {"stack_id": "entry;do_read 1", "stack": "main;do_exit 1"}[name]
