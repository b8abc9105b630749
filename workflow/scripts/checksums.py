"""Print the SHA-256 of every table under a results folder, in the order of their names."""

import sys
from pathlib import Path

from evoalign.files import sha256

if __name__ == "__main__":
    results = Path(sys.argv[1])
    tables = [p for p in results.rglob("*") if p.suffix in {".parquet", ".csv"} and p.is_file()]
    for table in sorted(tables):
        print(sha256(table), table.relative_to(results))
