"""Programs that libbpf does not attach either: a warning says what must run them."""

import pytest

from beepy import hooks, sections
from beepy.hooks import Target
from beepy.kernel import program
from tests.support import programs

pytestmark = pytest.mark.kernel

ROUTE = "a route with it (--pin-progs DIR; ip route ... encap bpf {} pinned PATH)"


@pytest.mark.parametrize(
    ("section", "runs"),
    [
        ("xdp/devmap", "an entry of a DEVMAP with it"),
        ("xdp.frags/devmap", "an entry of a DEVMAP with it"),
        ("xdp/cpumap", "an entry of a CPUMAP with it"),
        ("xdp.frags/cpumap", "an entry of a CPUMAP with it"),
        ("action", "a filter with it (--pin-progs DIR; tc filter ... action bpf pinned PATH)"),
        ("syscall", "BPF_PROG_TEST_RUN (--pin-progs DIR)"),
        ("lwt_in", ROUTE.format("in")),
        ("lwt_out", ROUTE.format("out")),
        ("lwt_xmit", ROUTE.format("xmit")),
        ("lwt_seg6local", "a route with it (encap seg6local action End.BPF endpoint pinned PATH)"),
    ],
)
def test_a_warning_says_what_must_run_the_program(
    section: str, runs: str, caplog: pytest.LogCaptureFixture
) -> None:
    hook = sections.find(section)
    assert hook
    code = programs.returns(0)
    with program.load(
        "one", section, hook.prog_type, code, "GPL", attach_type=hook.attach_type, flags=hook.flags
    ) as loaded:
        hooks.attach(loaded, Target()).close()
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert (
        record.getMessage()
        == f"program 'one': {section}: loaded, not attached: it must be run by {runs}"
    )
