"""The long checks behind docs/trust.md: `python -m trust --help`."""
