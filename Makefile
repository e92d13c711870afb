# The checks behind docs/trust.md.  "make trust" runs all of them (hours) and writes what came out
# into the table there; "make NAME" runs one, "make NAME QUICK=1" a part of it.
PYTHON ?= .venv/bin/python
CHECKS := $(shell $(PYTHON) -c "import trust.__main__ as trust; print(*trust.CHECKS)")

.PHONY: help trust $(CHECKS)

help:
	$(PYTHON) -m trust --help

trust:
	$(PYTHON) -m trust --record

$(CHECKS):
	$(PYTHON) -m trust $@ $(if $(QUICK),--quick)
