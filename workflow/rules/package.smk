# Everything about a session -> one NWB file, and what the validators say of it.


rule nwb:
    input:
        unpack(sorted_tables),
        **table_files(f"{SESSION}/recording", ["channels", "segments", "words"]),
        raw=raw_files,
        stimuli=stimuli,
        presentations=presentation_tables,
        envelope=envelope,
        descriptor=f"{SESSION}/recording/descriptor.json",
    output:
        nwb=packaged(f"{RESULTS}/nwb/{{session}}{STUDY.nwb.suffix}"),
    log:
        f"{RESULTS}/logs/nwb/{{session}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        **depends_on(
            "nwb", "recording", "stimulus_log", "presentations", "spike_sorting"
        ),
        row=cells_for("nwb"),
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
        **depends_on("nwb_findings"),
    script:
        "../scripts/nwb_findings.py"


# Not part of `all`: `snakemake results/dandiset` when the study is to be shared.
rule dandiset:
    input:
        nwb=[nwb_of(session) for session in PACKAGED],
    output:
        dandiset=directory(f"{RESULTS}/dandiset"),
    log:
        f"{RESULTS}/logs/dandiset.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        **depends_on("dandiset"),
    script:
        "../scripts/dandiset.py"
