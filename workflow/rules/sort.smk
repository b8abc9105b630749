# Voltages -> units: sorted, multi-unit and online.


rule spike_sorting:
    input:
        raw=raw_files,
        channels=f"{SESSION}/recording/channels.parquet",
        online_spikes=f"{SESSION}/recording/online_spikes.parquet",
    output:
        **table_files(
            f"{SESSION}/sorting",
            ["units", "spikes", "waveforms", "bad_channels", "artefacts"],
        ),
    log:
        f"{RESULTS}/logs/spike_sorting/{{session}}.log",
    cache: CACHING
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        **depends_on("spike_sorting"),
        row=cells_for("spike_sorting"),
    script:
        "../scripts/spike_sorting.py"


# Only where the config says `sorting.envelope: true`.
rule envelope:
    input:
        **table_files(f"{SESSION}/sorting", ["bad_channels", "artefacts"]),
        raw=raw_files,
        channels=f"{SESSION}/recording/channels.parquet",
    output:
        envelope=directory(f"{SESSION}/sorting/envelope.zarr"),
    log:
        f"{RESULTS}/logs/envelope/{{session}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        **depends_on("envelope"),
    script:
        "../scripts/envelope.py"
