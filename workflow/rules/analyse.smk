# Responses -> trajectories, success, dynamics, tuning, encoding; a session by itself, then pooled.


rule trajectories:
    input:
        responses=f"{SESSION}/responses.zarr",
    output:
        tables=directory(f"{SESSION}/trajectories"),
    log:
        f"{RESULTS}/logs/trajectories/{{session}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
        gpu=GPUS,
    params:
        code=code("trajectories"),
        settings=settings("analysis", "tuning", "responses", "seed"),
        session=session_fields("preferred", "unstable_baseline", "optimisers", "site"),
    script:
        "../scripts/trajectories.py"


rule population:
    input:
        sessions=expand(f"{SESSION}/trajectories", session=STUDIED),
    output:
        tables=directory(f"{RESULTS}/population/trajectories"),
    log:
        f"{RESULTS}/logs/population.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=code("population"),
        settings=settings("analysis", "seed"),
    script:
        "../scripts/population.py"


# Of sessions whose images vary along eigen-axes: `trajectories` holds their tables too.
rule population_tuning:
    input:
        sessions=expand(f"{SESSION}/trajectories", session=STUDIED),
    output:
        tables=directory(f"{RESULTS}/population/tuning"),
    log:
        f"{RESULTS}/logs/population_tuning.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("population_tuning"),
        settings=settings("tuning", "seed"),
        follows=lambda wildcards: declared.text(
            **{name: row.follows for name, row in SESSIONS.items() if row.follows}
        ),
    script:
        "../scripts/population_tuning.py"


rule encoding:
    input:
        responses=f"{SESSION}/responses.zarr",
        frames=frames,
    output:
        tables=directory(f"{SESSION}/encoding"),
    log:
        f"{RESULTS}/logs/encoding/{{session}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=4000,
        runtime=240,
        gpu=GPUS,
    params:
        code=code("encoding", in_job=True),
        settings=settings(
            "encoding",
            "responses",
            "analysis.texture_spaces",
            "analysis.object_spaces",
            "seed",
            without=["encoding.fdr"],
        ),
    script:
        "../scripts/encoding.py"


rule population_encoding:
    input:
        sessions=expand(f"{SESSION}/encoding", session=STUDIED),
    output:
        tables=directory(f"{RESULTS}/population/encoding"),
    log:
        f"{RESULTS}/logs/population_encoding.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=code("population_encoding"),
        settings=settings("encoding", "analysis", "seed"),
    script:
        "../scripts/population_encoding.py"


# Images that stand for each thread, and whether alike ones drive the unit alike.
rule prototypes:
    input:
        nwb=studied_files,
        latents=[path for name in STUDIED for path in SESSIONS[name].latent_tables],
        sessions=expand(f"{SESSION}/trajectories", session=STUDIED),
        encoding=expand(f"{SESSION}/encoding", session=STUDIED),
        weights=generator_files,
    output:
        tables=directory(f"{RESULTS}/population/prototypes"),
        pictures=directory(f"{RESULTS}/population/prototype_images"),
    log:
        f"{RESULTS}/logs/prototypes.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=GPUS if STUDY.spaces.files else 0,
    params:
        code=code("prototypes"),
        settings=settings(
            "prototypes",
            "spaces",
            "analysis",
            "seed",
            *READING_NWB,
            without=["prototypes.measure", "prototypes.mask"],
        ),
        folders=state_of(studied_files),
        sessions=lambda wildcards: declared.text(
            **{
                name: declared.fields(SESSIONS[name], SESSION_IN_NWB)
                for name in STUDIED
            }
        ),
    script:
        "../scripts/prototypes.py"
