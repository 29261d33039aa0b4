"""How strict validation is where the specification leaves it open."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """How bad it is that something is not known here: an extension, or a profile that an element or what it refers to must conform to.

    Extensions whose URL begins with one of ``open_domains`` need no definition. ``markup`` is how bad it is that a text which is no
    narrative looks like HTML (security.html#narrative); by default nobody asks. ``wrong_display`` is how bad a display is that its code
    does not have (datatypes.html#Coding). An empty severity says nothing.
    """

    unknown_extension: str = "warning"
    unknown_profile: str = "warning"
    open_domains: tuple[str, ...] = ()
    markup: str = ""
    wrong_display: str = "warning"
