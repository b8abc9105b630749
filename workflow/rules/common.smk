# The study as the rules see it: checked config, checked sample sheet, paths.
import os
from pathlib import Path

from snakemake.exceptions import WorkflowError

from evoalign import depends, process, tables
from evoalign import storage as remote
from evoalign.errors import InputError
from evoalign.study import check_config, check_curations, load_sessions

DEMO = "data/demo"
# What is read of a folder of phy.
PHY = [
    "cluster_group.tsv",
    "cluster_si_unit_ids.tsv",
    "spike_clusters.npy",
    "spike_templates.npy",
]

# Jobs find the library also in a conda environment or container, where it is not installed.
os.environ.update(
    PYTHONPATH=os.pathsep.join(
        filter(None, [f"{workflow.basedir}/workflow", os.getenv("PYTHONPATH")])
    )
)


def stored(file):
    """A file of the sample sheet as Snakemake takes it: a URL by its storage plugin."""
    return (
        getattr(storage, remote.plugin_for(file))(file) if remote.is_url(file) else file
    )


def check_storage(rows):
    """Ask for the buckets of a sheet, once, in the user's own run."""
    urls = [file for row in rows for file in row.files if remote.is_url(file)]
    remote.check_buckets(stored(url).flags["storage_object"] for url in urls)


def load_study():
    """Check config and sample sheet before any job starts."""
    try:
        study = check_config(config, ", ".join(map(str, workflow.configfiles)))
        # Raw files of the demo need not be there: the demo's rules make them.
        rows = load_sessions(
            study.sessions,
            exists=lambda file: file.startswith(f"{DEMO}/") or Path(file).exists(),
        )
        check_curations(rows, study.results)
        if workflow.is_main_process:
            check_storage(rows)
    except InputError as error:
        raise WorkflowError(str(error)) from None
    return study, {row.session: row for row in rows}


# `snakemake --cache`: rules that say so take their outputs from other checkouts, see docs/reruns.md.
CACHING = workflow.workflow_settings.cache is not None

STUDY, SESSIONS = load_study()
# Nothing of the report comes from these scripts: run on request, or of the report itself.
NOT_UPSTREAM = {"dandiset", "analyzer", "phy", "provenance"}
UPSTREAM = depends.scripts_of_jobs(f"{workflow.basedir}/workflow/scripts", NOT_UPSTREAM)
PINS = depends.read_lock(f"{workflow.basedir}/envs/requirements.lock")
RESULTS = STUDY.results
SESSION = f"{RESULTS}/sessions/{{session}}"

RECORDED = [name for name, row in SESSIONS.items() if row.raw]
LOGGED = [name for name, row in SESSIONS.items() if row.log]
# Sessions with presentations go all the way to the figures.
STUDIED = [name for name, row in SESSIONS.items() if row.nwb or (row.raw and row.log)]
PACKAGED = [name for name, row in SESSIONS.items() if row.nwb or row.raw]


# Jobs that compute on a GPU ask for one: see docs/cluster.md.
GPUS = int(STUDY.device == "cuda" or (STUDY.device == "auto" and process.has_gpu()))


wildcard_constraints:
    session="|".join(SESSIONS),


def row(wildcards):
    return SESSIONS[wildcards.session]


def raw_files(wildcards):
    return [stored(file) for file in row(wildcards).raw]


def log_file(wildcards):
    return stored(row(wildcards).log)


def array_map(wildcards):
    return [stored(file) for file in [row(wildcards).arrays] if file]


def stimuli(wildcards):
    """Folders of latents and images that the row names."""
    named = [row(wildcards).latents, row(wildcards).images]
    return [stored(folder) for folder in named if folder]


def nwb_of(session):
    """A session's NWB: shared by somebody, or made here."""
    return stored(SESSIONS[session].nwb) or f"{RESULTS}/nwb/{session}{STUDY.nwb.suffix}"


def packaged(path):
    """An NWB file as an output: a file, or a folder where it is Zarr."""
    return directory(path) if STUDY.nwb.backend == "zarr" else path


def nwb_file(wildcards):
    return nwb_of(wildcards.session)


def presentation_tables(wildcards):
    """Tables of the events room, for sessions that have a stimulus log."""
    folder = f"{RESULTS}/sessions/{wildcards.session}/events"
    return (
        [f"{folder}/presentations.parquet", f"{folder}/alignment.parquet"]
        if row(wildcards).log
        else []
    )


def curation(wildcards):
    """Files of the session's manual curation."""
    given = Path(row(wildcards).curation)
    if given.suffix == ".json":
        return [str(given)]
    folder = given if given.is_dir() else given.parent
    return [str(folder / name) for name in PHY if (folder / name).exists()]


def sorted_table(session, name):
    """A table of units: by hand where the sheet names a curation, or as the sorter made it."""
    by_hand = SESSIONS[session].curation and name in ("units", "spikes", "waveforms")
    return f"{RESULTS}/sessions/{session}/{'curated' if by_hand else 'sorting'}/{name}.parquet"


def sorted_tables(wildcards):
    names = ["units", "spikes", "waveforms", "bad_channels", "artefacts"]
    return {name: sorted_table(wildcards.session, name) for name in names}


def envelope(wildcards):
    """Folder of the multi-unit envelope, where the config asks for it."""
    folder = f"{RESULTS}/sessions/{wildcards.session}/sorting/envelope.zarr"
    return [folder] if STUDY.sorting.envelope else []


def analysis_tables(wildcards):
    """Folders of session tables, for sessions with presentations."""
    folder = f"{RESULTS}/sessions/{wildcards.session}"
    return (
        [f"{folder}/trajectories", f"{folder}/encoding"]
        if wildcards.session in STUDIED
        else []
    )


def table_files(folder, names):
    """Named Parquet outputs in a folder, one a table."""
    return {name: f"{folder}/{name}.parquet" for name in names}


def depends_on(script, *upstream):
    """Parameters of a rule: the code that its script reaches, its pins and knobs, so that a change reruns it.

    `upstream`: scripts whose knobs and pins its output tells as well.
    """
    scripts = [script_file(name) for name in (script, *upstream)]
    return {
        "code": lambda wildcards: depends.library().digest(scripts[0]),
        "pins": lambda wildcards: depends.pins(scripts, PINS),
        "knobs": lambda wildcards: depends.knobs(scripts, STUDY),
    }


def cells_for(script):
    """The cells of a session's row that a script reads, as a parameter."""
    return lambda wildcards: depends.cells(script_file(script), row(wildcards))


def script_file(name):
    return f"{workflow.basedir}/workflow/scripts/{name}.py"
