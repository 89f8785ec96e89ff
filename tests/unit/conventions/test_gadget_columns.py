"""How a gadget's columns look, by its annotations and by the types of its fields."""

from collections.abc import Mapping

from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.conventions import gadget_columns
from beepy.conventions.gadget_yaml import DataSource
from beepy.events.batch import Schema
from beepy.obj.presentation import ColumnHint, Presentation
from tests.support.gadget_types import Vocabulary


def stream(types: Vocabulary, record: TypeId) -> Schema:
    btf = Btf(types.writer.data(), name="object")
    return Schema("image", "trace", None, btf, record, vocabulary="gadget")


def looks(
    types: Vocabulary, record: TypeId, fields: Mapping[str, Mapping[str, str]] | None = None
) -> Presentation:
    return gadget_columns.of(stream(types, record), DataSource(fields=fields or {}))


def event(types: Vocabulary) -> TypeId:
    members = [
        ("timestamp_raw", types.typedef("timestamp", 64), 0),
        ("proc", types.process, 64),
        ("src", types.endpoint, 512),
        ("error_raw", types.typedef("errno"), 768),
        ("netns", types.typedef("netns_id"), 800),
        ("number", types.u32, 832),
    ]
    return types.writer.struct("event", 108, members)


def test_hints_of_types() -> None:
    types = Vocabulary()
    columns = looks(types, event(types)).columns
    shown = [name for name, hint in columns.items() if not hint.hidden]
    assert shown == [
        "proc.comm",
        "proc.pid",
        "proc.tid",
        "proc.creds.uid",
        "proc.creds.user",
        "proc.creds.gid",
        "proc.creds.group",
        "src.endpoint",
        "error",
        "number",
    ]
    assert [columns[name].heading for name in shown[:8]] == [
        *("comm", "pid", "tid", "uid", "user", "gid", "group", "src")
    ]
    assert (columns["proc.pid"].right, columns["proc.pid"].min_width) == (True, 7)
    assert columns["proc.creds.user"].right is None
    assert columns["proc.parent.comm"].hidden


def test_annotations_overrule_types() -> None:
    types = Vocabulary()
    fields = {
        "number": {
            "columns.width": "8",
            "columns.minwidth": "4",
            "columns.maxwidth": "16",
            "columns.alignment": "right",
            "columns.alias": "no",
        },
        "error_raw": {"columns.hidden": "false"},
        "error": {"columns.hidden": "true", "json.skip": "true"},
        "netns": {"template": "pid"},
        "src": {"columns.hidden": "true"},
        "proc.comm": {"columns.width": "many", "columns.maxwidth": "9" * 30},
    }
    presentation = looks(types, event(types), fields)
    columns = presentation.columns
    assert columns["number"] == ColumnHint(False, "no", True, 8, 4, 16)
    assert not columns["error_raw"].hidden
    assert columns["error"].hidden
    assert columns["netns"] == ColumnHint(False, "", True, 0, 7, 0)
    assert columns["src.endpoint"].hidden
    assert columns["proc.comm"] == ColumnHint(False, "comm", None, 0, 0, 16)
    assert presentation.not_in_json == {"error", "src.endpoint"}


def test_two_columns_of_one_heading_keep_their_names() -> None:
    types = Vocabulary()
    record = types.writer.struct("event", 104, [("a", types.process, 0), ("b", types.process, 416)])
    columns = looks(types, record).columns
    assert {columns["a.comm"].heading, columns["b.comm"].heading} == {""}


def test_a_table_is_sorted_by_what_it_counts() -> None:
    types = Vocabulary()
    key = types.writer.struct("key", 4, [("op", types.u32, 0)])
    value = types.writer.struct(
        "value", 16, [("pid", types.typedef("pid"), 0), ("calls", types.u64, 64)]
    )
    btf = Btf(types.writer.data(), name="object")
    schema = Schema("image", "t", None, btf, key=key, value=value, vocabulary="gadget")
    presentation = gadget_columns.of(schema, DataSource())
    assert (presentation.sort, presentation.limit) == ("calls", 20)


def test_types_that_cannot_be_read_give_no_hints() -> None:
    types = Vocabulary()
    record = types.writer.struct("event", 4, [("x", TypeId(9999), 0)])
    assert looks(types, record).columns == {}


def test_annotations_name_the_fields_of_users() -> None:
    types = Vocabulary()
    record = types.writer.struct("event", 8, [("loginuid", types.typedef("uid"), 0)])
    annotations = {"template": "uid", "uidgidresolver.target": "loginuser"}
    of = looks(types, record, {"loginuid": annotations})
    assert of.targets == {"loginuid": "loginuser"}
    assert [*of.columns] == ["loginuid", "loginuser"]
    assert (of.columns["loginuid"].right, of.columns["loginuser"].right) == (True, None)
    for malformed in ("", "a.b", "a\x1b[2J", "a" * 65, "0"):
        of = looks(types, record, {"loginuid": {"uidgidresolver.target": malformed}})
        assert [*of.columns] == ["loginuid", "user"]
