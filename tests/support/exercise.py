"""Process untrusted bytes without the kernel: the outcome is a result or a BeepyError."""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Final

from beepy import conventions, inspection, outputs
from beepy.analysis.describe import describe
from beepy.btf.btf import Btf
from beepy.cli import description
from beepy.core.patch import patch
from beepy.core.resolve import Resolver
from beepy.errors import BeepyError
from beepy.events import schemas, variables
from beepy.events.batch import Batch, Part, Schema
from beepy.events.batch_ops import expand_per_cpu
from beepy.events.decoder import Decoder
from beepy.flow.outputs import outputs as outputs_of
from beepy.obj import insn
from beepy.obj.spec import CollectionSpec, ProgramSpec, Value
from beepy.oci import archive, reference
from beepy.oci.admission import ImageSource, admit, candidate
from beepy.oci.descriptor import Descriptor, check, digest_of, parse_descriptor, parse_object
from beepy.oci.garbage import prune
from beepy.oci.image import Image
from beepy.oci.loading import load
from beepy.oci.options import Options
from beepy.oci.removal import remove
from beepy.oci.save import save
from beepy.oci.store import Store
from beepy.oci.stored_referrers import referrers
from beepy.source import parse
from tests.support.mutate_images import NAME, Blobs

RESULT: Final = "a result"

_MAX_RECORD: Final = 1 << 16  # bytes: a record of a type beyond that is always too short
_CPUS: Final = 3
_SET: Final = 4  # variables of an object that are set
_VALUES: Final[tuple[Value, ...]] = (
    *(
        "1",
        "-1",
        "0",
        "true",
        "x",
        "'x'",
        "10ms",
        "1.5s",
        "E0",
        "E0|E1",
        "1,2,3",
        "[[1],[2]]",
        "10.0.0.1",
        "fe80::1",
    ),
    *(
        "",
        "0x" + "f" * 40,
        "9" * 40,
        "text",
        "nan",
        "1e999",
        "\udcff",
        "\0",
        1,
        -1,
        1 << 70,
        1.5,
        True,
        b"",
        b"\1",
    ),
    *((1, 2), [], ["a"], {"a": 1}, {"comm": "x"}, {}),
)


class Told:
    """The distinct outcomes of one mutant: for each step that failed, where it raised."""

    def __init__(self) -> None:
        self.outcomes: dict[str, None] = {}

    def step(self, do: Callable[[], object]) -> None:
        """Do one step; that it fails does not keep the others from being done."""
        try:
            do()
        except BeepyError as error:
            if "\n" in str(error) or not str(error):
                raise AssertionError(f"not one line: {error!r}") from error
            self.outcomes[f"{type(error).__name__} {_raised(error)}"] = None

    def lines(self) -> list[str]:
        return [*self.outcomes] or [RESULT]


def _raised(error: BaseException) -> str:
    """Return module and function of what raised it."""
    at = error.__traceback__
    while at and at.tb_next:
        at = at.tb_next
    if at is None:
        return ""
    return (
        f"{at.tb_frame.f_globals['__name__'].removeprefix('beepy.')}.{at.tb_frame.f_code.co_name}"
    )


def of_object(data: bytes, target: bytes, rng: Random) -> list[str]:
    """Do all that precedes loading; ``target`` is the BTF that relocations are resolved against."""
    image = Image(NAME, digest_of(data), "linux/amd64", {}, len(data), "bee", {}, (data,))
    return _of_image(lambda: image, target, rng)


def _of_image(load: Callable[[], Image], target: bytes, rng: Random) -> list[str]:
    told = Told()
    told.step(lambda: _each_program(told, load(), target, rng))
    return told.lines()


def _each_program(told: Told, image: Image, target: bytes, rng: Random) -> None:
    for program in range(len(image.programs)):
        told.step(lambda at=program: _one(told, image, at, target, rng))  # type: ignore[misc]


def _one(told: Told, image: Image, program: int, target: bytes, rng: Random) -> None:
    spec = parse(image, program)
    told.step(lambda: _describe(image, spec))
    told.step(lambda: outputs_of(spec))
    for _ in range(_SET):
        told.step(lambda: _set(spec, rng))
    for schema in _schemas(spec):
        told.step(lambda schema=schema: _decode(schema, rng))  # type: ignore[misc]
    if spec.btf:
        btf = spec.btf
        _relocate(told, spec.programs, Resolver(btf, [btf]))
        told.step(lambda: _relocate(told, spec.programs, Resolver(btf, _targets(btf, target))))


def _describe(image: Image, spec: CollectionSpec) -> None:
    described = describe(image, spec, relocations=True)
    json.dumps(inspection.json_schema_of(image, [spec], [described]))
    description.as_json([described])
    for line in description.as_text(described):
        assert line.isprintable()


def _set(spec: CollectionSpec, rng: Random) -> None:
    """Set a variable, or a part of one, to a value of any kind."""
    if not (found := variables.settable(spec)):
        return
    name = rng.choice(found).name + rng.choice(
        ("", "", "", ".a", ".comm", "[0]", "[1].pid", ".", "[x]")
    )
    variables.apply(spec, {name: rng.choice(_VALUES)})


def _schemas(spec: CollectionSpec) -> Iterator[Schema]:
    """Yield the schema of every map, tracked or not; one of those that decode alike."""
    shown = conventions.apply(
        spec._replace(maps=tuple([one._replace(section=".maps.print") for one in spec.maps])), "elf"
    )
    maps = {one.name: one for one in shown.maps}
    decoded = set()
    for tracked in (*spec.tracked, *shown.tracked):
        schema = schemas.of_map(shown, maps[tracked.map], tracked)
        types = schema._replace(map="", role=None, metric="", metric_value="")
        if types in decoded:
            continue
        decoded.add(types)
        yield schema
        if not schema.record:
            yield schema._replace(cpus=_CPUS)


def _decode(schema: Schema, rng: Random) -> None:
    decoder = Decoder(schema)
    records = rng.choice((1, 2, 7))
    if schema.record:
        length = max(min(decoder.size, _MAX_RECORD) + rng.choice((0, 0, 0, 3, -1)), 0)
        parts: tuple[Part, ...] = (Part(rng.randbytes((length + 8) * records), length + 8, 8),)
    else:
        length = min(schema.value_size, _MAX_RECORD)
        key = min(schema.key_size, _MAX_RECORD)
        span = -(-length // 8) * 8 * schema.cpus if schema.cpus else length
        parts = (
            Part(rng.randbytes(key * records), key, 0),
            Part(rng.randbytes(span * records), span, 0),
        )
    batch = expand_per_cpu(
        Batch(schema, parts, records, length, 0)
    )  # as the reader of a table does
    for columns in (decoder.values(batch, decoder.fields), decoder.texts(batch, decoder.fields)):
        assert len(columns) == len(decoder.fields)
    decoder.raw(batch)
    if schema.presentation or schema.metrics:
        _show(decoder, batch)


def _show(decoder: Decoder, batch: Batch) -> None:
    """Write rows that look as an image says: JSON that can be read, and printable columns."""
    for name in ("json", "csv", "columns"):
        with os.fdopen(os.memfd_create(name), "w+b") as file:
            sink = outputs.make(name, file.fileno())
            sink.open([decoder])
            sink.write(batch)
            sink.close()
            file.seek(0)
            lines = file.read().decode("ascii" if name == "json" else "utf-8").split("\n")
        for line in lines:
            assert line.replace("\xa0", " ").isprintable() or name == "csv"
            if line and name == "json":
                pairs = json.loads(line, object_pairs_hook=list)
                names = [key for key, _ in pairs]
                assert sorted(names) == sorted({*names})


def _targets(own: Btf, target: bytes) -> Iterable[Btf]:
    """Return a kernel's types and those of a module."""
    base = Btf(target, name="vmlinux")
    yield base
    yield own if len(base) % 2 else Btf(target, base, "module")


def _relocate(told: Told, programs: tuple[ProgramSpec, ...], resolver: Resolver) -> None:
    for program in programs:
        told.step(lambda program=program: insn.encode(_patched(program, resolver).insns))  # type: ignore[misc]


def _patched(program: ProgramSpec, resolver: Resolver) -> ProgramSpec:
    fixups = resolver.fixups(program)
    assert all("->" in str(fixup) for fixup in fixups)
    return patch(program, fixups)


def of_layout(layout: Blobs, target: bytes, rng: Random) -> list[str]:
    """Load an image through a read function, as from a registry."""

    def load() -> Image:
        def read(descriptor: Descriptor) -> bytes:
            return check(
                layout.blobs.get(descriptor.digest, b"")[: descriptor.size + 1],
                descriptor,
                "mutant",
            )

        entries = parse_object(layout.names, "index").get("manifests")
        entry = entries[0] if isinstance(entries, list) and entries else None
        top = parse_descriptor(entry, "index")
        return admit(candidate(NAME, ImageSource.REGISTRY, top, read))

    return _of_image(load, target, rng)


def of_store(layout: Blobs, folder: Path, target: bytes, rng: Random) -> list[str]:
    """Do with a layout on disk all that is done with a store: list, name, copy, save, remove."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    written = [folder / "oci-layout", folder / "index.json"]
    written[0].write_bytes(layout.layout)
    written[1].write_bytes(layout.names)
    for digest, data in layout.blobs.items():
        written.append(blobs / digest.removeprefix("sha256:"))
        written[-1].write_bytes(data)
        os.utime(written[-1], (0, 0))  # as beepy's own, which prune removes
    told = Told()
    other = Options(storage=folder.with_name(f"{folder.name}-other"))
    store = Store(folder)
    told.step(store.list)
    told.step(lambda: _each_program(told, store.get(NAME), target, rng))
    told.step(lambda: store.tag(NAME, "other:2"))
    told.step(lambda: store.get("other:2"))
    told.step(lambda: referrers(store.layout, digest_of(b"")))
    told.step(lambda: save([NAME], lambda _: None, Options(storage=folder)))
    told.step(lambda: load(str(folder), "", other))
    told.step(lambda: load(str(folder), "loaded:1", other))
    told.step(lambda: remove(["other:2"], Options(storage=folder)))
    told.step(lambda: prune(store.layout))
    for path in written:
        path.unlink(missing_ok=True)
    shutil.rmtree(other.storage or "", ignore_errors=True)
    return told.lines()


def of_archive(data: bytes, target: bytes, rng: Random) -> list[str]:
    """Load an image out of a tar file."""
    with os.fdopen(os.memfd_create("archive"), "w+b") as stream:
        stream.write(data)
        stream.flush()
        return _of_image(lambda: archive.load(stream, "mutant.tar"), target, rng)


def of_reference(text: str) -> list[str]:
    """Parse a reference; one that is taken is the same when it is read again."""
    told = Told()

    def read() -> None:
        found = reference.parse(text)
        assert reference.parse(str(found)) == found

    told.step(read)
    return told.lines()
