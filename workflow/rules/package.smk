# Everything about a session -> one NWB file, and what the validators say of it.


rule nwb:
    input:
        **table_files(f"{SESSION}/recording", ["channels", "segments", "words"]),
        **table_files(
            f"{SESSION}/sorting", ["units", "spikes", "waveforms", "bad_channels"]
        ),
        raw=raw_files,
        stimuli=stimuli,
        presentations=presentation_tables,
        descriptor=f"{SESSION}/recording/descriptor.json",
    output:
        nwb=f"{RESULTS}/nwb/{{session}}.nwb",
    log:
        f"{RESULTS}/logs/nwb/{{session}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        row=row_facts,
        config=STUDY.model_dump(mode="json", exclude={"results", "sessions", "device"}),
        code=code("nwb"),
    script:
        "../scripts/nwb.py"


rule nwb_findings:
    input:
        nwb=nwb_file,
    output:
        findings=f"{SESSION}/nwb/findings.parquet",
    log:
        f"{RESULTS}/logs/nwb_findings/{{session}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("nwb_findings"),
    script:
        "../scripts/nwb_findings.py"
