"""Who may do what. ``access`` decides and is pure; keys, tokens, clients and grants live beside it and know no HTTP.

Verbs: ``permits`` (may this Access do that?), ``mint`` and ``verify`` (tokens), ``grant`` (a token for a client).
"""
