"""The error for a program with a section that libbpf does not know."""

from beepy import sections
from beepy.errors import UnsupportedSection
from beepy.obj.spec import CollectionSpec, ProgramSpec
from beepy.text import safe


def unknown_section(spec: CollectionSpec, program: ProgramSpec) -> UnsupportedSection:
    """Return the error, with notes on what may be meant and which programs can run without it."""
    section = program.section.removeprefix("?")
    where = f"{safe(spec.name)}: program '{safe(program.name)}'"
    error = UnsupportedSection(f"{where}: {sections.unknown(section)}")
    if advice := _advice(section):
        error.add_note(advice)
    others = [other.name for other in spec.loaded if sections.find(other.section)]
    if others:
        options = " ".join([f"--prog {safe(name)}" for name in others])
        error.add_note(f"the others run without it: {options}")
    return error


def _advice(section: str) -> str:
    """Return how to give an interface that the section contains, "" if it contains none."""
    name, slash, interface = section.partition("/")
    hook = sections.find(name)
    if not slash or hook is None or "iface" not in hook.options:
        return ""
    return f'SEC("{safe(name)}") in the source, and --iface {safe(interface)}'
