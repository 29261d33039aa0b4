"""Code systems, value sets and concept maps: what a code means, and whether it is one of a set. Pure: definitions are given."""
