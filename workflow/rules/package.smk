# Everything about a session -> one NWB file, and what the validators say of it.


rule nwb:
    input:
        unpack(sorted_tables),
        **table_files(f"{SESSION}/recording", ["channels", "segments", "words"]),
        raw=raw_files,
        stimuli=stimuli,
        weights=session_weights,
        presentations=presentation_tables,
        envelope=envelope,
        descriptor=f"{SESSION}/recording/descriptor.json",
    output:
        nwb=packaged(f"{RESULTS}/nwb/{{session}}{STUDY.nwb.suffix}"),
    log:
        f"{RESULTS}/logs/nwb/{{session}}.log",
    conda:
        "../../envs/environment.yaml"
    threads: SHARED_CORES if STUDY.nwb.raw == "embed" else 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=code("nwb"),
        settings=settings(
            "recordings",
            "events",
            "sorting",
            "nwb",
            "spaces",
            "analysis.baseline_ms",
            "seed",
            "experimenter",
            "institution",
            "lab",
            "species",
            without=["nwb.strict", *EXTERNAL_NAMES, *STABILITY],
        ),
        session=session_fields(
            "session",
            "subject",
            "date",
            "nwb",
            "raw",
            "latents",
            "images",
            "preferred",
            "spaces",
            "optimisers",
            "photodiode",
            "unstable_baseline",
            "site",
        ),
        folders=state_of(raw_files, stimuli),
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
        settings=settings("nwb"),
        folders=state_of(nwb_file),
    script:
        "../scripts/nwb_findings.py"


# Not part of `all`: `snakemake results/dandiset` when the study is to be shared.
rule dandiset:
    input:
        nwb=packaged_files,
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
        code=code("dandiset"),
        settings=settings("study", "nwb", "experimenter", "institution", "lab"),
        folders=state_of(packaged_files),
    script:
        "../scripts/dandiset.py"
