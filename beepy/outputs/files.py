"""Rows in files: ``-o FILE``, in parts with ``--rotate``, one for each map with some outputs."""

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from errno import EEXIST
from typing import Final

from beepy import new_file
from beepy.events.batch import Batch, Part, Schema
from beepy.events.batch_ops import slices
from beepy.events.decoder import Decoder
from beepy.events.protocols import Sink
from beepy.outputs import Destination, RowOptions
from beepy.outputs.rotation import Rotation
from beepy.outputs.row_writer import RowWriter

_STEP: Final = 4096  # rows that are written between two looks at a file's size
_FOREIGN: Final = re.compile(r"[^\w.+-]", re.ASCII)  # not in a file's name: images name their maps
_MAX_NAME: Final = 64


class Files:
    """Writes rows to the file of a destination, or to one for each map.

    Those of several maps are ``STEM.MAP.SUFFIX`` if the output holds the rows of one.
    """

    def __init__(
        self, destination: Destination, options: RowOptions, rotation: Rotation | None
    ) -> None:
        destination.output.make(RowWriter(-1), options)  # raises for a package that is not there
        self._destination = destination
        self._options = options
        self._rotation = rotation
        self._files: list[_File] = []
        self._of_map: dict[Schema, _File] = {}

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Create the files. Raises OutputError."""
        stem = self._destination.path.removesuffix(self._destination.suffix)
        if not self._destination.output.one_map or len(decoders) < 2:
            groups = {stem: list(decoders)}
        else:
            groups = {
                f"{stem}.{name}": [decoder]
                for name, decoder in zip(_names(decoders), decoders, strict=True)
            }
        for path, group in groups.items():
            file = _File(path, self._destination, self._options, self._rotation)
            self._files.append(file)
            self._of_map.update({decoder.schema: file for decoder in group})
            file.open(group)

    def write(self, batch: Batch) -> None:
        """Write a batch; files that are due for it end."""
        self._of_map[batch.schema].write(batch)
        for file in self._files:
            file.pass_time()

    def close(self) -> None:
        """Complete the files. Raises OutputError."""
        with ExitStack() as stack:
            for file in self._files:
                stack.callback(file.close)


class _File:
    """A file, or a series of them: each is written by a sink of its own."""

    def __init__(
        self,
        stem: str,
        destination: Destination,
        options: RowOptions,
        rotation: Rotation | None,
    ) -> None:
        self._path = stem + destination.suffix
        self._destination = destination
        self._options = options
        self._rotation = rotation or Rotation()
        self._names = new_file.Series(stem, destination.suffix) if rotation else None
        self._decoders: Sequence[Decoder] = ()
        self._writer: RowWriter | None = None
        self._sink: Sink | None = None
        self._rows = 0
        self._begun = 0.0  # with its first row
        self._time_passed = 0.0

    def open(self, decoders: Sequence[Decoder]) -> None:
        self._decoders = decoders
        if self._names:
            self._path = self._names.next()
        output = self._destination.output
        path = self._path + (new_file.PART if output.whole else "")
        if output.whole and os.path.lexists(self._path):
            raise new_file.failed(self._path, FileExistsError(EEXIST, "exists"))
        frames = None
        if self._destination.packed:
            from beepy.outputs.frames import Frames  # noqa: PLC0415 - few files are compressed

            frames = Frames()
        self._writer = RowWriter(new_file.create(path), path, frames, binary=output.binary)
        sink = output.make(self._writer, self._options)
        sink.open(decoders)
        self._sink = sink
        self._writer.flush()  # a header
        self._rows = 0
        self._time_passed = time.monotonic()

    def write(self, batch: Batch) -> None:
        for part in slices(batch, _STEP) if self._rotation.size else (batch,):
            assert self._sink
            self._sink.write(part)
            if part.records and not self._rows:
                self._begun = time.monotonic()
            self._rows += part.records
            if part.final and self._writer:  # of a snapshot: the next one may be an hour away
                self._writer.flush()
            if self._is_due():
                self.close()
                self.open(self._decoders)

    def pass_time(self) -> None:
        """Do what time brings: the end of this file, or of a part of it."""
        now = time.monotonic()
        if now - self._time_passed < 1 or self._sink is None:
            return
        self._time_passed = now
        self.write(_nothing(self._decoders[0]))

    def _is_due(self) -> bool:
        """Tell whether the file is complete; one without rows never is."""
        assert self._writer
        size, seconds = self._rotation
        if not self._rows:
            return False
        is_full = size > 0 and self._writer.size >= size
        return is_full or (seconds > 0 and time.monotonic() - self._begun >= seconds)

    def close(self) -> None:
        writer, self._writer = self._writer, None
        sink, self._sink = self._sink, None
        if writer is None:
            return
        try:
            if sink:
                sink.close()
            writer.flush()
            is_whole = sink is not None and not writer.failed
        finally:
            writer.failed = True  # whoever still has it: the descriptor may soon be another file's
            os.close(writer.fd)
        if self._destination.output.whole and is_whole:
            new_file.publish(self._path + new_file.PART, self._path)


def _names(decoders: Sequence[Decoder]) -> Iterator[str]:
    """Yield for each map a part of a file's name, all distinct."""
    taken: set[str] = set()
    for decoder in decoders:
        name = base = _FOREIGN.sub("_", decoder.schema.map)[:_MAX_NAME]
        number = 1
        while name in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name)
        yield name


def _nothing(decoder: Decoder) -> Batch:
    """Return a batch without rows, which says that time has passed."""
    parts = (Part(b"", 0, 0),) * 3
    return Batch(decoder.schema, parts, 0, decoder.size, time.time_ns(), lost=None)
