"""Eight processes use one store at once, and some are killed: no image is lost, no blob left.

2 s, 30 s in `make soak`. Each process has names of its own, and writes down what it is about to do
and what it has done; what it pulls, loads and tags shares its blobs with the images of others.
"""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from beepy.oci import garbage
from beepy.oci.lookup import Options
from beepy.oci.reachable import reachable
from beepy.oci.removal import remove
from beepy.oci.save import replaced, save
from beepy.oci.store import Store
from tests import soak
from tests.registry import distribution
from tests.support import store_worker
from tests.support.command import ROOT
from tests.support.store_worker import WORKERS
from tests.support.stored import ELF, digests, sign

pytestmark = [pytest.mark.registry, pytest.mark.soak]

SECONDS: Final = min(soak.times(2), 30)
IMAGES: Final = 2 * WORKERS


@pytest.fixture
def server(tmp_path: Path) -> Iterator[distribution.Running]:
    for program in (distribution.PROGRAM, "skopeo"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    (tmp_path / "registry").mkdir()
    with distribution.plain(tmp_path / "registry") as running:
        yield running


def prepare(folder: Path, host: str) -> dict[str, str]:
    """Push images, and save them signed; return their digests."""
    store = Store(folder / "origin")
    digest_by_image = {}
    for number in range(IMAGES):
        digest = store.add_image(str(number), ELF + bytes([number]), {})
        digest_by_image[str(number)] = digest
        sign(store, digest, b"signature %d" % number)
        with replaced(str(folder / f"{number}.tar")) as write:
            save([str(number)], write, Options(storage=store.path))
        command = ["skopeo", "copy", "-q", "--dest-tls-verify=false"]
        target = f"docker://{host}/x:{number}"
        subprocess.run([*command, f"oci:{store.path}:{number}", target], check=True)
    return digest_by_image


def start(folder: Path, host: str, worker: int) -> subprocess.Popen[bytes]:
    arguments = [str(folder), host, str(worker), str(IMAGES)]
    command = [sys.executable, "-m", store_worker.__name__, *arguments]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)


def test_eight_processes_and_kills(server: distribution.Running, tmp_path: Path) -> None:
    digest_by_image = prepare(tmp_path, server.host)
    chooser = random.Random(SECONDS)
    running = {worker: start(tmp_path, server.host, worker) for worker in range(WORKERS)}
    logs = [tmp_path / f"log{worker}" for worker in range(WORKERS)]
    patience = time.monotonic() + 100
    end = time.monotonic() + SECONDS
    try:
        while time.monotonic() < end or not all_done(logs):
            assert time.monotonic() < patience
            time.sleep(chooser.uniform(0, 0.4))
            worker = chooser.randrange(WORKERS)
            kill(running[worker])
            running[worker] = start(tmp_path, server.host, worker)
        (tmp_path / "stop").touch()
        for process in running.values():
            _, stderr = process.communicate(timeout=100)
            assert (process.returncode, stderr.decode()) == (0, "")
    finally:
        for process in running.values():
            process.kill()
            process.wait()
            if process.stderr:
                process.stderr.close()
    ended = [store_worker.Log(log) for log in logs]
    for log in ended:
        log.close()
    check(Store(tmp_path / "store"), ended, digest_by_image)


def all_done(logs: list[Path]) -> bool:
    """Tell whether every step has been done: a busy machine needs longer."""
    lines = [line for log in logs if log.exists() for line in log.read_text().splitlines()]
    done = {step for step, _, is_done in map(json.loads, lines) if is_done}
    return done == set(store_worker.STEPS)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a worker, which has not failed before."""
    process.send_signal(signal.SIGKILL)
    _, stderr = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), stderr.decode()


def check(store: Store, logs: list[store_worker.Log], digest_by_image: dict[str, str]) -> None:
    expected = set[str]().union(*[log.names for log in logs])
    uncertain = set[str]().union(*[log.uncertain for log in logs])
    done = sum((Counter(log.done) for log in logs), Counter[str]())
    print(f"{dict(done)}, {len(expected)} images, {len(uncertain)} uncertain")
    stored = {entry.name: entry for entry in store.list()}
    assert expected <= set(stored) <= expected | uncertain
    for name, entry in stored.items():
        assert (entry.digest, entry.partial) == (
            digest_by_image[store_worker.image_in(name)],
            False,
        )
        assert store.get(name).digest == entry.digest
    pruned = garbage.prune(store.layout)
    print(f"{len(pruned.removed)} files left by those that were killed")
    assert digests(store) == set(reachable(store.layout, store.layout.entries()).blobs)
    assert list((store.path / "ingest").iterdir()) == []
    if stored:
        remove(list(stored), Options(storage=store.path))
    assert digests(store) == set()
    assert store.layout.entries() == ()
