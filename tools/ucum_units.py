"""The unit table of UCUM: ``python -m tools.ucum_units ucum-essence.xml > src/penstock/formats/fhir/ucum/units.csv``.

One line a prefix or unit: ``kind,code,metric,value,unit,function``. A base unit has no value; a special unit names the function by which
its scale differs from a ratio scale; an arbitrary unit is comparable with nothing but itself.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator

from lxml import etree

_NAMES = {"u": "http://unitsofmeasure.org/ucum-essence"}


def rows(tree: etree._ElementTree) -> Iterator[tuple[str, str, int, str, str, str]]:
    for prefix in tree.iterfind("u:prefix", _NAMES):
        yield "prefix", prefix.get("Code", ""), 0, _only(prefix).get("value", ""), "", ""
    for base in tree.iterfind("u:base-unit", _NAMES):
        yield "base", base.get("Code", ""), 1, "", "", ""
    for unit in tree.iterfind("u:unit", _NAMES):
        value = _only(unit)
        function = value.find("u:function", _NAMES)
        source = value if function is None else function
        kind = "special" if function is not None else "arbitrary" if unit.get("isArbitrary") == "yes" else "unit"
        metric = int(unit.get("isMetric") == "yes")
        yield kind, unit.get("Code", ""), metric, source.get("value", ""), source.get("Unit", ""), source.get("name", "")


def _only(element: etree._Element) -> etree._Element:
    found = element.find("u:value", _NAMES)
    assert found is not None
    return found


if __name__ == "__main__":
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("kind", "code", "metric", "value", "unit", "function"))
    writer.writerows(rows(etree.parse(sys.argv[1], parser)))
