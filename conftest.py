"""What all tests share: notebooks run in their quick form unless the environment says otherwise."""

import os

os.environ.setdefault("NEUROAI_C_QUICK", "1")
