# The demo study: recordings in the vendors' true bytes, simulated in closed loop.


rule demo_blackrock:
    output:
        raw=multiext(f"{DEMO}/{{area}}_blackrock/{{area}}_blackrock", ".nev", ".ns6"),
        log=f"{DEMO}/{{area}}_blackrock/log.tsv",
        folders=[
            directory(f"{DEMO}/{{area}}_blackrock/{part}")
            for part in ["latents", "images", "truth"]
        ],
    log:
        f"{RESULTS}/logs/demo/{{area}}_blackrock.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=3000,
        runtime=15,
    params:
        code=code("demo"),
        settings=settings("demo"),
        vendor="blackrock",
    script:
        "../scripts/demo.py"


rule demo_plexon:
    output:
        raw=f"{DEMO}/{{area}}_plexon/{{area}}_plexon.plx",
        log=f"{DEMO}/{{area}}_plexon/log.tsv",
        folders=[
            directory(f"{DEMO}/{{area}}_plexon/{part}")
            for part in ["latents", "images", "truth"]
        ],
    log:
        f"{RESULTS}/logs/demo/{{area}}_plexon.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=3000,
        runtime=15,
    params:
        code=code("demo"),
        settings=settings("demo"),
        vendor="plexon",
    script:
        "../scripts/demo.py"


# Enters as an NWB file: images along eigen-axes, after the evolution of IT_blackrock.
rule demo_tuning:
    output:
        nwb=f"{DEMO}/IT_tuning/IT_tuning.nwb",
        truth=f"{DEMO}/IT_tuning/truth/axes.tsv",
    log:
        f"{RESULTS}/logs/demo/IT_tuning.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        code=code("demo_tuning"),
        settings=settings(
            "demo",
            "experimenter",
            "institution",
            "lab",
            "species",
            "nwb",
            "responses",
            "sorting.reference",
            "sorting.envelope",
            "sorting.envelope_band_hz",
            "sorting.envelope_lowpass_hz",
            without=["nwb.strict", *READING_NWB],
        ),
    script:
        "../scripts/demo_tuning.py"


SHARED = [
    *expand("{area}_shared{number}", area=["V1", "V4", "IT"], number=range(1, 5)),
    "untuned_shared",
]


# As another lab would share them: units, presentations and latents, no voltages. One job, for each takes
# seconds; and the first, for most of the study waits for it.
rule demo_shared:
    output:
        nwb=expand(f"{DEMO}/{{session}}/{{session}}.nwb", session=SHARED),
        truth=directory(expand(f"{DEMO}/{{session}}/truth", session=SHARED)),
    log:
        f"{RESULTS}/logs/demo/shared.log",
    priority: 1
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        code=code("demo_shared"),
        settings=settings(
            "demo",
            "experimenter",
            "institution",
            "lab",
            "species",
            "nwb",
            "responses",
            "sorting",
            "analysis.baseline_ms",
            without=["nwb.strict", *READING_NWB],
        ),
    script:
        "../scripts/demo_shared.py"
