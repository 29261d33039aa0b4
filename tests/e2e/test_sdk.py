"""The typed client: its example runs against the program, and a type checker finds what is wrong in it before it runs."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.sdk import Client, Transaction
from penstock.sdk.r4 import Basic, Observation, Patient
from penstock.settings import Settings
from penstock.workbench import mint_token
from tests.e2e.conftest import Program

ROOT = Path(__file__).parents[2]

EXAMPLE = '''
from decimal import Decimal

from penstock.sdk import Client, Transaction
from penstock.sdk.r4 import Observation, Patient


def weigh(client: Client, family: str, kilograms: Decimal) -> str:
    """Weigh everybody of a family; make one where there is nobody yet."""
    transaction = Transaction()
    known = list(client.search(Patient, family=family))
    for patient in known or [client.create(Patient(resourceType="Patient", name=[{"family": family}]))]:
        seen: Observation = {
            "resourceType": "Observation",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
            "subject": {"reference": f"Patient/{patient['id']}"},
            "valueQuantity": {"value": kilograms, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
        }
        transaction.create(seen)
    (done,) = client.commit(transaction)
    assert done.reference is not None
    return client.read(Observation, done.reference.partition("/")[2])["status"]
'''
#: A mistake in the example, and what the type checker says to it.
MISTAKES = {
    'name=[{"family": family}]': ('name=[{"famly": family}]', "famly"),
    '"status": "final",': ("", 'Missing key "status"'),
    '"value": kilograms': ('"value": "much"', "Incompatible types"),
    "patient['id']": ("patient['identity']", 'no key "identity"'),
    '["status"]': ('["statuses"]', 'no key "statuses"'),
}


@pytest.fixture(scope="module")
def client(program: Program) -> Client:
    def token() -> str:
        return mint_token(Settings(data=program.data), client="sdk", scope="system/*.cruds", lifetime=timedelta(minutes=5))

    return Client(f"{program.http}/fhir", token)


@pytest.mark.req("FH-18")
def test_the_example_runs(client: Client) -> None:
    names: dict[str, object] = {}
    exec(EXAMPLE, names)
    weigh = names["weigh"]
    assert callable(weigh) and weigh(client, "Typewell", Decimal("71.50")) == "final"
    assert weigh(client, "Typewell", Decimal("72")) == "final"
    (patient,) = client.search(Patient, family__exact="Typewell")
    weights = [
        seen["valueQuantity"]["value"] for seen in client.search(Observation, subject=f"Patient/{patient['id']}", _sort="_lastUpdated")
    ]
    assert [str(weight) for weight in weights] == ["71.50", "72"], "decimals keep their digits"


@pytest.mark.req("FH-18")
def test_a_type_checker_accepts_the_example_and_finds_each_mistake(tmp_path: Path) -> None:
    files = {tmp_path / "right.py": (EXAMPLE, "")}
    for number, (right, (wrong, words)) in enumerate(MISTAKES.items()):
        assert right in EXAMPLE
        files[tmp_path / f"wrong{number}.py"] = (EXAMPLE.replace(right, wrong), words)
    for file, (text, _) in files.items():
        file.write_text(text)
    command = [
        Path(sys.executable).parent / "mypy",
        "--strict",
        "--cache-dir",
        str(ROOT / ".mypy_cache" / "sdk"),
        "--config-file",
        "/dev/null",
        *files,
    ]
    result = subprocess.run(command, cwd=ROOT / "src", capture_output=True, text=True, check=False)
    for file, (_, words) in files.items():
        found = [line for line in result.stdout.splitlines() if file.name in line]
        assert bool(found) == bool(words) and words in "".join(found), (file.name, found)


def test_what_is_not_valid_never_leaves(client: Client) -> None:
    with pytest.raises(Problem) as refused:
        client.create(Patient(resourceType="Patient", gender="F"))
    assert (refused.value.code, refused.value.at) == ("code-invalid", "Patient.gender")
    with pytest.raises(Problem):
        Transaction().create({"resourceType": "Patient", "gender": "F"})


def test_versions_conditions_history_and_deletion(client: Client) -> None:
    made = client.create(Basic(resourceType="Basic", code={"text": "x"}, identifier=[{"system": "urn:sdk", "value": "1"}]))
    same = client.create(Basic(resourceType="Basic", code={"text": "y"}), if_none_exist="identifier=urn:sdk|1")
    assert same == made
    made["language"] = "en"
    assert client.update(made, if_match=1)["meta"]["versionId"] == "2"
    with pytest.raises(Problem) as refused:
        client.update(made, if_match=1)
    assert refused.value.code == "conflict"
    assert "language" not in client.vread(Basic, made["id"], 1)
    client.delete(Basic, made["id"])
    assert [(each.version, each.resource is None) for each in client.history(Basic, made["id"])] == [(3, True), (2, False), (1, False)]
    with pytest.raises(Problem) as gone:
        client.read(Basic, made["id"])
    assert gone.value.code == "deleted"


def test_a_transaction_refers_to_what_it_makes_and_pages_are_followed(client: Client) -> None:
    transaction = Transaction()
    patient = transaction.create({"resourceType": "Patient"})
    for _ in range(25):
        transaction.create({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": patient})
    done = client.commit(transaction)
    assert {each.status for each in done} == {201}
    found = list(client.search(Observation, subject=done[0].reference or "", _count=10))
    assert {f"Observation/{each['id']}" for each in found} == {each.reference for each in done[1:]}


def test_a_page_link_to_elsewhere_is_not_followed(client: Client) -> None:
    with pytest.raises(Problem, match="another server"):
        client._url("http://elsewhere.example/fhir/Patient?page=2")


def test_the_types_are_those_of_the_definitions() -> None:
    result = subprocess.run([sys.executable, "tools/fhir_types.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    stub = (ROOT / "src" / "penstock" / "sdk" / "r4.pyi").read_text(encoding="utf-8")
    assert all(f"class {type_}(TypedDict" in stub or f"{type_} = TypedDict(" in stub for type_ in r4().resource_types)
