# The study as the rules see it: checked config, checked sample sheet, paths.
import contextlib
import gc
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from evoalign import storage as remote
from evoalign import tables
from evoalign.errors import InputError
from evoalign.pipeline import declared, interpreter, process, remainder, versions
from evoalign.sheet import check_curations, load_sessions
from evoalign.spaces.settings import GENERATED_SPACES
from evoalign.study import check_config, check_generators
from evoalign.study_checks import check_consistency, check_yaml

# A plan is made of some million objects that stay: Python need not look for garbage among them so often,
# and never among the modules that are loaded.
gc.freeze()
gc.set_threshold(200_000, 50, 50)

DEMO = "data/demo"
# What is read of a folder of phy.
PHY = [
    "cluster_group.tsv",
    "cluster_si_unit_ids.tsv",
    "spike_clusters.npy",
    "spike_templates.npy",
]

# Snakemake does not quote the interpreter's path in the commands of jobs.
try:
    interpreter.check_library(str(workflow.basedir))
    sys.executable = interpreter.plain_executable(workflow.local_exec)
except InputError as error:
    raise WorkflowError(str(error)) from None

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
        for file in workflow.configfiles:
            check_yaml(file)
        study = check_config(config, ", ".join(map(str, workflow.configfiles)))
        check_consistency(study, ", ".join(map(str, workflow.configfiles)))
        # Raw files of the demo need not be there: the demo's rules make them.
        rows = load_sessions(
            study.sessions,
            exists=lambda file: file.startswith(f"{DEMO}/") or Path(file).exists(),
        )
        check_curations(rows, study.results)
        check_generators(study)
        if workflow.is_main_process:
            check_storage(rows)
    except InputError as error:
        raise WorkflowError(str(error)) from None
    return study, {row.session: row for row in rows}


# `snakemake --cache`: rules that say so take their outputs from other checkouts, see docs/reruns.md.
CACHING = workflow.workflow_settings.cache is not None

STUDY, SESSIONS = load_study()
LOCK = f"{workflow.basedir}/envs/requirements.lock"
RESULTS = STUDY.results
SESSION = f"{RESULTS}/sessions/{{session}}"

# A session's long steps share the cores that are over when each session has one; a cluster gives
# a job as many as `set-threads` in its profile says. Results do not depend on the number.
MOST_THREADS = 8
SHARED_CORES = 1
# A cluster has no total number of cores, and its job sees those of a node, of which it was given one.
if not workflow.remote_exec:
    with contextlib.suppress(WorkflowError):
        SHARED_CORES = max(
            1, min(MOST_THREADS, workflow.cores // max(1, len(SESSIONS)))
        )

# What failed just before: the report is made of the others, and names it.
FAILED = remainder.left_out()
REPORTED_SESSIONS = {name: row for name, row in SESSIONS.items() if name not in FAILED}
RECORDED = [name for name, row in REPORTED_SESSIONS.items() if row.raw]
LOGGED = [name for name, row in REPORTED_SESSIONS.items() if row.log]
# Sessions with presentations go all the way to the figures.
STUDIED = [
    name for name, row in REPORTED_SESSIONS.items() if row.nwb or (row.raw and row.log)
]
PACKAGED = [name for name, row in REPORTED_SESSIONS.items() if row.nwb or row.raw]
# Nothing is pooled of no session, nor where that failed.
POOLED = STUDIED and remainder.STUDY not in FAILED

# How an NWB file that another tool made calls what is read; and all settings by which one is read.
EXTERNAL_NAMES = ["nwb.presentations", "nwb.columns", "nwb.unit_columns"]
READING_NWB = [*EXTERNAL_NAMES, "nwb.time_zone"]
# Fields of a session that an NWB file holds, or the sheet in the place of such a file.
SESSION_IN_NWB = [
    "session",
    "subject",
    "date",
    "nwb",
    "preferred",
    "spaces",
    "unstable_baseline",
    "site",
    "latents",
]
# Settings of sorting that come after the sorter: of the figures, of the envelope.
STABILITY = ["sorting.stable_drift", "sorting.stable_p"]
NOT_OF_SORTER = [
    *STABILITY,
    "sorting.envelope",
    "sorting.envelope_band_hz",
    "sorting.envelope_lowpass_hz",
]
# Settings of figures that are of a session's rasters alone.
RASTERS = ["figures.raster_ms", "figures.raster_bin_ms"]
# The report tells by what settings everything was made; of the estimate of energy the page of provenance does.
REPORTED = [
    name
    for name in type(STUDY).model_fields
    if name not in (*declared.WHERE, "provenance")
]

# Where image distances take their weights from.
IMAGE_NETWORKS = [
    f"prototypes.{name}"
    for name in [
        "efficientnet",
        "networks",
        "lpips_alexnet",
        "lpips_linear",
        "lpips_squeezenet",
        "lpips_squeeze_linear",
    ]
]

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


def generator_files(wildcards):
    """Files of the generators that the configuration names."""
    return list(STUDY.spaces.files.values())


def space_weights(wildcards):
    """Weights of a space's generator, where they are configured."""
    return list(filter(None, [STUDY.spaces.weights_of(wildcards.space)]))


def insilico_weights(wildcards):
    """Weights of the generators of the evolutions in silico, where they are configured."""
    named = map(STUDY.spaces.weights_of, STUDY.insilico.spaces)
    return sorted(set(filter(None, named)))


def session_weights(wildcards):
    """Weights of the generators that made the session's images, where they are configured."""
    named = map(STUDY.spaces.weights_of, row(wildcards).spaces)
    return sorted(set(filter(None, named)))


def stimuli(wildcards):
    """Folders of latents and images that the row names."""
    named = [row(wildcards).latents, row(wildcards).images]
    return [stored(folder) for folder in named if folder]


def nwb_of(session):
    """A session's NWB: shared by somebody, or made here."""
    return stored(SESSIONS[session].nwb) or f"{RESULTS}/nwb/{session}{STUDY.nwb.suffix}"


def latent_tables(wildcards):
    """Tables of image and vector that belong to an NWB file of another tool."""
    return list(row(wildcards).latent_tables)


def packaged(path):
    """An NWB file as an output: a file, or a folder where it is Zarr."""
    return directory(path) if STUDY.nwb.backend == "zarr" else path


def nwb_file(wildcards):
    return nwb_of(wildcards.session)


def packaged_files(wildcards):
    return [nwb_of(session) for session in PACKAGED]


def studied_files(wildcards):
    return [nwb_of(session) for session in STUDIED]


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


def framed_spaces(session):
    """Spaces of a session whose eigenframes are made here; of one that does not name them, all there are."""
    named = SESSIONS[session].spaces or GENERATED_SPACES
    made = [*GENERATED_SPACES, *STUDY.spaces.rendered]
    return [
        name
        for name in made
        if name in named and name not in STUDY.encoding.eigenframes
    ]


def frame_of(space):
    """Eigenframe of a space: of the config, or made here."""
    return STUDY.encoding.eigenframes.get(space, f"{RESULTS}/frames/{space}.npz")


def frames(wildcards):
    """Eigenframes that are made here for a session."""
    return [frame_of(space) for space in framed_spaces(wildcards.session)]


def sampled_space(wildcards):
    """The session's object space, whose axes a tuning session follows."""
    named = SESSIONS[wildcards.session].spaces
    objects = [name for name in named if name in STUDY.analysis.object_spaces]
    if not objects:
        raise WorkflowError(
            f"session {wildcards.session}: column spaces of the sample sheet names no object space"
        )
    return objects[0]


def sampled_frame(wildcards):
    return frame_of(sampled_space(wildcards))


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


def settings(*names, without=()):
    """What a rule's script reads of the configuration, as one parameter; a job gets no more.

    A function, as all here: in a plain text Snakemake would look for wildcards.
    """
    text = declared.settings(STUDY, names, without)
    return lambda wildcards: text


def session_fields(*names):
    """What a rule's script reads of the session's row, as one parameter; a job gets no more."""
    return lambda wildcards: declared.text(**declared.fields(row(wildcards), names))


def state_of(*files):
    """What lies in the folders among a job's files: Snakemake looks at their dates alone.

    Of object storage its plugin tells: here such a folder lies for the time of a job only.
    """
    return lambda wildcards: declared.folders(
        file
        for given in files
        for file in listed(given(wildcards))
        if "storage_object" not in getattr(file, "flags", {})
    )


def code(script, in_job=False):
    """Version of what a rule's script runs, as a parameter: of the library, and pins.

    Snakemake starts itself again for each job: there nobody compares versions, unless the script asks for its own.
    """
    return lambda wildcards: (
        versions.of(script_file(script), LOCK)
        if workflow.is_main_process or in_job
        else ""
    )


def script_file(name):
    return f"{workflow.basedir}/workflow/scripts/{name}.py"


def listed(files):
    return [files] if isinstance(files, str) else files


def report_chapter(wildcards):
    """Chapter of a figure, as in our own report."""
    # Read for Snakemake's report alone: what draws figures takes long to load.
    from evoalign.figures.report_chapters import POPULATION, SESSION, chapter_of

    of_session = "session" in wildcards.keys()
    return chapter_of(wildcards.figure, SESSION if of_session else POPULATION)


def report_labels(wildcards):
    """Chapter, title and meaning of a figure, as in our own report."""
    from evoalign.figures.plain_words import figure_title, meaning

    return {
        "chapter": report_chapter(wildcards),
        "figure": figure_title(wildcards.figure),
        "shows": meaning(wildcards.figure),
    }
