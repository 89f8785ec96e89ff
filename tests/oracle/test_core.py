"""Every CO-RE decision of libbpf is ours too: Debian's tools, our objects by every clang."""

from collections.abc import Mapping
from typing import TypeVar

from tests.oracle import objects
from tests.oracle.comparison import Families

T = TypeVar("T")

LEAST = {objects.DEBIAN: 480, "trixie": 1000, "sid": 700}
LEAST_OF_OURS = 200  # by each clang

# Every kind in every form that clang gives it, by the first of our clangs that knows it.
FORMS = {
    11: {
        ("byte_off", "ALU"),
        ("byte_off", "LDX"),
        ("byte_off", "STX"),
        ("byte_sz", "ALU"),
        ("field_exists", "ALU"),
        ("signed", "ALU"),
        ("lshift_u64", "ALU"),
        ("rshift_u64", "ALU"),
    },
    14: {
        ("local_type_id", "LDIMM64"),
        ("target_type_id", "LDIMM64"),
        ("type_exists", "ALU"),
        ("type_size", "ALU"),
        ("enumval_exists", "LDIMM64"),
        ("enumval_value", "LDIMM64"),
    },
    16: {("type_matches", "ALU")},
    19: {("byte_off", "ST")},
}

# what libbpf refuses to relocate in some object
REFUSED = {11: {"byte_off", "signed"}, 14: {"enumval_value", "target_type_id", "type_size"}}


def until(clang: str, since: Mapping[int, set[T]]) -> set[T]:
    """Return what a clang knows."""
    return set().union(
        *[known for version, known in since.items() if version <= objects.CLANGS[clang]]
    )


def test_decisions(family: str, compared: Families) -> None:
    differences = [line for one in compared[family] for line in one.differences()]
    assert not differences, "\n".join(differences)


def test_enough_decisions(family: str, compared: Families) -> None:
    equal = sum(one.equal for one in compared[family])
    assert equal >= LEAST.get(family, LEAST_OF_OURS)


def test_every_kind_in_every_form(clang: str, compared: Families) -> None:
    assert set().union(*[one.decided.forms for one in compared[clang]]) == until(clang, FORMS)


def test_every_outcome(clang: str, compared: Families) -> None:
    """Poison, a changed width and each kind of refusal are among what was compared."""
    decisions = [decision for one in compared[clang] for decision in one.verdict.decisions.values()]
    assert any(decision.form == "poison" for decision in decisions)
    assert sum(len(one.verdict.widths) for one in compared[clang]) >= 5
    refused = {one.verdict.failed[1] for one in compared[clang] if one.verdict.failed}
    assert refused == until(clang, REFUSED)
