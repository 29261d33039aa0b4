"""The words of a narrative, for ``_text``: folded, without markup."""

from __future__ import annotations

import html
import re

from penstock.store.hashing import prefix
from penstock.store.keys import fold, word

_MARKUP = re.compile(r"<!--.*?-->|<[^>]*>", re.DOTALL)
_WORD = re.compile(r"\w+")


def text_of(narrative: str) -> str:
    """The text of XHTML."""
    return html.unescape(_MARKUP.sub(" ", narrative))


def split_words(text: str) -> dict[str, None]:
    """The different words of a text, folded, in their order."""
    return dict.fromkeys(_WORD.findall(fold(text)))


def words_of(tenant: str, type: str, narrative: str) -> list[int]:
    """The hashes of the words of a narrative."""
    start = prefix(tenant, type, "_text")
    return [word(start, each) for each in split_words(text_of(narrative))]
