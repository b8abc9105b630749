# Not part of `all`: `snakemake results/insilico/report.html`. Evolutions driven by units of an image
# network, as NWB sessions, and the tables and figures of recorded ones.
NETWORKS = ["trained", "random", "null"]
INSILICO = f"{RESULTS}/insilico/{{network}}"
# What an NWB file is written and read by.
PACKAGING = [
    "nwb",
    "responses",
    "experimenter",
    "institution",
    "lab",
    "species",
    "sorting.reference",
    "sorting.envelope",
    "sorting.envelope_band_hz",
    "sorting.envelope_lowpass_hz",
]
LINEAR = ["insilico.linear_images", "insilico.linear_units"]
WARPED = [
    "insilico.warped_depths",
    "insilico.warped_dimensions",
    "insilico.warped_evaluations",
    "insilico.warped_repeats",
]


wildcard_constraints:
    network="|".join(NETWORKS),


rule insilico_sessions:
    input:
        weights=insilico_weights,
    output:
        sessions=directory(f"{INSILICO}/sessions"),
    log:
        f"{RESULTS}/logs/insilico_sessions/{{network}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=3000,
        runtime=120,
        gpu=GPUS,
    params:
        code=code("insilico_sessions", in_job=True),
        settings=settings(
            "insilico",
            "spaces",
            "seed",
            *PACKAGING,
            without=["nwb.strict", *READING_NWB, *LINEAR, *WARPED],
        ),
    script:
        "../scripts/insilico_sessions.py"


rule insilico_tables:
    input:
        sessions=f"{INSILICO}/sessions",
    output:
        tables=directory(f"{INSILICO}/tables"),
    log:
        f"{RESULTS}/logs/insilico_tables/{{network}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        code=code("insilico_tables"),
        settings=settings("analysis", "tuning", "responses", "seed", *READING_NWB),
    script:
        "../scripts/insilico_tables.py"


rule insilico_linearity:
    input:
        frames=[frame_of(space) for space in STUDY.insilico.spaces],
        weights=insilico_weights,
    output:
        tables=directory(f"{INSILICO}/linearity"),
    log:
        f"{RESULTS}/logs/insilico_linearity/{{network}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=3000,
        runtime=60,
        gpu=GPUS,
    params:
        code=code("insilico_linearity"),
        settings=settings(
            "insilico",
            "spaces",
            "encoding.alpha_log10",
            "encoding.n_alphas",
            "encoding.n_folds",
            "analysis.n_bootstrap",
            "analysis.interval",
            "seed",
            without=WARPED,
        ),
    script:
        "../scripts/insilico_linearity.py"


rule insilico_warped:
    output:
        **table_files(
            f"{RESULTS}/insilico/warped", ["insilico_warped", "insilico_warped_means"]
        ),
    log:
        f"{RESULTS}/logs/insilico_warped.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=code("insilico_warped"),
        settings=settings(*WARPED, "seed"),
    script:
        "../scripts/insilico_warped.py"


rule insilico_report:
    input:
        sessions=expand(f"{INSILICO}/tables", network=NETWORKS),
        linearity=expand(f"{INSILICO}/linearity", network=NETWORKS),
        warped=f"{RESULTS}/insilico/warped/insilico_warped_means.parquet",
        style=STUDY.figures.style,
        template=os.path.relpath(f"{workflow.basedir}/workflow/report/report.html.j2"),
        style_and_script=[
            os.path.relpath(f"{workflow.basedir}/workflow/report/report.{suffix}")
            for suffix in ["css", "js"]
        ],
    output:
        html=f"{RESULTS}/insilico/report.html",
        figures=directory(f"{RESULTS}/insilico/figures"),
    log:
        f"{RESULTS}/logs/insilico_report.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("insilico_report"),
        settings=settings(
            "figures", "analysis", "encoding", "tuning", "prototypes", without=RASTERS
        ),
    script:
        "../scripts/insilico_report.py"
