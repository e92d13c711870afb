"""python -m neuroai_c: the command `neuroai-c`."""

import sys

from .cli import main

sys.exit(main())
