"""A site: the folder of text that says which interfaces, clients and webhooks there are, and how maps differ here.

``site.toml`` (name, zone), ``interfaces/*.yaml``, ``clients/*.yaml``, ``subscriptions/*.yaml``, ``maps/*.csv`` and ``tests/``. It is
read whole and checked whole: all problems are reported at once, each with its file and key, and a secret written into it refuses to
load. It is not settings (how one program runs) and it holds no state. Verb: ``load_site``.
"""

from penstock.site.model import Channel, Overlay, Site
from penstock.site.read import load_site

__all__ = ["Channel", "Overlay", "Site", "load_site"]
