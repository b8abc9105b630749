# NWB -> counts [unit, presentation, ms]. From here on nothing knows of vendors.


rule responses:
    input:
        nwb=nwb_file,
    output:
        responses=directory(f"{SESSION}/responses.zarr"),
    log:
        f"{RESULTS}/logs/responses/{{session}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        row=row_facts,
        settings=STUDY.responses.model_dump(mode="json"),
        columns=STUDY.nwb.model_dump(
            mode="json", include={"presentations", "columns", "unit_columns"}
        ),
        code=code("responses"),
    script:
        "../scripts/responses.py"
