"""Each module has a test file of its name, or is named here with the files that test it."""

from pathlib import Path
from typing import Final

import pytest

from tests.support.command import ROOT

COLUMNS: Final = "unit/outputs/columns/test_columns.py"
SOCKETS: Final = "kernel/hooks/test_sockets.py"

# module -> test files: what is part of a larger thing is tested by what that does
ELSEWHERE: Final[dict[str, str]] = {
    "__main__": "unit/test_main.py",
    "analysis/effects": "unit/analysis/test_describe.py",
    "api": "kernel/test_face.py unit/test_arguments.py",
    "btf/build": "unit/btf/test_btf.py",
    "btf/header": "unit/btf/test_btf.py",
    "btf/names": "unit/btf/test_btf.py",
    "chosen": "unit/test_launch.py kernel/test_run.py",
    "cli/command": "unit/cli/test_app.py",
    "cli/cost_options": "kernel/cost/test_meter.py",
    "cli/inspected": "registry/test_inspect.py",
    "cli/packaging": "unit/cli/test_package.py",
    "cli/panels": "unit/cli/test_app.py",
    "cli/replay": "kernel/test_record.py unit/cli/test_app.py",
    "cli/shown": "unit/cli/test_app.py",
    "cli/signals": "kernel/test_run_end.py kernel/test_interrupted.py",
    "cli/stdio": "unit/cli/test_app.py kernel/test_run_end.py",
    "cli/whose": "unit/test_selecting.py unit/cli/test_app.py",
    "collection/cgroup_ids": "kernel/test_exporter.py",
    "collection/code_info": "kernel/test_load.py kernel/test_refusals.py",
    "collection/conditions": "kernel/test_gadget.py",
    "collection/forms": "kernel/test_forms.py oracle/test_rewrite.py",
    "collection/jumptables": "unit/obj/test_functions.py vm/test_libbpf.py",
    "collection/kaddrs": "kernel/test_exporter.py",
    "collection/losses": "unit/rewrite/test_losses.py kernel/test_exact_losses.py",
    "collection/plan": "kernel/test_load.py kernel/test_check.py",
    "collection/program_states": "kernel/test_exporter.py",
    "collection/relocate": "kernel/test_load.py",
    "collection/unknown_section": "unit/collection/test_targets.py",
    "collection/verifier_log": "kernel/test_refusals.py",
    "conventions/eunomia_meta": "unit/conventions/test_eunomia.py",
    "conventions/exporter/buckets": "unit/conventions/exporter/test_config.py",
    "conventions/exporter/label_types": "unit/conventions/exporter/test_exporter.py",
    "conventions/untyped": "unit/conventions/test_auto.py",
    "conventions/yaml_values": "unit/conventions/exporter/test_config.py",
    "core/values": "unit/core/test_resolve.py",
    "enrich/cgroups": "kernel/test_exporter.py",
    "enrich/interfaces": "unit/enrich/test_devices.py",
    "enrich/names": "kernel/test_exporter.py",
    "events/batch": "kernel/test_ringbuf.py kernel/test_table.py",
    "events/budget": "unit/events/test_fields.py",
    "events/costs": "unit/cli/test_cost_lines.py kernel/cost/test_meter.py",
    "events/memo": "unit/events/test_decoder.py",
    "events/order": "unit/events/test_arrangement.py unit/outputs/columns/test_columns.py",
    "events/protocols": "unit/test_session.py",
    "events/stats": "unit/test_session.py unit/cli/test_session.py",
    "events/where/constants": "unit/events/where/test_where.py",
    "events/where/grammar": "unit/events/where/test_where.py",
    "events/where/scope": "unit/events/where/test_where.py",
    "events/where/tests": "unit/events/where/test_where.py",
    "events/where/tree": "unit/events/where/test_where.py",
    "events/where/typed": "unit/events/where/test_where.py",
    "flow/budget": "unit/flow/test_trace.py fuzz/test_bombs.py",
    "flow/facts": "unit/flow/test_trace.py",
    "flow/helpers": "unit/flow/test_trace.py oracle/test_flow.py",
    "flow/machine": "unit/flow/test_trace.py oracle/test_flow.py",
    "flow/records": "unit/flow/test_outputs.py",
    "hooks/binary": "kernel/hooks/test_uprobe.py",
    "hooks/cgroup_skb": "kernel/hooks/test_cgroup.py",
    "hooks/files": "kernel/hooks/test_uprobe.py",
    "hooks/flow_dissector": SOCKETS,
    "hooks/interface": "kernel/hooks/test_xdp.py kernel/hooks/test_tc.py",
    "hooks/ksyscall": "kernel/hooks/test_kprobe.py",
    "hooks/namespace": SOCKETS,
    "hooks/netfilter": SOCKETS,
    "hooks/netkit": "kernel/hooks/test_tc.py",
    "hooks/netlink": "kernel/hooks/test_tc.py kernel/hooks/test_xdp.py",
    "hooks/persistent": "kernel/test_killed.py",
    "hooks/probe": "kernel/hooks/test_uprobe.py kernel/hooks/test_kprobe.py",
    "hooks/raw_tracepoint": "kernel/test_link.py",
    "hooks/socket_filter": SOCKETS,
    "hooks/sockmap": SOCKETS,
    "hooks/target": "unit/collection/test_targets.py",
    "hooks/trace_instance": "kernel/trace/test_tracer.py",
    "hooks/tracepoint": "kernel/test_link.py",
    "hooks/trampoline": "kernel/test_link.py",
    "hooks/trampoline_multi": "vm/test_kernels.py",
    "host/sysfs": "kernel/test_btf.py",
    "inspection": "kernel/test_check.py unit/cli/test_description.py",
    "kernel/multi_links": "unit/hooks/test_kprobe_multi.py kernel/hooks/test_uprobe_multi.py",
    "kernel/objects": "kernel/ps/test_snapshot.py",
    "kernel/own_pid": "kernel/test_own.py",
    "kernel/probes": "kernel/test_features.py",
    "kernel/run_time": "kernel/ps/test_snapshot.py",
    "maps/barrier": "kernel/test_ringbuf.py",
    "maps/claim": "kernel/test_pins.py",
    "maps/counted": "kernel/test_exact_losses.py",
    "maps/slots": "kernel/test_forms.py",
    "obj/conditions": "unit/conventions/test_gadget_names.py",
    "obj/exporter": "unit/conventions/exporter/test_config.py",
    "obj/insn": "unit/obj/test_functions.py",
    "obj/pinning": "kernel/test_pins.py",
    "obj/presentation": "unit/conventions/test_gadget_columns.py",
    "obj/spec": "unit/obj/test_parse.py",
    "oci/client": "registry/test_registry.py registry/test_redirects.py",
    "oci/credential_helper": "unit/oci/test_auth.py registry/test_login.py",
    "oci/descriptor": "unit/oci/test_manifest.py",
    "oci/formats/unsupported": "unit/oci/test_lookup.py",
    "oci/image": "unit/test_representations.py",
    "oci/image_file": "unit/oci/test_lookup.py",
    "oci/local": "registry/test_push.py registry/test_inspect.py",
    "oci/option_checks": "unit/oci/test_lookup.py",
    "oci/options": "unit/oci/test_lookup.py",
    "oci/progress": "registry/test_pull.py registry/test_push.py unit/cli/test_progress.py",
    "oci/session": "registry/test_limits.py",
    "oci/sha256": "unit/oci/test_layout.py",
    "oci/signatures/bundle": "unit/oci/signatures/test_verify.py",
    "oci/signatures/claim": "unit/oci/signatures/test_verify.py",
    "oci/signatures/fetched": "registry/test_signatures.py",
    "oci/signatures/holder": "unit/oci/signatures/test_verify.py",
    "oci/signatures/signer": "unit/oci/test_policy.py",
    "oci/signatures/simple": "unit/oci/signatures/test_verify.py",
    "oci/signatures/stored": "registry/test_signatures.py",
    "oci/transport": "registry/test_limits.py",
    "oci/upload": "registry/test_push.py registry/test_round_trip.py",
    "outputs/columns/counts": COLUMNS,
    "outputs/columns/grid": COLUMNS,
    "outputs/columns/labels": COLUMNS,
    "outputs/columns/live": COLUMNS,
    "outputs/columns/pages": COLUMNS,
    "outputs/columns/panel": COLUMNS,
    "outputs/columns/panels": COLUMNS,
    "outputs/columns/sheet": COLUMNS,
    "outputs/columns/tables": COLUMNS,
    "outputs/columns/terminal": COLUMNS,
    "outputs/columns/text_columns": COLUMNS,
    "outputs/columns/times": COLUMNS,
    "outputs/http_connection": "unit/outputs/test_metrics_server.py",
    "outputs/none": "unit/outputs/test_make.py",
    "outputs/self_metrics": "unit/outputs/test_prometheus.py",
    "outputs/series": "unit/outputs/test_prometheus.py",
    "outputs/series_limit": "unit/outputs/test_prometheus.py unit/outputs/test_exporter_metrics.py",
    "outputs/top": "unit/events/test_top.py",
    "ps/cgroups": "kernel/ps/test_snapshot.py",
    "ps/interfaces": "kernel/ps/test_snapshot.py",
    "ps/points": "kernel/ps/test_snapshot.py",
    "ps/values": "kernel/ps/test_snapshot.py",
    "readers": "kernel/test_streams.py kernel/test_gadget.py",
    "recording/blocks": "unit/recording/test_recording.py",
    "recording/items": "unit/recording/test_recording.py",
    "recording/playback": "unit/recording/test_recording.py",
    "recording/recorder": "unit/recording/test_recording.py",
    "rewrite/prologue": "unit/rewrite/test_select.py kernel/test_selecting.py",
    "rewrite/shed": "unit/test_shedding.py kernel/cost/test_meter.py",
    "subjects": "unit/test_selecting.py",
    "sys/call": "kernel/test_syscall.py",
    "toolchain/architectures": "registry/test_build.py",
    "toolchain/compile": "unit/cli/test_build.py registry/test_build.py",
    "toolchain/image": "unit/cli/test_build.py",
    "tui/catalogue_controls": "unit/tui/test_catalogue_form.py",
    "tui/catalogue_items": "unit/tui/test_catalogue_form.py",
    "tui/catalogue_style": "unit/tui/test_catalogue.py",
    "uapi_objects": "kernel/test_uapi.py",
}

MODULES = sorted(
    str(path.relative_to(ROOT / "beepy").with_suffix(""))
    for path in (ROOT / "beepy").rglob("*.py")
    if path.name != "__init__.py"
)


def _files_of(module: str) -> list[Path]:
    """The test files of a module's name, in its own room where several rooms have such a module."""
    room, _, name = module.rpartition("/")
    files = [*(ROOT / "tests").rglob(f"test_{name}.py")]
    return [path for path in files if not room or room in str(path)] or files


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_its_tests(module: str) -> None:
    if module in ELSEWHERE:
        files = [ROOT / "tests" / name for name in ELSEWHERE[module].split()]
        assert [str(path) for path in files if not path.is_file()] == []
    else:
        assert _files_of(module)


def test_no_entry_is_stale() -> None:
    assert set(ELSEWHERE) <= set(MODULES)
