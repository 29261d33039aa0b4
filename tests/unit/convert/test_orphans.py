"""Results whose order is not stored are flagged at the number of that order."""

from __future__ import annotations

import pytest

from penstock import convert
from penstock.convert import Context, Converted, Plan
from penstock.convert.orphans import ORPHAN, orphans
from penstock.formats.hl7v2 import parse

PATIENT = "PID|1||E1^^^ELMS^MR||Quarrington^Tamsin||19610203|F"
ORDERS = (
    "ORC|RE|P1^PAS|F1^LAB", "OBR|1|P1^PAS|F1^LAB|1^One^L|||20250601", "OBX|1|NM|2^Two^L||4|||||F",
    "ORC|RE||F2^LAB", "OBR|2||F2^LAB|3^Three^L|||20250601", "OBX|1|NM|4^Four^L||4|||||F",
)  # fmt: skip


def converted(plan: Plan, type_: str) -> Converted:
    return convert.convert(
        parse("\r".join((f"MSH|^~\\&|A|ELMS|B|C|20250601||{type_}|1|P|2.5.1", PATIENT, *ORDERS)).encode()), plan, Context()
    )


def of_orders(result: Converted) -> list[int]:
    return [index for index, one in enumerate(result.resources) if one["resourceType"] == "ServiceRequest"]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return convert.plan()


def test_each_order_that_a_result_makes_is_flagged_at_its_number(plan: Plan) -> None:
    result = converted(plan, "ORU^R01^ORU_R01")
    first, second = of_orders(result)
    assert orphans(result, range(len(result.resources))) == [("ORC[1]-2.1", ORPHAN), ("ORC[2]-3.1", ORPHAN)]
    assert orphans(result, [second]) == [("ORC[2]-3.1", ORPHAN)]
    assert orphans(result, [index for index in range(len(result.resources)) if index not in (first, second)]) == []


def test_an_order_is_no_orphan_of_itself(plan: Plan) -> None:
    result = converted(plan, "OML^O21^OML_O21")
    assert of_orders(result)
    assert orphans(result, range(len(result.resources))) == []
