# Raw files -> what they hold: channels, segments, event words, online spikes.


rule recording:
    input:
        raw=raw_files,
        arrays=array_map,
    output:
        descriptor=f"{SESSION}/recording/descriptor.json",
        **table_files(
            f"{SESSION}/recording", ["channels", "segments", "words", "online_spikes"]
        ),
    params:
        code=code("recording"),
    log:
        f"{RESULTS}/logs/recording/{{session}}.log",
    resources:
        mem_mb=2000,
        runtime=30,
    conda:
        "../../envs/environment.yaml"
    script:
        "../scripts/recording.py"
