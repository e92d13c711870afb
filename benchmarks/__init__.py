"""How fast this library is beside what else one could use: `python -m benchmarks --help`.

Ratios of things that are run in turn, never times on their own: machines differ, and one
machine differs from minute to minute.
"""
