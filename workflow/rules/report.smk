# One HTML page that opens offline.


rule report:
    input:
        figures=expand(f"{RESULTS}/figures/{{session}}", session=PACKAGED),
        population=[f"{RESULTS}/figures/population"] if POOLED else [],
        pooled=[f"{RESULTS}/population/trajectories"] if POOLED else [],
        encoding=[f"{RESULTS}/population/encoding"] if POOLED else [],
        tuning=[f"{RESULTS}/population/tuning"] if POOLED else [],
        descriptors=expand(f"{SESSION}/recording/descriptor.json", session=RECORDED),
        segments=expand(f"{SESSION}/recording/segments.parquet", session=RECORDED),
        units=[sorted_table(session, "units") for session in RECORDED],
        findings=expand(f"{SESSION}/nwb/findings.parquet", session=PACKAGED),
        alignment=expand(
            f"{SESSION}/events/alignment.parquet",
            session=[name for name in STUDIED if SESSIONS[name].raw],
        ),
        logs=expand(
            f"{SESSION}/events/log.parquet",
            session=[name for name in LOGGED if not SESSIONS[name].raw],
        ),
        template=os.path.relpath(f"{workflow.basedir}/workflow/report/report.html.j2"),
        style_and_script=[
            os.path.relpath(f"{workflow.basedir}/workflow/report/report.{suffix}")
            for suffix in ["css", "js"]
        ],
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
        code=code("report"),
        # Tells what all the others were made from.
        settings=settings(*REPORTED),
        sessions=lambda wildcards: declared.text(
            recorded=RECORDED,
            packaged=PACKAGED,
            failed=FAILED,
            rows={
                name: declared.fields(row, ["subject"])
                for name, row in SESSIONS.items()
            },
        ),
    script:
        "../scripts/report.py"
