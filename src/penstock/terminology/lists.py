"""Countries (ISO 3166) and currencies (ISO 4217): code systems of others that are known in part; and how codes of some others are written.

Countries of two letters are those that R4 lists. A code that is not listed may exist, unless it is not written as such a code is.
"""

from __future__ import annotations

import re
from functools import cache

from penstock.terminology.codesystem import CodeSystem
from penstock.terminology.concept import Json
from penstock.terminology.published import published

COUNTRIES = "urn:iso:std:iso:3166"
CURRENCIES = "urn:iso:std:iso:4217"

#: Code systems that are not here, to how each of their codes is written.
_WRITTEN: dict[str, re.Pattern[str]] = {
    "urn:iso:std:iso:3166:-2": re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}"),
    "http://unstats.un.org/unsd/methods/m49/m49.htm": re.compile(r"[0-9]{3}"),
}
_COUNTRY = re.compile(r"[A-Z]{2,3}|[0-9]{3}")
_CURRENCY = re.compile(r"[A-Z]{3}")
#: ISO 4217, alphabetic codes, with those that were in use when R4 was published.
_CURRENCIES = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CLF CLP"
    " CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS"
    " INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK"
    " MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS"
    " SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XAG XAU XBA XBB"
    " XBC XBD XCD XDR XOF XPD XPF XPT XSU XTS XUA XXX YER ZAR ZMW ZWL"
).split()


def listed(url: str) -> CodeSystem | None:
    """The system as far as it is listed; None for any other."""
    return _systems().get(url)


def may_be(url: str, code: str) -> bool:
    """Whether a code may be one of a system that is not here: false where it is not written as that system writes its codes."""
    written = _WRITTEN.get(url)
    return written is None or written.fullmatch(code) is not None


@cache
def _systems() -> dict[str, CodeSystem]:
    return {
        COUNTRIES: CodeSystem(_fragment(COUNTRIES, "Countries", _countries()), shape=_COUNTRY),
        CURRENCIES: CodeSystem(_fragment(CURRENCIES, "Currencies", [{"code": code} for code in _CURRENCIES]), shape=_CURRENCY),
    }


def _countries() -> list[Json]:
    found = published().find("ValueSet", "http://hl7.org/fhir/ValueSet/iso3166-1-2") or {}
    return [each for row in found["compose"]["include"] if row.get("system") == COUNTRIES for each in row.get("concept", ())]


def _fragment(url: str, name: str, concepts: list[Json]) -> Json:
    return {"resourceType": "CodeSystem", "url": url, "name": name, "content": "fragment", "language": "en", "concept": concepts}
