"""What the command line does on this machine, one verb a file: ``convert``, ``token``, ``trace``, ``doctor``, ``check``, ``init``.

Nothing here serves anybody: it works without a running program, or on the answers of one. A function gives what is to be said, as
values or lines; ``penstock.cli`` prints it.
"""

from penstock.workbench.token import mint_token

__all__ = ["mint_token"]
