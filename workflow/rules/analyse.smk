# Responses -> trajectories, success, dynamics and encoding: by session, then pooled by area.


rule trajectories:
    input:
        responses=f"{SESSION}/responses.zarr",
    output:
        tables=directory(f"{SESSION}/trajectories"),
    params:
        row=row_facts,
        settings=STUDY.analysis.model_dump(mode="json"),
        seed=STUDY.seed,
        code=code("trajectories"),
    log:
        f"{RESULTS}/logs/trajectories/{{session}}.log",
    resources:
        mem_mb=2000,
        runtime=30,
    conda:
        "../../envs/environment.yaml"
    script:
        "../scripts/trajectories.py"


rule population:
    input:
        sessions=expand(f"{SESSION}/trajectories", session=STUDIED),
    output:
        tables=directory(f"{RESULTS}/population/trajectories"),
    params:
        settings=STUDY.analysis.model_dump(mode="json"),
        seed=STUDY.seed,
        code=code("population"),
    log:
        f"{RESULTS}/logs/population.log",
    resources:
        mem_mb=4000,
        runtime=60,
    conda:
        "../../envs/environment.yaml"
    script:
        "../scripts/population.py"


rule encoding:
    input:
        responses=f"{SESSION}/responses.zarr",
    output:
        tables=directory(f"{SESSION}/encoding"),
    params:
        row=row_facts,
        settings=STUDY.encoding.model_dump(mode="json"),
        seed=STUDY.seed,
        code=code("encoding"),
    log:
        f"{RESULTS}/logs/encoding/{{session}}.log",
    resources:
        mem_mb=4000,
        runtime=240,
    conda:
        "../../envs/environment.yaml"
    script:
        "../scripts/encoding.py"


rule population_encoding:
    input:
        sessions=expand(f"{SESSION}/encoding", session=STUDIED),
    output:
        tables=directory(f"{RESULTS}/population/encoding"),
    params:
        settings=STUDY.encoding.model_dump(mode="json"),
        seed=STUDY.seed,
        code=code("population_encoding"),
    log:
        f"{RESULTS}/logs/population_encoding.log",
    resources:
        mem_mb=4000,
        runtime=60,
    conda:
        "../../envs/environment.yaml"
    script:
        "../scripts/population_encoding.py"
