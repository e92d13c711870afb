"""The mutants of trust/mutations.py: each still finds the text that it changes."""

import importlib.util
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
LIST = ROOT / "trust" / "mutations.py"


@pytest.mark.skipif(not LIST.exists(), reason="needs the repository's trust folder")
def test_each_changes_one_place():
    spec = importlib.util.spec_from_file_location("mutations", LIST)
    mutations = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mutations)
    for file, mutants in mutations.MUTANTS.items():
        text = (ROOT / "csrc" / file).read_text()
        for mutant in mutants:
            assert text.count(mutant.old) == 1, f"{file}: {mutant.old!r}"
            assert mutant.new not in (mutant.old, None)
