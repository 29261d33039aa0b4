"""Who did what, and where each value came from.

``lineage`` keeps, for every message, which rule made which element from which field; ``trace`` puts the hops of a message,
resource or event in order. Verbs: ``record``, ``origin``, ``find``.
"""
