"""Benchmarks: real programs under load from a second process; medians and ratios, never timed tests."""
