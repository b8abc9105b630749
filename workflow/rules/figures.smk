# Tables -> figures: vector, bitmap and the source data of each panel.


rule session_figures:
    input:
        nwb=nwb_file,
        latents=latent_tables,
        tables=analysis_tables,
        style=STUDY.figures.style,
    output:
        figures=report(
            directory(f"{RESULTS}/figures/{{session}}"),
            patterns=["{figure}.png"],
            category="Sessions",
            subcategory="{session}",
            labels=report_labels,
            caption="../report/session.rst",
        ),
    log:
        f"{RESULTS}/logs/session_figures/{{session}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("session_figures"),
        settings=settings(
            "figures", "sorting", "analysis", "encoding", "tuning", *READING_NWB
        ),
        session=session_fields(*SESSION_IN_NWB),
        folders=state_of(nwb_file),
    script:
        "../scripts/session_figures.py"


rule population_figures:
    input:
        trajectories=f"{RESULTS}/population/trajectories",
        encoding=f"{RESULTS}/population/encoding",
        tuning=f"{RESULTS}/population/tuning",
        prototypes=f"{RESULTS}/population/prototypes",
        pictures=f"{RESULTS}/population/prototype_images",
        style=STUDY.figures.style,
    output:
        figures=report(
            directory(f"{RESULTS}/figures/population"),
            patterns=["{figure}.png"],
            category="Population",
            subcategory=report_chapter,
            labels=report_labels,
            caption="../report/population.rst",
        ),
    log:
        f"{RESULTS}/logs/population_figures.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("population_figures"),
        settings=settings(
            "figures", "analysis", "encoding", "tuning", "prototypes", without=RASTERS
        ),
    script:
        "../scripts/population_figures.py"
