"""What a Bundle promises about its entries (http://hl7.org/fhir/R4/bundle.html, documents.html, messaging.html)."""

from __future__ import annotations

from penstock.formats.fhir.validate.issue import Issue
from penstock.formats.fhir.validate.items import Item
from penstock.formats.fhir.validate.references import Place


def check(item: Item, place: Place) -> list[Issue]:
    return []
