"""What all tests share: notebooks run in their quick form unless the environment says otherwise,
and where the JSB chorales are missing their notebook is skipped, not left to download them."""

import os

import pytest
from chorales import DATA, MISSING

os.environ.setdefault("NEUROAI_C_QUICK", "1")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.name == "JSB.ipynb" and DATA is None:
            item.add_marker(pytest.mark.skip(reason=MISSING))
