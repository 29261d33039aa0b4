"""``penstock fhirpath``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock import cli

PATIENT = {
    "resourceType": "Patient",
    "name": [{"family": "Chalmers", "given": ["Peter", "James"]}],
    "birthDate": "1974-12-25",
    "multipleBirthInteger": 2,
}
OBSERVATION = '<Observation xmlns="http://hl7.org/fhir"><valueQuantity><value value="1.10"/></valueQuantity></Observation>'


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def ask(expression: str, *options: str, content: str = json.dumps(PATIENT)) -> tuple[int, str, str]:
        file = tmp_path / "resource"
        file.write_text(content, encoding="utf-8")
        monkeypatch.setattr("sys.argv", ["penstock", "fhirpath", expression, str(file), *options])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return int(left.value.code or 0), *capsys.readouterr()

    return ask


def test_an_expression_prints_its_items_a_line_each(ask) -> None:
    assert ask("name.given") == (0, '"Peter"\n"James"\n', "")


def test_types_are_told_to_machines(ask) -> None:
    code, out, _ = ask("multipleBirth | birthDate + 1 year", "--json")
    assert code == 0
    assert json.loads(out) == [{"type": "integer", "value": 2}, {"type": "System.Date", "value": "1975-12-25"}]


def test_xml_is_read_too_and_decimals_keep_their_digits(ask) -> None:
    assert ask("Observation.value.value", content=OBSERVATION)[:2] == (0, "1.10\n")


def test_a_data_type_is_read_when_its_name_is_given(ask) -> None:
    assert ask("family", "--type", "HumanName", content='{"family": "x"}')[:2] == (0, '"x"\n')
    assert ask("family", "--type", "Nope", content="{}")[0] == 1


def test_traces_and_mistakes_are_heard_on_standard_error(ask) -> None:
    assert ask("name.trace('n', given).family") == (0, '"Chalmers"\n', 'penstock: n: ["Peter","James"]\n')
    code, out, told = ask("name.\n  gven")
    assert (code, out) == (1, "")
    assert "line 2, column 3" in told
