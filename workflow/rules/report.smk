# One HTML page that opens offline.


rule report:
    input:
        figures=expand(f"{RESULTS}/figures/{{session}}", session=PACKAGED),
        population=[f"{RESULTS}/figures/population"] if STUDIED else [],
        tables=[f"{RESULTS}/population/trajectories"] if STUDIED else [],
        findings=expand(f"{SESSION}/nwb/findings.parquet", session=PACKAGED),
        alignment=expand(
            f"{SESSION}/events/alignment.parquet",
            session=[name for name in STUDIED if SESSIONS[name].raw],
        ),
        units=expand(f"{SESSION}/sorting/units.parquet", session=RECORDED),
        logs=expand(f"{SESSION}/events/log.parquet", session=LOGGED),
        template=f"{workflow.basedir}/workflow/report/report.html.j2",
    output:
        html=f"{RESULTS}/report.html",
    log:
        f"{RESULTS}/logs/report.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        sessions=PACKAGED,
        config=STUDY.model_dump(mode="json", exclude={"results", "device"}),
        code=code("report"),
    script:
        "../scripts/report.py"
