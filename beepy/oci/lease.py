"""The lock between those who bring blobs into a store and those who remove blobs from it.

A blob has no name until its image has one, so it could be taken for garbage. Whoever brings blobs
holds the shared side from the first blob to the name, whoever removes some the exclusive side. It
is a lock (flock) on the directory ``blobs/sha256``: it adds no file to the layout, and ends with
the process that holds it, killed or not. Programs other than beepy do not know it.

Who waits for the exclusive side has locked ``blobs`` meanwhile, through which all others come:
without that they could take turns for ever.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Final

from beepy.oci.directory import Directory

_GATE: Final = ("blobs",)
_BLOBS: Final = ("blobs", "sha256")


class Lease:
    """The lock of one layout; ``where`` begins messages. Raises OSError."""

    def __init__(self, directory: Directory, where: str) -> None:
        self._directory = directory
        self._where = where
        self._depth = 0
        self._locks = ExitStack()
        self._is_held = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the shared side. A lease within a lease is the same one.

        A store that does not exist, or cannot be read, has nothing to be removed: ``take`` takes
        the lock when there is one.
        """
        self._depth += 1
        try:
            self.take()
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self._is_held = False
                self._locks.close()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the exclusive side, which no lease of this object may surround."""
        assert not self._depth
        with self._lock(_GATE), self._lock(_BLOBS):
            self._depth, self._is_held = 1, True
            try:
                yield
            finally:
                self._depth, self._is_held = 0, False

    def take(self) -> None:
        """Take the lock if a lease is wanted that has none yet. Raises TimeoutError."""
        if not self._depth or self._is_held:
            return
        with ExitStack() as locks:
            try:
                with self._lock(_GATE, shared=True):
                    locks.enter_context(self._lock(_BLOBS, shared=True))
            except TimeoutError:
                raise
            except OSError:  # whoever needs the store is told why it cannot be used
                return
            self._locks = locks.pop_all()
            self._is_held = True

    def _lock(
        self, parts: tuple[str, ...], *, shared: bool = False
    ) -> AbstractContextManager[None]:
        return self._directory.locked(self._where, *parts, shared=shared)
