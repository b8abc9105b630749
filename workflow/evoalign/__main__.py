"""`python -m evoalign`: the command `evoalign`."""

import sys

from evoalign.cli import main

sys.exit(main())
