"""What compiled expressions call: items and values of System, comparing, computing, collections, walking. Pure functions."""
