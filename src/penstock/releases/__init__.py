"""The maps in force: what a site's ``maps/`` and ``interfaces/`` say, version by version, followed in every process without a restart.

A :class:`Release` is those files and the plans that they compile to; :mod:`.history` keeps all of them and which came into force when;
:class:`InForce` answers which plan an interface has now. It does not convert, and it does not listen: that is the flow's and ingress's.
"""

from penstock.releases.changes import Change, changes
from penstock.releases.follow import Follower, InForce
from penstock.releases.history import Application, Applied
from penstock.releases.release import Release, files_of, release_of

__all__ = ["Application", "Applied", "Change", "Follower", "InForce", "Release", "changes", "files_of", "release_of"]
