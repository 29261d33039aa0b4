"""One release: the files of a site that decide how its messages are read, and what they compile to."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from penstock.convert import Plan, plan
from penstock.errors import Problem, Problems
from penstock.site import Site, load_site

#: What of a site decides how messages are read.
PATTERNS = ("interfaces/*.yaml", "maps/*.csv", "maps/*/*.csv", "site.toml")
MOST_FILES, MOST_CHARACTERS = 2_000, 20_000_000


@dataclass(frozen=True)
class Release:
    """``files`` is text by path inside the site; ``plans`` the compiled maps by interface; ``tables`` the version of the shipped tables."""

    version: str
    tables: str
    files: Mapping[str, str]
    site: Site
    plans: Mapping[str, Plan]


def files_of(folder: Path | None) -> dict[str, str]:
    """What a release keeps of a site's folder; nothing of no folder."""
    if folder is None:
        return {}
    paths = sorted({path for pattern in PATTERNS for path in folder.glob(pattern) if not path.name.startswith(".")})
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8-sig") for path in paths}


def release_of(files: Mapping[str, str], *, zone: str = "UTC") -> Release:
    """The release that these files make. Problems, or an ExceptionGroup of them, with everything that is wrong with them."""
    check_files(files)
    with tempfile.TemporaryDirectory(prefix="penstock-maps-") as name:
        folder = Path(name)
        for path, text in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        site = load_site(folder, zone=zone)
    tables = plan().version
    return Release(version_of(files, tables, zone), tables, dict(files), site, plans_of(site))


def plans_of(site: Site) -> Mapping[str, Plan]:
    """The plans of a site; Problems with every row that does not compile."""
    try:
        return site.plans()
    except ExceptionGroup as group:
        found = [Problem(one.code, one.text, at=f"maps: {one.at}") for one in group.exceptions if isinstance(one, Problem)]
        raise Problems(found) from None


def version_of(files: Mapping[str, str], tables: str, zone: str) -> str:
    """The same files under the same shipped tables are the same version, whoever applies them."""
    digest = hashlib.sha256(f"{tables}\n{zone}\n".encode())
    for path in sorted(files):
        digest.update(f"{path}\0{files[path]}\0".encode())
    return digest.hexdigest()[:16]


def check_files(files: Mapping[str, str]) -> None:
    """Refuses what is no part of a release: other files, ways out of the folder, too much of it."""
    if len(files) > MOST_FILES or sum(map(len, files.values())) > MOST_CHARACTERS:
        raise Problem("too-long", "these are more files or more text than a release holds")
    for path in files:
        plain = PurePosixPath(path)
        if plain.is_absolute() or ".." in plain.parts or "\0" in path or not any(plain.match(pattern) for pattern in PATTERNS):
            raise Problem("invalid", "a release holds site.toml, interfaces/*.yaml, maps/*.csv and maps/*/*.csv", at="files")
