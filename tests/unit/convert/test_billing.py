"""Accounts and charges from message to message."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from penstock import convert
from penstock.convert import Context, merge
from penstock.convert.engine import Converted
from penstock.formats.hl7v2 import parse
from tests.unit.convert.state.stories import end, only, said


def converted(type: str, text: str = "", control: str = "1") -> Converted:
    head = f"MSH|^~\\&|BILL|NORTHGATE|||20250413||{type}|{control}|P|2.5\rEVN|X|20250414\r"
    return convert.convert(parse(f"{head}PID|1||7^^^X^MR|||||||||||||||A1^^^X^AN\r{text}"), convert.plan(), Context())


def told(type: str, at: str, text: str = "") -> str:
    head = f"MSH|^~\\&|BILL|NORTHGATE|||{at}||{type}|{type}{at}|P|2.5\rEVN||{at}\r"
    return f"{head}PID|1||7^^^X^MR|||||||||||||||A1^^^X^AN\r{text}"


def account(*messages: str) -> dict[str, Any]:
    """The account after these messages, in whatever order they arrive."""
    orders = [only(end(order), "Account") for order in permutations(list(map(said, messages)))]
    assert all(one == orders[0] for one in orders)
    return orders[0]


def test_an_ended_account_stays_ended_until_it_is_added_again() -> None:
    messages = [told("BAR^P01", "20250413080000"), told("BAR^P06", "20250414080000")]
    assert account(*messages) == account(messages[0]) | {"status": "inactive", "servicePeriod": {"end": "2025-04-14T08:00:00+00:00"}}
    messages += [told("ADT^A08", "20250415080000", "PV1|1|O"), told("DFT^P03", "20250416080000", "FT1|1|||20250413||CG|C1")]
    messages += [told("BAR^P05", "20250417080000")]
    assert account(*messages)["status"] == "inactive"
    again = account(*messages, told("BAR^P01", "20250418080000"))
    assert again["status"] == "active" and "servicePeriod" not in again


def test_the_insurances_of_an_account_are_collected() -> None:
    first = told("BAR^P01", "20250413080000", "IN1|1|P1|C1" + "|" * 19 + "1" + "|" * 14 + "POL1")
    second = told("BAR^P05", "20250414080000", "IN1|2|P2|C2" + "|" * 19 + "2" + "|" * 14 + "POL2")
    assert [one["priority"] for one in account(first, second)["coverage"]] == [1, 2]


def charges(text: str, control: str = "1") -> list[dict[str, Any]]:
    return [one for one in converted("DFT^P03", text, control).resources if one["resourceType"] == "ChargeItem"]


def test_a_charge_is_known_by_its_transaction() -> None:
    [charge], [credit] = charges("FT1|1|T1||20250413||CG|C1", "1"), charges("FT1|1|T1||20250414||CD|C1", "2")
    assert charge["id"] == credit["id"]
    assert merge(charge, credit)["status"] == "aborted"


def test_equal_charges_without_a_transaction_are_two_and_the_same_message_again_is_the_same() -> None:
    text = "FT1|1|||20250413||CG|C1\rFT1|2|||20250413||CG|C1"
    assert len({one["id"] for one in charges(text)}) == 2
    assert charges(text, "1") == charges(text, "1")
    assert not {one["id"] for one in charges(text, "1")} & {one["id"] for one in charges(text, "2")}


def test_an_unknown_type_of_transaction_is_work_for_a_steward() -> None:
    result = converted("DFT^P03", "FT1|1|T1||20250413||ZZ|C1")
    assert [one["status"] for one in result.resources if one["resourceType"] == "ChargeItem"] == ["unknown"]
    assert ("FT1-6", "ZZ") in {(one.source, one.code) for one in result.steward}


def test_a_number_of_an_organization_is_none_at_home() -> None:
    result = converted(
        "DFT^P03", "FT1|1|T1||20250413||CG|C1\rPRT|1|AD||AP^^HL70443|7^Orr^Lia||1^House^HL70406|House||||||||^PRN^PH^^^113^5550100"
    )
    uses = [point.get("use") for one in result.resources if one["resourceType"] == "Organization" for point in one.get("telecom", ())]
    assert "home" not in uses


def test_an_insurance_that_names_no_company_has_an_unknown_payor() -> None:
    [coverage] = [one for one in converted("BAR^P01", "IN1|1|PAR^Parent||||Luigi").resources if one["resourceType"] == "Coverage"]
    assert coverage["payor"] == [{"display": "unknown"}]
