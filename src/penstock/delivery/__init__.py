"""Delivery: everyone who asked is told of every change, in order, until they have confirmed it or a person has decided otherwise.

It follows the event log; nothing calls it. :class:`Dispatcher` turns events into rows that are due, exactly once;
:class:`Delivery` sends them: at least once, in order for each key, each subscriber apart from all others. A sink
(``sinks/<kind>.py``) knows one way to send and nothing of retries. Verbs: ``follow``, ``send``, ``replay``, ``bury``.
"""

from penstock.delivery.dispatch import Dispatcher
from penstock.delivery.outbound import Door
from penstock.delivery.partner import Manners, Partner
from penstock.delivery.run import Delivery
from penstock.delivery.secrets import Vault, redact, take_secrets
from penstock.delivery.subscription import Spec, Webhook, parse
from penstock.delivery.world import World

__all__ = ["Delivery", "Dispatcher", "Door", "Manners", "Partner", "Spec", "Vault", "Webhook", "World", "parse", "redact", "take_secrets"]
