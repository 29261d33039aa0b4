import pytest

from penstock.formats.fhir.definitions import Binding, Definitions, r4


def test_r4_has_its_146_resource_types_and_no_abstract_one_among_them() -> None:
    types = r4().resource_types
    assert len(types) == 146
    assert {"Patient", "Bundle", "Parameters"} <= types
    assert not {"Resource", "DomainResource", "Quantity"} & types


def test_a_start_does_not_load_value_sets_and_code_systems() -> None:
    fresh = Definitions()
    assert fresh.type("Patient") and fresh.search_params("Patient")
    assert not {"code_systems", "value_sets", "_bindings"} & vars(fresh).keys()
    assert fresh.value_sets
    assert "value_sets" in vars(fresh)


@pytest.mark.parametrize(
    ("path", "name", "type"),
    [
        ("Patient.contact.name.given", "given", "string"),
        ("Patient.contact", "contact", "Patient.contact"),
        ("Observation.value[x]", "value[x]", "Quantity"),
        ("Observation.value", "value[x]", "Quantity"),
        ("Observation.valueQuantity.value", "value", "decimal"),
        ("Observation.component[0].referenceRange.low.value", "value", "decimal"),
        ("Patient._birthDate.extension", "extension", "Extension"),
        ("Bundle.entry.resource", "resource", "Resource"),
        ("Patient.id", "id", "id"),
    ],
)
def test_a_path_names_its_element(path: str, name: str, type: str) -> None:
    element = r4().type_at(path)
    assert element is not None
    assert (element.name, element.type) == (name, type)


@pytest.mark.parametrize(
    "path", ["Patient", "Patient.nope", "Nope.id", "Patient.birthDate.day", "Observation.valueReference", "", "Patient..name"]
)
def test_a_path_that_r4_does_not_have_is_none(path: str) -> None:
    assert r4().type_at(path) is None


def test_a_choice_is_one_property_a_type_each_primitive_with_its_sibling() -> None:
    observation = r4().type("Observation")
    assert observation is not None
    names = [element.name for element in observation.variants("value")]
    assert names[:3] == ["valueQuantity", "valueCodeableConcept", "valueString"]
    assert len(names) == 11
    assert observation.elements["_valueString"].sibling
    assert "_valueQuantity" not in observation.elements


def test_an_element_tells_cardinality_binding_targets_and_flags() -> None:
    patient, observation = r4().type("Patient"), r4().type("Observation")
    assert patient is not None and observation is not None
    assert patient.elements["link"].modifier and patient.elements["link"].many
    assert observation.elements["status"].least == 1 and not observation.elements["status"].many
    assert observation.elements["status"].binding == Binding("required", "http://hl7.org/fhir/ValueSet/observation-status")
    assert observation.elements["encounter"].targets == ("Encounter",)
    assert observation.elements["status"].summary and not observation.elements["category"].summary
    assert observation.elements["status"].order < observation.elements["code"].order


def test_search_parameters_include_those_of_every_resource() -> None:
    params = r4().search_params("Patient")
    assert params["birthdate"].type == "date"
    assert params["_id"].expression == "Resource.id"
    assert params["general-practitioner"].targets == ("Organization", "Practitioner", "PractitionerRole")
    assert "subject" not in params


def test_the_patient_compartment_says_how_a_type_belongs_to_it() -> None:
    compartment = r4().compartment("Patient")
    assert compartment["Observation"] == ("subject", "performer")
    assert "Organization" not in compartment
    assert r4().compartment("Nobody") == {}


def test_a_closed_value_set_is_expanded_and_an_open_one_is_none() -> None:
    genders = r4().required_codes("http://hl7.org/fhir/ValueSet/administrative-gender")
    assert genders == {"http://hl7.org/fhir/administrative-gender": frozenset({"male", "female", "other", "unknown"})}
    assert r4().required_codes("http://hl7.org/fhir/ValueSet/mimetypes") is None


def test_code_systems_keep_their_hierarchy() -> None:
    system = r4().code_systems["http://terminology.hl7.org/CodeSystem/observation-category"]
    assert system.concepts["laboratory"].display == "Laboratory"
    roles = r4().code_systems["http://terminology.hl7.org/CodeSystem/v3-RoleCode"]
    assert any(concept.parent for concept in roles.concepts.values())
    assert r4().value_sets["http://hl7.org/fhir/ValueSet/observation-status"].include[0].system == "http://hl7.org/fhir/observation-status"


def test_no_list_of_r4_has_another_limit_than_none() -> None:
    types = [r4().type(name) for name in (*r4().resource_types, *r4().data_types)]
    assert {element.most for type in types if type for element in type.elements.values()} <= {0, 1, None}
