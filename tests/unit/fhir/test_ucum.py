"""Unit expressions and conversion, against the meaning that UCUM gives them."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import Problem
from penstock.formats.fhir.ucum import canonical, commensurable, convert, is_unit, parse
from penstock.formats.fhir.ucum.units import _table


@pytest.mark.parametrize(
    ("value", "source", "target", "result"),
    [
        ("5.4", "mg", "g", "0.0054"),
        ("1", "g/dL", "mg/dL", "1000"),
        ("72", "/min", "s-1", "1.2"),
        ("1", "[in_i]", "cm", "2.54"),
        ("1", "[lb_av]", "g", "453.59237"),
        ("98.6", "[degF]", "Cel", "37"),
        ("37", "Cel", "K", "310.15"),
        ("80", "[degRe]", "Cel", "100"),
        ("1", "m[H2O]", "kPa", "9.80665"),
        ("1", "kg.m/s2", "N", "1"),
        ("10", "mL/min/{1.73_m2}", "L/h", "0.6"),
        ("4", "10*3/uL", "10*9/L", "4"),
        ("1", "kg/(m.s2)", "Pa", "1"),
        ("1", "[IU]", "[iU]", "1"),
        ("250", "m[IU]/L", "[IU]/mL", "0.00025"),
        ("3", "{score}", "%", "300"),
        ("1", "wk", "d", "7"),
        ("2", "a", "mo", "24"),
    ],
)
def test_a_value_converts_exactly(value: str, source: str, target: str, result: str) -> None:
    assert convert(Decimal(value), source, target) == Decimal(result)


@pytest.mark.parametrize(
    ("value", "source", "target", "result"), [("7", "[pH]", "nmol/L", 100.0), ("20", "dB", "1", 100.0), ("6", "B[V]", "V", 1000.0)]
)
def test_logarithmic_scales_convert(value: str, source: str, target: str, result: float) -> None:
    found = convert(Decimal(value), source, target)
    assert found is not None and float(found) == pytest.approx(result)


def test_a_logarithm_of_nothing_is_no_value() -> None:
    assert convert(Decimal(0), "1", "B") is None
    assert convert(Decimal(10**6), "B", "1") is None


def test_what_measures_different_things_does_not_convert() -> None:
    assert convert(Decimal(1), "mg", "mL") is None
    assert convert(Decimal(1), "[IU]", "[arb'U]") is None
    assert not commensurable("[IU]/L", "mol/L")
    assert commensurable("kat/L", "U/L")


@pytest.mark.parametrize(
    "code",
    [
        "",
        "mgg",
        "mg/",
        "m(",
        "m)",
        "(m",
        "m//s",
        "[nope]",
        "MG/DL",
        "kg2.",
        "{",
        "}",
        "m s",
        "µg",
        "%[x",
        "Cel/min",
        "m--2",
        "k[in_i]",
        "()",
    ],
)
def test_what_is_no_unit_is_refused(code: str) -> None:
    assert not is_unit(code)
    with pytest.raises(Problem) as caught:
        convert(Decimal(1), code, "g")
    assert caught.value.code == "value"


def test_every_unit_of_the_table_has_a_meaning() -> None:
    assert len(_table()[1]) > 300
    assert all(parse(code).factor > 0 for code in _table()[1])


@pytest.mark.parametrize("code", ["Ym999", "m999" * 30, "(" * 150 + "m", "9" * 150 + ".m", "Ym99" + ".Ym99" * 38])
def test_hostile_expressions_cost_little(code: str) -> None:
    assert is_unit(code) in (True, False)


@given(st.text(alphabet="mgLkdu0123456789*^[]{}()./'%+-inHO_", max_size=30))
def test_any_text_is_a_unit_or_refused(text: str) -> None:
    assert is_unit(text) == (canonical(text) is not None)


_UNITS = st.sampled_from(["mg", "kg", "ug", "[oz_av]", "g", "[lb_av]", "t", "ng"])


@given(st.decimals(min_value="0.001", max_value="100000", places=3), _UNITS, _UNITS)
def test_a_comparison_is_the_same_in_every_unit(value: Decimal, one: str, other: str) -> None:
    first, second = canonical(one), canonical(other)
    assert first and second and first.key == second.key == "kg"
    exact = Fraction(value) * parse(one).factor / parse(other).factor
    assert first.value(value) == float(exact * parse(other).factor / 1000)


def test_most_clinical_values_stay_as_they_are() -> None:
    for code in ("mg/dL", "mmol/L", "mm[Hg]", "kg", "cm", "/min", "%", "Cel", "kg/m2", "U/L"):
        found = canonical(code)
        assert found and found.same and found.key == code, code
    fahrenheit = canonical("[degF]")
    assert fahrenheit and fahrenheit.key == "Cel" and fahrenheit.value(Decimal("98.6")) == 37.0
