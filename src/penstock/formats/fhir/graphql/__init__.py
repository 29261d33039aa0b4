"""GraphQL over FHIR (http://hl7.org/fhir/R4/graphql.html), pure: a query read into fields, and its answer out of what is known.

:func:`read` gives the fields of one operation; :class:`Projection` makes the answer from resources and pages of searches that are known
already, and says which others it wants. Whoever can fetch those does, and projects again, until nothing is wanted.
"""

from penstock.formats.fhir.graphql.known import Asked, Known, Paged
from penstock.formats.fhir.graphql.project import Projection
from penstock.formats.fhir.graphql.query import Field, read

__all__ = ["Asked", "Field", "Known", "Paged", "Projection", "read"]
