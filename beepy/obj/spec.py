"""The contents of an object file: values that parse returns and load takes, for any kernel.

Relocations are data beside the code. Each ref names the instruction that it patches by its index in
``insns``; the linker moves them with the code, ``collection`` applies each once.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.obj.insn import Insn
from beepy.uapi import MapType

if TYPE_CHECKING:
    from beepy.obj.conditions import Conditions  # of some gadgets only
    from beepy.obj.exporter import ExporterConfig, MetricPlan  # of images of ebpf_exporter only
    from beepy.obj.measures import Measure  # of gadgets only
    from beepy.obj.presentation import Presentation  # bee's images have none


class Role(StrEnum):
    """The role that a convention gives a map."""

    PRINT = "print"
    COUNTER = "counter"
    GAUGE = "gauge"
    HIST = "hist"


class MapRef(NamedTuple):
    """An LD_IMM64 that takes a map's fd."""

    insn: int
    map: str


class DataRef(NamedTuple):
    """An LD_IMM64 that takes an address in a data section's map.

    It is ``offset`` bytes into the map's only value.
    """

    insn: int
    map: str
    offset: int


class CallRef(NamedTuple):
    """A CALL of a function in .text, or an LD_IMM64 of its address (a callback).

    ``offset`` counts instructions, as ``FunctionSpec.offset`` does. The linker resolves all
    CallRefs.
    """

    insn: int
    offset: int


class ExternRef(NamedTuple):
    """An LD_IMM64 of, or a CALL to, a symbol of the kernel (``.ksyms``)."""

    insn: int
    name: str


class JumpTableRef(NamedTuple):
    """An LD_IMM64 of a jump table's address; its entries name the instructions ``targets``."""

    insn: int
    targets: tuple[int, ...]


class CoreRef(NamedTuple):
    """A CO-RE relocation.

    ``type`` is of the object's BTF, ``access`` is like "0:1:2", ``kind`` is ``enum
    bpf_core_relo_kind``.
    """

    insn: int
    type: TypeId
    access: str
    kind: int


Ref: TypeAlias = MapRef | DataRef | CallRef | ExternRef | JumpTableRef


class FuncInfo(NamedTuple):
    """``struct bpf_func_info``: the function that begins at this instruction."""

    insn: int
    type: TypeId


class LineInfo(NamedTuple):
    """``struct bpf_line_info``; file and line are offsets into the object's BTF strings."""

    insn: int
    file_off: int
    line_off: int
    line_col: int


class FunctionSpec(NamedTuple):
    """A FUNC symbol with its code.

    Refs (and the targets in them) and infos count from its first instruction.
    """

    name: str
    section: str
    offset: int  # its first instruction's index in the section
    insns: tuple[Insn, ...]
    refs: tuple[Ref, ...]
    core: tuple[CoreRef, ...]
    func_infos: tuple[FuncInfo, ...]
    line_infos: tuple[LineInfo, ...]
    exported: bool  # STB_GLOBAL or STB_WEAK, and not hidden


class ProgramSpec(NamedTuple):
    """An entry program with every subprogram that it reaches appended (see ``obj.linker``).

    ``section`` is the SEC() text verbatim, with its leading ``?`` (autoload off), if any.
    ``functions`` are (name, index of its first instruction), the entry first. ``attach_to`` is the
    target that the image's format gives it, "" if its section does.
    """

    name: str
    section: str
    insns: tuple[Insn, ...]
    refs: tuple[Ref, ...]
    core: tuple[CoreRef, ...]
    func_infos: tuple[FuncInfo, ...]
    line_infos: tuple[LineInfo, ...]
    functions: tuple[tuple[str, int], ...]
    attach_to: str = ""

    @property
    def autoload(self) -> bool:
        """Whether it is loaded by default."""
        return not self.section.startswith("?")


class MapSpec(NamedTuple):
    """A map as the object defines it; ``collection`` adds what the kernel asks for.

    ``section`` is its SEC() text, with a leading ``?`` (autoload off) if struct_ops have one.
    ``key`` and ``value`` are ids in the object's BTF (0: no type known). ``contents`` are the
    initial bytes of a data section's only value (padded with zeros to its size), None for every
    other map. ``slots`` are initial values of a map of maps or of programs: (index, name of
    map or program).
    """

    name: str
    section: str
    type: int
    key_size: int = 0
    value_size: int = 0
    max_entries: int = 0
    flags: int = 0
    key: TypeId = TypeId(0)
    value: TypeId = TypeId(0)
    pinning: int = 0
    numa_node: int = 0
    map_extra: int = 0
    inner: "MapSpec | None" = None
    contents: bytes | None = None
    slots: tuple[tuple[int, str], ...] = ()

    @property
    def autoload(self) -> bool:
        """Whether it is created by default."""
        return not self.section.startswith("?")


class VariableSpec(NamedTuple):
    """A global variable: its type, and its bytes in the map ``map``."""

    name: str
    map: str
    type: TypeId
    offset: int
    size: int
    const: bool  # in .rodata: fixed at load


class ExternSpec(NamedTuple):
    """A variable or function that the object declares and does not define.

    ``section`` is .kconfig or .ksyms. An extern of .kconfig is a variable of the map of that name
    too; its value is set at load. ``type`` is that of the variable, or the FUNC.
    """

    name: str
    section: str
    type: TypeId
    weak: bool
    function: bool


Value: TypeAlias = "int | float | str | bytes | Sequence[Value] | Mapping[str, Value]"
"""A value that a variable is set to.

Text is read as that of the command line (``events.literals``), bytes are taken as they are, and a
mapping sets members of a struct.
"""


class Tracked(NamedTuple):
    """A map that is shown, by the image's convention.

    ``record`` is the type of a buffer's records (0: a table). ``texts`` are the fields that are
    arrays of bytes and are shown as text. ``metric`` is the name of its metric, if its role has
    one, and ``metric_value`` the name of the record's field that holds the metric's number ("":
    records are counted). ``key`` and ``value`` are the types of a table's entries, 0 for those that
    the map declares. ``types`` has these types, None if the object's own do. ``reason`` says why
    they were chosen, where the map does not declare them: "guess: ..." or "unknown: ...".

    ``shown_as`` is the name under which it is shown, "" for the map's. ``drains``: reading a table
    deletes its entries. ``lost_in`` is the map, a per-CPU array, in which programs count records
    that they could not write to a ring buffer. ``vocabulary`` names the typedefs and names that
    have a meaning ("gadget"; "": no special ones). ``metrics`` are the metrics that ebpf_exporter's
    YAML says it feeds, ``measures`` those of a gadget. ``interval`` is how often the image wants a
    table read, in seconds (0: it does not say).
    """

    map: str
    role: Role | None
    record: TypeId
    texts: frozenset[str] = frozenset()
    metric: str = ""
    metric_value: str = ""
    key: TypeId = TypeId(0)
    value: TypeId = TypeId(0)
    types: Btf | None = None
    reason: str = ""
    shown_as: str = ""
    drains: bool = False
    lost_in: str = ""
    vocabulary: str = ""
    presentation: "Presentation | None" = None
    metrics: "tuple[MetricPlan, ...]" = ()
    measures: "tuple[Measure, ...]" = ()
    interval: float = 0.0


class IteratorRecord(NamedTuple):
    """What an iterator's programs write with bpf_seq_write: structs of the type ``record``.

    ``name`` is that of the iterator, which several programs may have in common. The rest is as for
    ``Tracked``.
    """

    name: str
    record: TypeId
    vocabulary: str = ""
    presentation: "Presentation | None" = None


_NO_RECORDS: Mapping[str, IteratorRecord] = MappingProxyType({})


class NotShown(NamedTuple):
    """A map that the image's convention gives a role, and why it is not shown.

    ``by_choice``: it could be, but it is not what a user wants to see first. ``internal``: it only
    serves the programs.
    """

    map: str
    role: Role | None
    reason: str
    by_choice: bool = False
    internal: bool = False


class Parameter(NamedTuple):
    """A variable under the name by which the image's format offers it to users.

    ``variable`` is what ``--set`` takes for it. ``default`` is what the format says, "" where it
    says nothing; ``description`` is foreign text.
    """

    key: str
    variable: str
    default: str = ""
    description: str = ""


class CollectionSpec(NamedTuple):
    """The contents of one object file.

    ``tracked`` and ``not_shown`` are empty until ``conventions.apply`` fills them; ``convention``
    says which one did, and why; ``parameters`` are those that the image's format offers,
    ``unsupported`` the parts of the image that have no effect, a line each. ``iterator_records``
    are the structs that iterators write, by program. ``btf`` is None for an object without type
    information. ``exporter`` is what ebpf_exporter's YAML says of the object, None for other
    formats, ``conditions`` what a gadget's expressions say. ``optional`` are programs that the
    image's own runner goes without where a kernel, or a machine, lacks what they attach to.
    """

    name: str
    license: str
    programs: tuple[ProgramSpec, ...]
    maps: tuple[MapSpec, ...]
    variables: tuple[VariableSpec, ...]
    externs: tuple[ExternSpec, ...]
    btf: Btf | None
    tracked: tuple[Tracked, ...] = ()
    not_shown: tuple[NotShown, ...] = ()
    convention: str = ""
    parameters: tuple[Parameter, ...] = ()
    unsupported: tuple[str, ...] = ()
    iterator_records: Mapping[str, IteratorRecord] = _NO_RECORDS
    exporter: "ExporterConfig | None" = None
    optional: frozenset[str] = frozenset()
    conditions: "Conditions | None" = None

    @property
    def loaded(self) -> tuple[ProgramSpec, ...]:
        """The programs that are loaded by default.

        Those of struct_ops are loaded if a map that names them is loaded, as libbpf's
        ``bpf_object_adjust_struct_ops_autoload`` decides.
        """
        named: dict[str, bool] = {}
        for map_spec in self.maps:
            for _, name in map_spec.slots if map_spec.type == MapType.STRUCT_OPS else ():
                named[name] = named.get(name, False) or map_spec.autoload
        return tuple(
            [program for program in self.programs if named.get(program.name, program.autoload)]
        )

    def __repr__(self) -> str:
        """Return one line with counts; the programs have megabytes."""
        counts = (
            f"programs={len(self.programs)}, maps={len(self.maps)}, variables={len(self.variables)}"
        )
        return f"CollectionSpec({self.name[:50]!r}, {counts})"
