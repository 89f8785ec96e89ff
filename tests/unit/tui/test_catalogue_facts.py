"""What the catalogue says of an image."""

from beepy.analysis.describe import describe
from beepy.oci.lookup import bundled_store
from beepy.source import parse_all
from beepy.tui import catalogue_facts
from beepy.tui.catalogue_items import Fact


def facts(name: str) -> list[Fact]:
    image = bundled_store().get(name)
    return catalogue_facts.of_image([describe(image, spec) for spec in parse_all(image)])


def test_rows() -> None:
    known = dict(facts("exitsnoop"))
    names = "start_time, exit_time, pid, tid, ppid, sig, exit_code, comm"
    assert known["shows"] == f"print_exits: rows of {names}"
    assert known["attaches to"] == "tracepoint/sched/sched_process_exit"
    assert known["can change"] == "nothing but its own maps"
    assert known["needs"].startswith("Linux 5.8 or newer (helper ringbuf_reserve, ")
    assert known["needs"].endswith("), and its types (BTF)")
    assert known["license"] == "GPL"
    assert known["digest"] == bundled_store().get("exitsnoop").digest


def test_counters_and_what_can_change() -> None:
    known = facts("xdpcount")
    packets = "counter by family, ifindex, protocol; metric ebpf_solo_io_counter_packets"
    assert known[0] == Fact("shows", f"counter_packets: {packets}")
    assert known[1].label == ""
    assert known[1].text.startswith("counter_bytes: counter by ")
    assert dict(known)["can change"] == "packets"


def test_a_histogram() -> None:
    metric = "ebpf_solo_io_hist_runqlat"
    assert facts("runqlat")[0] == Fact("shows", f"hist_runqlat: histogram; metric {metric}")


def test_options_come_after_what_is_shown() -> None:
    image = bundled_store().get("xdpcount")
    descriptions = [describe(image, spec) for spec in parse_all(image)]
    labels = [fact.label for fact in catalogue_facts.of_image(descriptions, ["one", "two"])]
    assert labels[:4] == ["shows", "", "options", "attaches to"]


def test_lines_are_wrapped_and_safe() -> None:
    texts = catalogue_facts.lines([Fact("shows", "one two three four"), Fact("", "\x1b[m")], 24)
    assert texts == [
        ("shows        ", "one two"),
        ("             ", "  three"),
        ("             ", "  four"),
        ("             ", "\\x1b[m"),
    ]
    assert catalogue_facts.of_image([]) == []
