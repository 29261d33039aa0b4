import pytest
from hypothesis import given, strategies

from penstock.terminology.codesystem import CodeSystem
from penstock.terminology.concept import Concept
from tests.unit.terminology.given import ANIMALS, animals, code_system


def found(system: CodeSystem, code: str) -> Concept:
    concept = system.find(code)
    assert concept is not None
    return concept


def test_a_code_may_lie_below_two_others_by_its_place_and_by_properties() -> None:
    system = CodeSystem(animals())
    assert system.above("platypus") == {"platypus", "mammal", "bird", "beast"}
    assert system.below("bird") == {"bird", "duck", "platypus"}
    assert system.children("mammal") == ["dog", "cat", "platypus"]


def test_a_child_property_means_the_same_as_nesting() -> None:
    system = CodeSystem(code_system("http://x/cs", {"code": "a", "property": [{"code": "child", "valueCode": "b"}]}, "b"))
    assert system.above("b") == {"a", "b"}


def test_codes_above_each_other_in_a_circle_end() -> None:
    up = lambda code, parent: {"code": code, "property": [{"code": "parent", "valueCode": parent}]}  # noqa: E731
    system = CodeSystem(code_system("http://x/cs", up("a", "b"), up("b", "a")))
    assert system.above("a") == system.below("a") == {"a", "b"}


def test_a_neighbour_that_is_not_there_is_no_neighbour() -> None:
    system = CodeSystem(code_system("http://x/cs", {"code": "a", "property": [{"code": "parent", "valueCode": "nobody"}]}))
    assert system.above("a") == {"a"}


@pytest.mark.parametrize(("case_sensitive", "there"), [(True, False), (False, True)])
def test_case_matters_where_the_system_says_so(case_sensitive: bool, there: bool) -> None:
    system = CodeSystem(code_system("http://x/cs", "Code", caseSensitive=case_sensitive))
    assert (system.find("cODE") is not None) is there


def test_a_property_is_known_by_its_meaning_whatever_its_code() -> None:
    declared = [{"code": "gone", "uri": "http://hl7.org/fhir/concept-properties#inactive", "type": "boolean"}]
    system = CodeSystem(code_system("http://x/cs", {"code": "a", "property": [{"code": "gone", "valueBoolean": True}]}, property=declared))
    assert system.inactive(found(system, "a"))


@pytest.mark.parametrize(("status", "inactive"), [("retired", True), ("inactive", True), ("deprecated", False), ("active", False)])
def test_some_statuses_make_a_concept_inactive(status: str, inactive: bool) -> None:
    system = CodeSystem(code_system("http://x/cs", {"code": "a", "property": [{"code": "status", "valueCode": status}]}))
    assert system.inactive(found(system, "a")) is inactive


def test_a_supplement_adds_names_and_properties_and_no_codes() -> None:
    supplement = code_system(
        "http://x/more",
        {"code": "cat", "designation": [{"language": "nl", "value": "kat"}], "property": [{"code": "legs", "valueInteger": 4}]},
        "unicorn",
        content="supplement",
        supplements=ANIMALS,
        version="7",
    )
    system = CodeSystem(animals(), [supplement])
    assert [(each.value, each.source) for each in found(system, "cat").designations()] == [("Katze", None), ("kat", "http://x/more|7")]
    assert [each.value for each in found(system, "cat").properties] == [4]
    assert system.find("unicorn") is None


def test_concepts_without_a_code_are_left_out() -> None:
    system = CodeSystem(code_system("http://x/cs", {"_code": {"extension": []}, "display": "nothing"}, "a"))
    assert [each.code for each in system] == ["a"]


@given(strategies.lists(strategies.tuples(strategies.integers(0, 12), strategies.integers(0, 12)), max_size=30))
def test_what_is_above_a_code_has_it_below(edges: list[tuple[int, int]]) -> None:
    parents: dict[int, list[int]] = {}
    for child, parent in edges:
        parents.setdefault(child, []).append(parent)
    above = {code: [{"code": "parent", "valueCode": str(each)} for each in parents.get(code, ())] for code in range(13)}
    rows = [{"code": str(code), "property": properties} for code, properties in above.items()]
    system = CodeSystem(code_system("http://x/cs", *rows))
    for code in map(str, range(13)):
        assert all(code in system.below(each) for each in system.above(code))
        assert all(code in system.above(each) for each in system.below(code))
