# Raw files -> what they hold: channels, segments, event words, online spikes.


rule recording:
    input:
        raw=raw_files,
        arrays=array_map,
    output:
        **table_files(
            f"{SESSION}/recording", ["channels", "segments", "words", "online_spikes"]
        ),
        descriptor=f"{SESSION}/recording/descriptor.json",
    log:
        f"{RESULTS}/logs/recording/{{session}}.log",
    cache: CACHING
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("recording"),
        settings=settings("recordings"),
        folders=state_of(raw_files),
    script:
        "../scripts/recording.py"
