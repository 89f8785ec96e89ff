"""What is said of a program whose section libbpf does not know."""

from beepy import sections
from beepy.errors import UnsupportedSection
from beepy.obj.spec import CollectionSpec, ProgramSpec
from beepy.text import safe


def unknown_section(spec: CollectionSpec, program: ProgramSpec) -> UnsupportedSection:
    """Return the error, with what was looked for, and which programs of the object can run."""
    section = program.section.removeprefix("?")
    where = f"{safe(spec.name)}: program '{safe(program.name)}'"
    error = UnsupportedSection(f"{where}: {sections.unknown(section)}")
    if advice := _advice(section):
        error.add_note(advice)
    known = [one.name for one in spec.loaded if sections.find(one.section)]
    if known:
        error.add_note(f"the others run alone: {' '.join([f'--prog {safe(name)}' for name in known])}")
    return error


def _advice(section: str) -> str:
    """Return how to name the interface that the section names, "" if it names none."""
    name, slash, interface = section.partition("/")
    hook = sections.find(name)
    if not slash or hook is None or "iface" not in hook.options:
        return ""
    return f'SEC("{safe(name)}") in the source, and --iface {safe(interface)}'
