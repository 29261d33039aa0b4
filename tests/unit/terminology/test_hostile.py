"""Definitions that nobody validated: whatever is written in them, the answer is an answer or a Problem."""

import copy
from typing import Any

from hypothesis import given, settings, strategies

from penstock.errors import Problem
from penstock.terminology.conceptmap import Translated, translate
from penstock.terminology.expansion import Wanted
from penstock.terminology.shown import Manner
from penstock.terminology.validation import of_code, validate
from penstock.terminology.verdict import Rules
from tests.unit.terminology.given import ANIMALS, animals, filtered, terminology, value_set

VS = "http://x/vs"
JUNK = strategies.sampled_from([None, 7, "", "x", True, [], {}, [None], [7], {"x": 1}, [[]], -1.5, "\x00"])
DEPENDS = {"property": "p", "value": "v"}
DEFINITIONS = (
    animals(property=[{"code": "legs", "uri": "http://x/legs", "type": "integer"}]),
    value_set(
        VS,
        filtered("concept", "is-a", "mammal"),
        {"system": ANIMALS, "concept": [{"code": "duck", "display": "Duck", "designation": [{"language": "de", "value": "Ente"}]}]},
        {"valueSet": ["http://hl7.org/fhir/ValueSet/administrative-gender"]},
        exclude=[{"system": ANIMALS, "concept": [{"code": "cat"}]}],
    ),
    {
        "resourceType": "ConceptMap",
        "url": "http://x/map",
        "sourceUri": VS,
        "group": [
            {
                "source": ANIMALS,
                "target": "http://x/t",
                "element": [
                    {"code": "dog", "target": [{"code": "d", "equivalence": "equal", "dependsOn": [{"property": "p", "value": "v"}]}]}
                ],
                "unmapped": {"mode": "fixed", "code": "other"},
            }
        ],
    },
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a definition but its type and URL, by which it is found."""
    found = [at] if at and at not in (("resourceType",), ("url",)) else []
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [place for key, child in children for place in places(child, (*at, key))]


def spoilt(definition: dict[str, Any], at: tuple[Any, ...], junk: Any) -> dict[str, Any]:
    found = copy.deepcopy(definition)
    holder: Any = found
    for key in at[:-1]:
        holder = holder[key]
    holder[at[-1]] = junk
    return found


@settings(max_examples=400, deadline=None)
@given(data=strategies.data(), junk=JUNK, which=strategies.integers(0, len(DEFINITIONS) - 1))
def test_a_spoilt_definition_gives_an_answer_or_a_problem(data: strategies.DataObject, junk: Any, which: int) -> None:
    at = data.draw(strategies.sampled_from(places(DEFINITIONS[which])))
    known = terminology(*(spoilt(each, at, junk) if place == which else each for place, each in enumerate(DEFINITIONS)))
    assert known.member(VS, ANIMALS, "dog") in (True, False, None)
    assert known.member(VS, None, "duck") in (True, False, None)
    known.codes(VS)
    known.subsumed(ANIMALS, "dog")
    library = known.library()
    wanted = Wanted(manner=Manner(("de",), designations=True, properties=("legs", "definition")))
    for ask in (
        lambda: known.expand(VS, wanted, identifier="x", timestamp="y"),
        lambda: validate(of_code("duck", ANIMALS, None, "Ente"), library.value_set(VS), library, Rules()),
        lambda: translate(library.maps_from(ANIMALS, None, None), Translated(ANIMALS, "dog"), library.concept_map, back=False),
    ):
        try:
            ask()
        except Problem as problem:
            assert problem.code != "exception"
