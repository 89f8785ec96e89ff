"""Every CO-RE decision that libbpf tells of is ours too: Debian's tools, and our own objects by every clang."""

from collections.abc import Mapping

from tests.oracle import objects
from tests.oracle.comparison import Compared

LEAST = {objects.DEBIAN: 480}
LEAST_OF_OURS = 200  # by each clang

OFFSETS = {("byte_off", form) for form in ("ALU", "LDX", "STX")}
ALU = {"byte_sz", "field_exists", "signed", "lshift_u64", "rshift_u64", "type_exists", "type_size"}
LDIMM64 = {"local_type_id", "target_type_id", "enumval_exists", "enumval_value"}
FORMS = OFFSETS | {(kind, "ALU") for kind in ALU} | {(kind, "LDIMM64") for kind in LDIMM64}

# what a clang has that older ones lack
SINCE = {16: {("type_matches", "ALU")}, 19: {("byte_off", "ST")}}


def test_decisions(family: str, compared: Mapping[str, list[Compared]]) -> None:
    differences = [line for one in compared[family] for line in one.differences()]
    assert not differences, "\n".join(differences)


def test_enough_decisions(family: str, compared: Mapping[str, list[Compared]]) -> None:
    equal = sum(one.equal for one in compared[family])
    assert equal >= LEAST.get(family, LEAST_OF_OURS)


def test_every_kind_in_every_form(clang: str, compared: Mapping[str, list[Compared]]) -> None:
    wanted = FORMS.union(*[forms for since, forms in SINCE.items() if objects.CLANGS[clang] >= since])
    met = set().union(*[one.decided.forms for one in compared[clang]])
    assert met == wanted


def test_every_outcome(clang: str, compared: Mapping[str, list[Compared]]) -> None:
    """Poison, a changed width and each kind of refusal are among what was compared."""
    decisions = [decision for one in compared[clang] for decision in one.verdict.decisions.values()]
    assert any(decision.form == "poison" for decision in decisions)
    assert sum(len(one.verdict.widths) for one in compared[clang]) >= 5
    refused = {one.verdict.failed[1] for one in compared[clang] if one.verdict.failed}
    assert refused == {"byte_off", "enumval_value", "signed", "target_type_id", "type_size"}
