# NWB -> counts [unit, presentation, ms]. From here on nothing knows of vendors.


rule responses:
    input:
        nwb=nwb_file,
    output:
        responses=directory(f"{SESSION}/responses.zarr"),
    params:
        settings=STUDY.responses.model_dump(mode="json"),
        code=code("responses"),
    log:
        f"{RESULTS}/logs/responses/{{session}}.log",
    resources:
        mem_mb=2000,
        runtime=30,
    conda:
        "../../envs/environment.yaml"
    script:
        "../scripts/responses.py"
