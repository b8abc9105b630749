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
        **depends_on("trajectories"),
        row=cells_for("trajectories"),
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
        **depends_on("population"),
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
        **depends_on("population_tuning"),
        follows={name: row.follows for name, row in SESSIONS.items() if row.follows},
    script:
        "../scripts/population_tuning.py"


rule encoding:
    input:
        responses=f"{SESSION}/responses.zarr",
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
        **depends_on("encoding"),
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
        **depends_on("population_encoding"),
    script:
        "../scripts/population_encoding.py"


# Images that stand for each thread, and whether alike ones drive the unit alike.
rule prototypes:
    input:
        nwb=[nwb_of(session) for session in STUDIED],
        sessions=expand(f"{SESSION}/trajectories", session=STUDIED),
        encoding=expand(f"{SESSION}/encoding", session=STUDIED),
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
    params:
        **depends_on("prototypes"),
        rows={
            session: depends.cells(script_file("prototypes"), SESSIONS[session])
            for session in STUDIED
        },
    script:
        "../scripts/prototypes.py"
