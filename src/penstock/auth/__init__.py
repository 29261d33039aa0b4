"""Who may do what. ``access`` decides and is pure; keys, tokens and the HTTP door live beside it.

Verbs: ``permits`` (may this Access do that?), ``mint`` and ``verify`` (tokens).
"""
