"""A study of many sessions in which all is done: empty files in place of recordings and results."""

from pathlib import Path

from running import ROOT, copy_checkout, snakemake


def finished_study(folder: Path, n_sessions: int, source: Path = ROOT) -> Path:
    """Make a study whose outputs are all there, with Snakemake's record of each.

    Snakemake looks at names, times, parameters and code, not into files: it
    has as much to do as with a real study, but for the reading of small files'
    checksums.
    """
    copy_checkout(folder, source)
    columns = (folder / "config/sessions.tsv").read_text().splitlines()[0].split("\t")
    rows = [columns]
    for number in range(n_sessions):
        name = f"s{number:03d}"
        raw = folder / f"raw/{name}"
        for part in ("latents", "images"):
            (raw / part).mkdir(parents=True)
        for file in (f"{name}.plx", "log.tsv"):
            (raw / file).touch()
        cells = {
            "session": name,
            "subject": "Stand-in",
            "raw": f"raw/{name}/{name}.plx",
            "log": f"raw/{name}/log.tsv",
            "latents": f"raw/{name}/latents",
            "images": f"raw/{name}/images",
            "arrays": "resources/arrays/demo_V1.tsv",
            "preferred": "6a",
            "spaces": "texture;object",
        }
        rows.append([cells.get(column, "") for column in columns])
    (folder / "config/sessions.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    for name in outputs(folder):
        # A name with a suffix is a file, but for Zarr.
        path = folder / name
        if path.suffix and path.suffix != ".zarr":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        else:
            path.mkdir(parents=True, exist_ok=True)
    snakemake("--touch", "--forceall", "--cores", 1, "--quiet", "all", cwd=folder)
    return folder


def outputs(folder: Path) -> list[str]:
    """Names of all outputs that Snakemake plans for the report."""
    lines = snakemake("--summary", "--quiet", "all", cwd=folder).stdout.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("output_file"))
    return [line.split("\t")[0] for line in lines[start + 1 :] if "\t" in line]
