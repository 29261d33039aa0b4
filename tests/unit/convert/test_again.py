"""The same text in the same field of several segments is converted once; each resource has its own parts and its own lineage."""

from __future__ import annotations

import gc
from typing import Any

from penstock import convert
from penstock.convert import Context, Converted
from penstock.convert.memory import Memories
from penstock.formats.hl7v2 import parse

HEAD = "MSH|^~\\&|LAB|NORTHGATE|||20250414120000+0000||ORU^R01^ORU_R01|1|P|2.5.1\rPID|1||1^^^NORTHGATE^MR\rOBR|1||F1^LAB|24323-8^Panel^LN\r"
RESULT = "OBX|1|NM|2951-2^Sodium^LN||139|mmol/L^^UCUM|136-145|N~X|||F|||20250414113000+0000\r"


def converted(text: str) -> Converted:
    return convert.convert(parse(text), convert.plan(), Context())


def observations(result: Converted) -> list[tuple[dict[str, Any], list[tuple[str, str, str]]]]:
    """Each Observation without its id, and its lineage."""
    return [
        (
            {name: value for name, value in one.items() if name != "id"},
            sorted((path, rule, source) for at, path, rule, source in result.lineage if at == number),
        )
        for number, one in enumerate(result.resources)
        if one["resourceType"] == "Observation"
    ]


def test_a_repeated_result_is_what_it_is_alone_with_its_own_lineage() -> None:
    [(alone, steps)] = observations(converted(HEAD + RESULT))
    found = observations(converted(HEAD + RESULT * 3))
    assert [body for body, _ in found] == [alone] * 3
    for number, (_, lineage) in enumerate(found, 1):
        assert lineage == [(path, rule, source.replace("OBX", f"OBX[{number}]", 1)) for path, rule, source in steps]


def test_repeated_results_share_no_part_that_can_change() -> None:
    """The second of equal texts is remembered, the third and fourth are made from memory."""
    one, *others = (body for body, _ in observations(converted(HEAD + RESULT * 4)))
    while others:
        one["code"]["coding"].append({})
        one["interpretation"].pop()
        one, *others = others
        assert len(one["code"]["coding"]) == 1
        assert len(one["interpretation"]) == 2


def test_a_conversion_leaves_nothing_for_the_garbage_collector() -> None:
    message, plan = parse(HEAD + RESULT * 3), convert.plan()
    convert.convert(message, plan, Context())
    gc.collect()
    gc.disable()
    try:
        convert.convert(message, plan, Context())
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_code_is_remembered_from_message_to_message_and_stays_what_it_is_alone() -> None:
    results = [converted(HEAD + RESULT.replace("2951-2", "2823-3")) for _ in range(4)]
    [(alone, steps)] = observations(results[0])
    for result in results[1:]:
        [(body, lineage)] = observations(result)
        assert (body, lineage) == (alone, steps)
        body["code"]["coding"].append({})
        body["interpretation"].pop()


def test_what_a_code_means_depends_on_its_sender_and_on_the_site() -> None:
    def system(context: Context, facility: str = "NORTHGATE") -> str:
        local = (HEAD + RESULT).replace("2951-2^Sodium^LN", "NA^Sodium^99LAB").replace("NORTHGATE", facility)
        result = convert.convert(parse(local), convert.plan(), context)
        return str(observations(result)[0][0]["code"]["coding"][0]["system"])

    known = Context(code_systems={"99LAB": "https://example.org/codes"})
    assert [system(Context()) for _ in range(3)] == [system(Context())] * 3
    assert [system(known) for _ in range(3)] == ["https://example.org/codes"] * 3
    assert system(Context(), "SOUTHGATE") != system(Context())


def test_what_is_remembered_is_bounded() -> None:
    plan = convert.plan()
    for number in range(Memories.SENDERS + 5):
        convert.convert(parse((HEAD + RESULT).replace("NORTHGATE", f"H{number}")), plan, Context())
    assert len(plan.memories.kept) <= Memories.SENDERS
    before = len(plan.memories.kept)
    convert.convert(parse((HEAD + RESULT).replace("2951-2", "9" * 600)), plan, Context())
    assert len(plan.memories.kept) <= before + 1
    assert not any(
        len(str(key)) > Memories.LONGEST for told in plan.memories.kept.values() for said in told.values() for key in said if said[key]
    )
    for number in range(Memories.TEXTS):
        convert.convert(parse((HEAD + RESULT).replace("2951-2", str(number))), plan, Context())
    assert sum(len(said) for told in plan.memories.kept.values() for said in told.values()) < 2 * Memories.TEXTS


def test_a_segment_is_remembered_as_a_whole_and_the_remainder_too() -> None:
    local = (HEAD + RESULT).replace("2951-2^Sodium^LN", "NA^Sodium^99LAB^^^^1&2").replace("F|||", "F||U|")
    first, *others = [converted(local) for _ in range(4)]
    for other in others:
        assert (other.resources, sorted(other.lineage), other.remainder) == (first.resources, sorted(first.lineage), first.remainder)
        assert sorted(other.steward) == sorted(first.steward) != []


def test_a_remembered_segment_does_not_answer_for_another_type_of_value() -> None:
    for type, value in (("NM", "139"), ("ST", "high"), ("SN", ">^139"), ("SN", "<>^139"), ("NM", "139")) * 3:
        [(body, _)] = observations(converted(HEAD + RESULT.replace("NM", type).replace("139", value)))
        if "valueQuantity" in body:
            assert body["valueQuantity"]["code"] == "mmol/L"
        else:
            assert body["valueString"] in ("high", "<> 139 mmol/L", "<> 139   mmol/L")
