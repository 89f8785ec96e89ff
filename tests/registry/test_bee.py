"""bee itself (oras-go's store and client) reads what we write, and we read what it writes."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.registry import distribution
from tests.registry.conftest import Ours

pytestmark = [pytest.mark.registry, pytest.mark.peer("bee")]

PROGRAM = b"\x7fELF" + bytes(range(256)) * 300


def bee(ours: Ours, *arguments: str) -> str:
    command = ["bee", "--storage", str(ours.store.path), "--config-dir", str(ours.home), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_bee_reads_and_tags_in_our_store(ours: Ours) -> None:
    digest = ours.store.add_image(
        "exitsnoop:v1", PROGRAM, {}, {"architecture": "x86_64", "os": "Linux"}
    )
    assert "exitsnoop:v1" in bee(ours, "list")
    bee(ours, "tag", "exitsnoop:v1", "other:v2")
    assert ours.store.get("other:v2").programs == (PROGRAM,)
    assert [entry.digest for entry in ours.store.list()] == [digest, digest]


def test_bee_pushes_and_pulls(ours: Ours, tmp_path: Path) -> None:
    if not shutil.which(distribution.PROGRAM):
        pytest.skip(f"{distribution.PROGRAM} is not installed")
    with distribution.plain(tmp_path) as server:
        name = f"{server.host}/bb/exitsnoop:v1"
        digest = ours.store.add_image(
            name, PROGRAM, {"org.opencontainers.image.description": "<a> & b"}
        )
        bee(ours, "push", name)
        second = ours._replace(store=type(ours.store)(tmp_path / "second"))
        assert second.pull(name).digest == digest
        third = ours._replace(store=type(ours.store)(tmp_path / "third"))
        bee(third, "pull", name)
        assert third.store.get(name) == second.store.get(name)
        assert third.store.get(name).programs == (PROGRAM,)
