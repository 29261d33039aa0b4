"""``make bench``: the figures of this machine, each a median of several runs, with ratios within one run.

``python -m benchmarks convert mllp`` runs only those; ``--seconds 3`` shortens each load.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable

from benchmarks import conversion, fhirpath, ingest, rest, scale, validation

SECTIONS: dict[str, Callable[[float], None]] = {
    "parse": conversion.parse_rates,
    "convert": conversion.convert_rates,
    "mllp": ingest.acknowledgements,
    "end-to-end": ingest.end_to_end,
    "create": rest.creates,
    "read": rest.reads_and_searches,
    "transaction": rest.transactions,
    "validate": validation.validation_costs,
    "fhirpath": lambda seconds: fhirpath.run(),
    "growth": scale.growth,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measure Penstock on this machine.")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--seconds", type=float, default=6.0, help="length of each load")
    given = parser.parse_args()
    unknown = set(given.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{machine}, load average before the start {os.getloadavg()[0]:.1f}")
    for name, section in SECTIONS.items():
        if not given.sections or name in given.sections:
            print(f"\n{name}", flush=True)
            section(given.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
