"""CO-RE against the types of other kernels, none of which is booted."""

import pytest

from beepy.btf.btf import Btf
from beepy.core.resolve import Resolver
from beepy.oci.lookup import bundled_store
from beepy.source import parse
from tests.vm import vmlinux
from tests.vm.kernels import Fetched

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="session")
def types(fetched: Fetched) -> Btf:
    return vmlinux.types(fetched.image)


@pytest.mark.parametrize("image", bundled_store().names())
def test_every_field_of_an_image_is_there(types: Btf, image: str) -> None:
    spec = parse(bundled_store().get(image))
    assert spec.btf
    resolver = Resolver(spec.btf, (types,))
    fixups = [fixup for program in spec.programs for fixup in resolver.fixups(program)]
    assert fixups
    assert not [str(fixup) for fixup in fixups if fixup.poison]
