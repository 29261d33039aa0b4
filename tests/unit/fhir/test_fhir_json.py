import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import Problem
from penstock.formats.fhir.json import MAX_DEPTH, decode, encode


def refused(text: str | bytes) -> str:
    with pytest.raises(Problem) as caught:
        decode(text.encode() if isinstance(text, str) else text)
    assert caught.value.code == "structure"
    return caught.value.text


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"a":1,"\\u0061":2}',
        '{"a":{"b":":","b":2}}',
        '{"a":"\\\\u003a","b":1,"b":"\\u003a"}',
        '{"a":"\\u003A:","b":{"c":1,"c":2}}',
        '{"a":"::","b":"\\u003a\\u003a","b":1,"c":":"}',
    ],
)
def test_a_property_that_stands_twice_is_refused(text: str) -> None:
    assert "same name" in refused(text)


@pytest.mark.parametrize("text", ['{"a":"\\u003a"}', '{"a":"\\\\u003a:"}', '{"a:":1,"a\\u003a\\u003a":2}', '{"a":{"b":1},"c":{"b":1}}'])
def test_colons_in_texts_and_names_do_not_look_like_repetition(text: str) -> None:
    assert decode(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    "text", ['{"a":NaN}', '{"a":Infinity}', '{"a":-Infinity}', '{"a":01}', '{"a":1.}', '{"a":+1}', "{} x", "{'a':1}", '{"a":1,}']
)
def test_what_is_not_json_is_refused(text: str) -> None:
    assert refused(text) == "this is not valid JSON"


@pytest.mark.parametrize("text", ["[]", '"x"', "1", "null", "true"])
def test_what_is_not_an_object_is_refused(text: str) -> None:
    assert refused(text) == "a resource is a JSON object"


def test_an_empty_text_a_byte_order_mark_and_other_encodings_are_refused() -> None:
    assert refused(b" \n") == "the text is empty"
    assert "byte order mark" in refused(b"\xef\xbb\xbf{}")
    assert "UTF-8" in refused(b'{"a":"\xff"}')
    assert "UTF-8" in refused(b'{"\xff":1}')
    refused('{"a":1}'.encode("utf-16"))


@pytest.mark.parametrize(
    "text", ['{"a":"\\ud800"}', '{"a":"\\udc00\\ud800"}', b'{"a":"\xed\xa0\x80"}', '{"\\ud800":1}', '{"a":"\\ud800x"}']
)
def test_half_a_character_is_refused(text: str | bytes) -> None:
    refused(text)


def test_the_null_character_is_refused_but_not_its_name() -> None:
    assert "U+0000" in refused('{"a":"x\\u0000"}')
    assert "U+0000" in refused('{"a\\u0000":1}')
    assert decode(b'{"a":"\\\\u0000"}') == {"a": "\\u0000"}


def test_nesting_ends_at_the_limit() -> None:
    assert decode(nested(MAX_DEPTH).encode())
    assert "nested" in refused(nested(MAX_DEPTH + 1))
    assert "nested" in refused("[" * 100_000)
    assert "nested" in refused('{"a":' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}")


def test_many_shallow_objects_are_not_deep() -> None:
    flat = {"entry": [{"resource": {"x": [1]}} for _ in range(500)], "text": "\n" + " " * 100}
    assert decode(json.dumps(flat).encode()) == flat


@pytest.mark.parametrize("number", ["1e999999999", "-1e-999999999", "9" * 5000, "0." + "1" * 70, "1E400"])
def test_a_number_that_nobody_could_keep_is_refused(number: str) -> None:
    assert "number" in refused(f'{{"a":{number}}}')


@pytest.mark.parametrize("number", ["1.10", "0.00", "-0.0", "100000000000000000000.5", "185", "-3", "1.5E-7", "9007199254740993"])
def test_a_number_keeps_its_digits(number: str) -> None:
    text = f'{{"valueDecimal":{number}}}'.encode()
    assert encode(decode(text)) == text


def test_what_is_refused_is_not_repeated() -> None:
    for text in ('{"name":"Zweistein" x', '{"Zweistein":1,"Zweistein":2}', '{"a":"Zweistein\\ud800"}'):
        with pytest.raises(Problem) as caught:
            decode(text.encode())
        assert "Zweistein" not in str(caught.value)


def test_properties_are_written_in_the_order_of_the_definitions() -> None:
    patient = {
        "zzz": 1,
        "name": [{"given": ["A"], "use": "usual"}],
        "id": "1",
        "contained": [{"id": "o", "resourceType": "Organization"}],
        "resourceType": "Patient",
    }
    assert encode(patient) == (
        b'{"resourceType":"Patient","id":"1","contained":[{"resourceType":"Organization","id":"o"}],'
        b'"name":[{"use":"usual","given":["A"]}],"zzz":1}'
    )


def test_ordering_leaves_what_it_was_given_as_it_was() -> None:
    patient: dict[str, Any] = {"name": [{"given": ["A"], "use": "usual"}], "resourceType": "Patient"}
    encode(patient)
    assert list(patient) == ["name", "resourceType"]
    assert list(patient["name"][0]) == ["given", "use"]


def test_an_unknown_type_is_written_as_it_stands() -> None:
    assert encode({"b": 1, "a": [{"d": 1, "c": 2}]}) == b'{"b":1,"a":[{"d":1,"c":2}]}'


_texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | _texts | st.decimals(allow_nan=False, allow_infinity=False, places=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(_texts, _values, max_size=5))
def test_what_is_written_reads_as_the_same_data(resource: dict[str, Any]) -> None:
    assert decode(encode(resource)) == resource


_text_of_pairs = st.lists(
    st.tuples(st.sampled_from(["a", "b", ":", "\\u003a", "\\\\u003a"]), st.sampled_from(['"::"', '"\\u003A"', "1", '{":":1}']))
)


@given(_text_of_pairs)
def test_repetition_is_found_exactly_when_there_is_one(pairs: list[tuple[str, str]]) -> None:
    text = "{" + ",".join(f'"{name}":{value}' for name, value in pairs) + "}"
    repeated = len({json.loads(f'"{name}"') for name, _ in pairs}) != len(pairs)
    if repeated:
        assert "same name" in refused(text)
    else:
        assert decode(text.encode()) == json.loads(text)


@given(st.binary(max_size=40))
def test_any_bytes_give_an_object_or_a_problem(data: bytes) -> None:
    try:
        assert isinstance(decode(data), dict)
    except Problem as problem:
        assert problem.code == "structure"


def test_decimals_are_decimals() -> None:
    assert decode(b'{"a":0.10}') == {"a": Decimal("0.10")}
