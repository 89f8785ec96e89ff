"""``describe -o jsonschema``: the rows of real runs are what it says."""

import json
import subprocess
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import beepy as library
from tests.support.command import Beepy

pytestmark = pytest.mark.kernel

IMAGES = ("exitsnoop", "opensnoop", "runqlat", "xdpcount", "exitsnoop-counter")


def schema_of(beepy: Beepy, image: str) -> dict[str, Any]:
    done = beepy("describe", image, "-o", "jsonschema")
    assert (done.code, done.err) == (0, "")
    document = json.loads(done.out)
    Draft202012Validator.check_schema(document)
    assert isinstance(document, dict)
    return document


def test_rows_of_bundled_images(beepy: Beepy) -> None:
    schemas = [library.json_schema(image) for image in IMAGES]
    checks = {name: Draft202012Validator(schema) for schema in schemas for name in schema["$defs"]}
    options = ("--iface", "lo", "-o", "json", "--interval", "0.2", "--zero")
    with beepy.start("-v", "run", *IMAGES, *options) as running:
        running.until_attached(6)
        subprocess.run(["true"], check=True)
        maps = [b'"print_exits"', b'"print_opens"', b'"hist_runqlat"']
        running.until(lambda: all(name in running.out for name in maps))
        done = running.end()
    assert done.code == 0
    for line in done.out.splitlines():
        row = json.loads(line)
        row.pop("image", None)  # whose row it is, in a run of several images
        checks[row["map"]].validate(row)


def test_the_document_of_an_image(beepy: Beepy) -> None:
    document = schema_of(beepy, "exitsnoop")
    assert document == library.json_schema("exitsnoop")
    assert (document["title"], document["read_only"], document["changes"]) == (
        "exitsnoop",
        True,
        [],
    )
    assert document["parameters"]["properties"]["target_pid"]["type"] == "integer"
    assert schema_of(beepy, "xdpcount")["read_only"] is False
    refused = beepy("describe", "exitsnoop", "-o", "jsonschema", "--check")
    assert refused.code == 2
