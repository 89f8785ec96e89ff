"""gadget.yaml: what is read of it, and what is refused in one line."""

import pytest

from beepy.conventions import gadget_yaml
from beepy.errors import UnsupportedImage

TEXT = b"""
name: trace open
dataSources:
  open:
    annotations: {ebpf.rest.name: payload}
    fields:
      fname:
        annotations: {columns.hidden: true, columns.width: 8}
      empty:
params:
  ebpf:
    targ_failed: {key: failed, defaultValue: "false", description: only failed ones}
programs:
  sample:
    attach_to: vfs_open
    perf: {type: software, config: count_sw_cpu_clock}
    sampler: {frequency: 49}
"""


def test_what_is_read() -> None:
    metadata = gadget_yaml.read(TEXT, "image")
    assert metadata.parameters["targ_failed"] == ("failed", "false", "only failed ones")
    assert metadata.programs["sample"].attach_to == "vfs_open"
    assert metadata.programs["sample"].perf["config"] == "count_sw_cpu_clock"
    assert metadata.programs["sample"].frequency == "49"
    source = metadata.sources["open"]
    assert source.annotations == {"ebpf.rest.name": "payload"}
    assert source.fields["fname"] == {"columns.hidden": "true", "columns.width": "8"}
    assert source.fields["empty"] == {}


def test_the_older_place_of_parameters() -> None:
    metadata = gadget_yaml.read(b"ebpfParams: {pid: {key: p}}", "image")
    assert metadata.parameters["pid"].key == "p"


@pytest.mark.parametrize("data", [b"", b"# nothing\n", b"{}", b"params:\n"])
def test_nothing_to_read(data: bytes) -> None:
    assert gadget_yaml.read(data, "image") == ({}, {}, {})


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"- a", "expected a mapping"),
        (b"datasources: [1]", "datasources: expected a mapping"),
        (b"params: {ebpf: {x: {key: [1]}}}", "params.ebpf.x.key: expected a text"),
        (b"params: {ebpf: {x: {key: %s}}}" % (b"a" * 5000), "5000 characters, at most 4096"),
        (b"programs: {p: {attach_to: {}}}", "programs.p.attach_to: expected a text"),
        (b"a: b: c", "line 1: mapping values are not allowed"),
        (b"? [a]\n: b", "line 1: a key is expected to be a text"),
        (b"\xff\xfe", "UTF-8"),
        (b"a: \x01", "control characters"),
        (b"a: b\na: c\n", "line 2: key 'a': duplicate"),
        (b"a: *x\n", "line 1: alias 'x': no such anchor"),
        (b"a: " + b"[" * 100, "nested deeper than 32"),
        (b"a: [" + b"b, " * 70_000 + b"]", "more than 65536 nodes"),
        (b"a: " + b"b" * (256 << 10), "at most 262144 are read"),
    ],
)
def test_what_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(UnsupportedImage) as caught:
        gadget_yaml.read(data, "image")
    line = str(caught.value)
    assert line.startswith("image: gadget.yaml: ")
    assert why in line
    assert line.isprintable()
    assert len(line) < 300


def test_an_alias_cannot_grow_a_document() -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(UnsupportedImage, match="more than 65536 nodes, aliases counted"):
        gadget_yaml.read("\n".join(["a0: &a0 x", *levels]).encode(), "image")
