"""Profiles: what a StructureDefinition asks beyond R4 itself, compiled once and applied to resources.

``elements`` brings a definition into one list of constraints, ``tree`` compiles them, ``slices`` says which slice an item belongs to,
``apply`` walks a resource along the tree. Only what a profile adds is in a tree: everything else is checked against R4 already.
"""
