# What is known of image spaces beside any session: their eigenframes; and images along these.


# Shared by studies where `snakemake --cache` runs: a frame of thousands of latents takes hours.
rule eigenframe:
    input:
        weights=space_weights,
    output:
        frame=f"{RESULTS}/frames/{{space}}.npz",
    log:
        f"{RESULTS}/logs/eigenframe/{{space}}.log",
    cache: CACHING
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=4000,
        runtime=600,
        gpu=GPUS,
    params:
        code=code("eigenframe", in_job=True),
        settings=settings(
            "hessian",
            "spaces",
            *IMAGE_NETWORKS,
            "seed",
            without=["hessian.axes", "hessian.distances"],
        ),
    script:
        "../scripts/eigenframe.py"


# Not part of `all`: the images of a tuning session after an evolution, for the rig.
rule axis_images:
    input:
        nwb=nwb_file,
        latents=latent_tables,
        frame=sampled_frame,
        weights=session_weights,
    output:
        images=directory(f"{SESSION}/axis_images"),
    log:
        f"{RESULTS}/logs/axis_images/{{session}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        code=code("axis_images"),
        settings=settings("hessian", "spaces", *IMAGE_NETWORKS, *READING_NWB),
        session=session_fields(*SESSION_IN_NWB),
        folders=state_of(nwb_file),
        space=sampled_space,
    script:
        "../scripts/axis_images.py"
