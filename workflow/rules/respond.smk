# NWB -> counts [unit, presentation, ms]. From here on nothing knows of vendors.


rule responses:
    input:
        nwb=nwb_file,
        latents=latent_tables,
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
        code=code("responses"),
        settings=settings("responses", *READING_NWB),
        session=session_fields(*SESSION_IN_NWB),
        folders=state_of(nwb_file),
    script:
        "../scripts/responses.py"
