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
        **depends_on("responses"),
        row=cells_for("responses"),
    script:
        "../scripts/responses.py"
