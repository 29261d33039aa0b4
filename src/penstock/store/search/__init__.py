"""Search: a query string becomes a typed query, then one parameterised SQL, then a page.

``parse`` reads the string, ``types`` lists what each type of parameter compiles to and how it is decided in memory, ``plan`` chooses
how to walk the tables, ``page`` fetches, ``match`` decides a query on one resource without a database. No value of a query ever becomes
SQL text. What is not supported is a Problem, never silently left out.
"""
