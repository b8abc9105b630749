"""Python imports this when it starts: a job tells at its end which modules of the library it had loaded.

Of the tests alone: `running.start` puts this folder on Python's path.
"""

import atexit
import json
import os
import sys
from pathlib import Path


def tell():
    """Write the names into a folder of the run, a file a job."""
    job = getattr(sys.modules["__main__"], "snakemake", None)
    if hasattr(job, "rule"):
        names = [name for name in sys.modules if name.partition(".")[0] == "evoalign"]
        file = Path("loaded_modules") / f"{job.rule}-{os.getpid()}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps({"rule": job.rule, "modules": names}), encoding="utf-8")


atexit.register(tell)
