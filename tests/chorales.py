"""Where the JSB chorales are on this machine, for tests that need them: nothing is downloaded."""

import os
from pathlib import Path

NAME = "jsb-chorales-quarter.json"
MISSING = f"{NAME} is neither in the folder NEUROAI_C_DATA nor in pooch's cache"


def _find():
    folders = [os.environ.get("NEUROAI_C_DATA")]
    try:
        import pooch

        folders.append(pooch.os_cache("neuroai_c"))
    except ModuleNotFoundError:
        pass
    files = [Path(folder) / sub / NAME for folder in folders if folder for sub in ("", "jsb")]
    return next((file for file in files if file.is_file()), None)


# None where they are not.
DATA = _find()
