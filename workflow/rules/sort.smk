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
    threads: SHARED_CORES
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        code=code("spike_sorting"),
        settings=settings("recordings", "sorting", "seed", without=NOT_OF_SORTER),
        session=session_fields("raw", "preferred"),
        folders=state_of(raw_files),
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
    threads: SHARED_CORES
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=code("envelope"),
        settings=settings("recordings", "sorting", without=STABILITY),
        folders=state_of(raw_files),
    script:
        "../scripts/envelope.py"


# Only for sessions whose row names a curation: it wins over the sorter.
rule curated:
    input:
        **table_files(
            f"{SESSION}/sorting",
            ["units", "spikes", "waveforms", "bad_channels", "artefacts"],
        ),
        **table_files(f"{SESSION}/recording", ["channels", "segments", "online_spikes"]),
        curation=curation,
    output:
        **table_files(f"{SESSION}/curated", ["units", "spikes", "waveforms"]),
    log:
        f"{RESULTS}/logs/curated/{{session}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=code("curated"),
        settings=settings("sorting", without=NOT_OF_SORTER),
        session=session_fields("preferred", "curation"),
    script:
        "../scripts/curated.py"


# Not part of `all`: `snakemake results/sessions/SESSION/analyzer` or `.../phy`, to look at the sorted
# units and curate them. They hold the automatic sorting, whose units a curation names.
rule analyzer:
    input:
        **table_files(
            f"{SESSION}/sorting", ["units", "spikes", "bad_channels", "artefacts"]
        ),
        raw=raw_files,
        channels=f"{SESSION}/recording/channels.parquet",
    output:
        analyzer=directory(f"{SESSION}/analyzer"),
    log:
        f"{RESULTS}/logs/analyzer/{{session}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=code("analyzer"),
        settings=settings("recordings", "sorting", "seed", without=NOT_OF_SORTER),
        folders=state_of(raw_files),
    script:
        "../scripts/analyzer.py"


rule phy:
    input:
        analyzer=f"{SESSION}/analyzer",
    output:
        phy=directory(f"{SESSION}/phy"),
    log:
        f"{RESULTS}/logs/phy/{{session}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=code("phy"),
        settings=settings(),
    script:
        "../scripts/phy.py"
