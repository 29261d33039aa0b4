"""Search: a query string becomes a typed query, then parameterised SQL, then a page.

* ``parse`` reads the string: ``parameter`` a single one, ``read`` chains and ``_has``, ``expression`` and ``filter`` a ``_filter``,
  ``control`` what shapes the result. ``condition`` and ``query`` are what comes of it.
* ``link`` follows references to other resources; ``compile`` makes SQL of what is left, with ``types``: what each type of parameter
  compiles to and how it is decided in memory. ``plan`` chooses how to walk the tables, ``sort`` in which order.
* ``page`` fetches; ``run`` is one search on its way, ``candidates`` decides what SQL could not, ``include`` and ``total`` add to the page,
  ``cursor`` seals where it ended. ``match`` decides a query on one resource without a database.

No value of a query ever becomes SQL text. What is not supported is a Problem, never silently left out.
"""
