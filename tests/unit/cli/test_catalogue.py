"""What the catalogue is handed: the images of the stores, and what is known of each."""

import os
from pathlib import Path

import pytest

from beepy.cli import catalogue, stdio
from beepy.errors import UsageError
from beepy.oci import lookup
from beepy.oci.lookup import bundled_store
from beepy.oci.options import Options
from beepy.oci.store import Entry, Store
from beepy.tui.catalogue_items import Item, Kind


def entry(name: str, description: str | None = None) -> Entry:
    return Entry(name, description, "sha256:0", 1, None, None)


def test_the_first_image_of_a_name_is_the_one_that_runs() -> None:
    entries = [(entry("a", "one\n two"), False), (entry("b"), False), (entry("a", "other"), True)]
    assert catalogue._items(entries) == [
        Item("a", "one two", bundled=False),
        Item("b", "", bundled=False),
    ]


def test_every_bundled_image_has_facts_and_boxes() -> None:
    options = Options(pull="never")
    for name in bundled_store().names():
        details = catalogue._details(name, options)
        assert details.error == ""
        assert details.facts[0].label == "shows"
        assert [
            box.title for group in details.groups for box in group.boxes if box.title == "--where"
        ] == ["--where"]
    titles = [group.title for group in catalogue._details("opensnoop", options).groups]
    assert titles == ["options of this image", "what is shown"]


def test_an_image_that_cannot_be_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.add_image("mine:1", bundled_store().get("exitsnoop").programs[0][:100], {})
    options = Options(storage=tmp_path, pull="never")
    assert [entry.name for entry, bundled in lookup.list_images(options) if not bundled] == [
        "mine:1"
    ]
    details = catalogue._details("mine:1", options)
    assert details.error.startswith("mine:1: ")
    assert details.groups == ()
    assert "no image 'other:1'" in catalogue._details("other:1", options).error


@pytest.mark.parametrize("term", [None, "", "dumb"])
def test_it_needs_a_terminal_that_can_be_drawn_on(
    monkeypatch: pytest.MonkeyPatch, term: str | None
) -> None:
    monkeypatch.setattr(os, "isatty", lambda fd: fd in {stdio.STDIN, stdio.STDOUT, stdio.STDERR})
    monkeypatch.setenv("TERM", "xterm")
    assert catalogue.is_possible()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert not catalogue.is_possible()
    monkeypatch.undo()
    if term is None:
        monkeypatch.delenv("TERM", raising=False)
    else:
        monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(os, "isatty", lambda _: True)
    assert not catalogue.is_possible()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(os, "isatty", lambda fd: fd != stdio.STDOUT)
    assert not catalogue.is_possible()


def test_what_fails_is_reported_in_one_line() -> None:
    own = UsageError("no")
    assert catalogue._error(own) is own
    error = catalogue._error(ZeroDivisionError("by zero"))
    assert str(error) == "catalogue: ZeroDivisionError: by zero"


def test_the_interface_has_a_box_that_must_be_filled_in() -> None:
    groups = catalogue._details("xdpcount", Options(pull="never")).groups
    (iface,) = groups[0].boxes
    assert (iface.option, iface.kind, iface.required) == ("--iface", Kind.CHOICE, True)
    assert "lo" in iface.choices
    assert iface.error("") == "expected the network interface"
