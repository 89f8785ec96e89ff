"""One of several processes that use a store, until a file says stop: see test_store_soak.py.

It keeps a log of what it begins and what it has done, from which its next life knows its images.
"""

import json
import os
import random
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from beepy.errors import ImageNotFound
from beepy.oci import copying, garbage, loading, lookup, removal
from beepy.oci.options import Options
from beepy.oci.store import Store

WORKERS: Final = 8
MOST: Final = 2  # names of a worker: most images have no name most of the time


class Log:
    """The log of one worker: ``names`` are those that exist, ``uncertain`` those that may."""

    def __init__(self, path: Path) -> None:
        self.names: set[str] = set()
        self.uncertain: set[str] = set()
        self.done: dict[str, int] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            self._apply(*json.loads(line))
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)

    def write(self, step: str, name: str, *, done: bool) -> None:
        """Write what a killed process leaves too."""
        os.write(self._file, f"{json.dumps([step, name, done])}\n".encode())
        self._apply(step, name, done)

    def close(self) -> None:
        os.close(self._file)

    def _apply(self, step: str, name: str, done: object) -> None:
        if done:
            self.done[step] = self.done.get(step, 0) + 1
        if not name:
            return
        self.names.discard(name)
        self.uncertain.discard(name)
        if not done:
            self.uncertain.add(name)
        elif step != "remove":
            self.names.add(name)


class Worker:
    """Does random steps with names that no other worker has."""

    def __init__(self, folder: Path, host: str, number: int, images: int) -> None:
        self.log = Log(folder / f"log{number}")
        self._folder, self._host, self._number, self._images = folder, host, number, images
        self._options = Options(storage=folder / "store")
        self._store = Store(folder / "store")
        self._random = random.Random()
        self._was_uncertain = False

    def step(self) -> None:
        """Do one step, and write down its begin and its end."""
        is_full = len(self.log.names | self.log.uncertain) >= MOST
        step = self._random.choice([*_SHRINKING] if is_full else [*STEPS])
        name = self._name(step)
        if name is None:
            return
        self.log.write(step, name, done=False)
        STEPS[step](self, name)
        self.log.write(step, name, done=True)

    def tag(self, name: str) -> None:
        image = image_in(name)
        copying.tag(self._random.choice(self._with_image(image)), name, self._options)

    def pull(self, name: str) -> None:
        lookup.pull(name, self._options._replace(pull="always"))

    def load(self, name: str) -> None:
        image = image_in(name)
        loading.load(str(self._folder / f"{image}.tar"), name, self._options)

    def remove(self, name: str) -> None:
        try:
            removal.remove([name], self._options)
        except ImageNotFound:
            assert self._was_uncertain, name

    def prune(self, _name: str) -> None:
        garbage.prune(self._store.layout)

    def read(self, _name: str) -> None:
        for name in self.log.names:
            assert self._store.get(name).name == name

    def _name(self, step: str) -> str | None:
        """Return a name for a step; None if there is nothing to do it with."""
        if step in {"prune", "read"}:
            return ""
        if step == "remove":
            names = sorted(self.log.names | self.log.uncertain)
            name = self._random.choice(names) if names else None
            self._was_uncertain = name in self.log.uncertain
            return name
        if step == "pull":
            image = self._random.randrange(self._number, self._images, WORKERS)
            return f"{self._host}/x:{image}"
        if step == "load":
            return f"w{self._number}/load:{self._random.randrange(self._images)}-0"
        if not self.log.names:
            return None
        image_of = image_in(self._random.choice(sorted(self.log.names)))
        return f"w{self._number}/tag:{image_of}-{self._random.randrange(1 << 40)}"

    def _with_image(self, image: str) -> list[str]:
        return sorted(name for name in self.log.names if image_in(name) == image)


def image_in(name: str) -> str:
    """Return the number of the image that has a name."""
    return name.rpartition(":")[2].partition("-")[0]


STEPS: Final[Mapping[str, Callable[[Worker, str], None]]] = {
    "tag": Worker.tag,
    "pull": Worker.pull,
    "load": Worker.load,
    "remove": Worker.remove,
    "prune": Worker.prune,
    "read": Worker.read,
}


_SHRINKING: Final = ("remove", "prune", "read")


def main() -> None:
    """Work until there is a file ``stop``."""
    folder, host, number, images = sys.argv[1:]
    worker = Worker(Path(folder), host, int(number), int(images))
    while not Path(folder, "stop").exists():
        worker.step()
    worker.log.close()


if __name__ == "__main__":
    main()
