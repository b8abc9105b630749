# Stimulus log + event words + photodiode -> presentations on the recording's clock.


rule stimulus_log:
    input:
        log=log_file,
    output:
        log=f"{SESSION}/events/log.parquet",
    log:
        f"{RESULTS}/logs/stimulus_log/{{session}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("stimulus_log"),
        settings=settings("events"),
        session=session_fields("log", "raw", "spaces"),
    script:
        "../scripts/stimulus_log.py"


rule presentations:
    input:
        raw=raw_files,
        log=f"{SESSION}/events/log.parquet",
        words=f"{SESSION}/recording/words.parquet",
        stimuli=stimuli,
    output:
        **table_files(f"{SESSION}/events", ["presentations", "alignment"]),
    log:
        f"{RESULTS}/logs/presentations/{{session}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("presentations"),
        settings=settings("events", "recordings"),
        session=session_fields(
            "session", "raw", "log", "latents", "images", "photodiode"
        ),
        folders=state_of(raw_files, stimuli),
    script:
        "../scripts/presentations.py"
