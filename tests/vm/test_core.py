"""CO-RE against the types of other kernels, none of which is booted."""

import pytest

from beepy.btf.btf import Btf
from beepy.core.resolve import Resolver
from beepy.oci.lookup import bundled_store
from beepy.source import parse
from tests.vm import vmlinux
from tests.vm.kernels import Fetched

pytestmark = pytest.mark.timeout(3600)  # a machine ends a guest by its work, not by the clock

UNRELOCATED = ("xdpcount",)  # reads no type of the kernel's
EITHER = {  # image -> types or flavors of which a kernel has one
    "biolatency": [("trace_event_raw_block_rq_completion", "trace_event_raw_block_rq_complete")],
    "runqlat": [("task_struct___state", "task_struct___long")],
}


@pytest.fixture(scope="session")
def types(fetched: Fetched) -> Btf:
    return vmlinux.types(fetched.image)


@pytest.mark.parametrize("image", bundled_store().names())
def test_every_field_of_an_image_is_there(types: Btf, image: str) -> None:
    spec = parse(bundled_store().get(image))
    assert spec.btf
    resolver = Resolver(spec.btf, (types,))
    fixups = [fixup for program in spec.programs for fixup in resolver.fixups(program)]
    assert fixups or image in UNRELOCATED
    missing = {fixup.access for fixup in fixups if fixup.poison}
    for alternatives in EITHER.get(image, ()):
        absent = [
            {what for what in missing if what.startswith(f"struct {name}.")}
            for name in alternatives
        ]
        assert not all(absent), absent
        missing = missing.difference(*absent)
    assert not missing
