# What the run took, and from what: a page, a table, an RO-Crate. Each job has left a record of its own.


rule provenance:
    input:
        report=f"{RESULTS}/report.html",
        template=os.path.relpath(
            f"{workflow.basedir}/workflow/report/provenance.html.j2"
        ),
        totals_template=os.path.relpath(
            f"{workflow.basedir}/workflow/report/totals.html.j2"
        ),
    output:
        page=f"{RESULTS}/provenance/index.html",
        totals=f"{RESULTS}/provenance/totals.html",
        jobs=f"{RESULTS}/provenance/jobs.tsv",
        workflow=directory(f"{RESULTS}/provenance/workflow"),
        crate=f"{RESULTS}/ro-crate-metadata.json",
    log:
        f"{RESULTS}/logs/provenance.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=code("provenance"),
        settings=settings("study", "provenance", "experimenter", "institution", "lab"),
        # Copied as they are when the report is made; a comment that changes in them makes nothing anew.
        workflow={
            "snakefile": os.path.relpath(f"{workflow.basedir}/Snakefile"),
            "rules": sorted(
                map(
                    os.path.relpath,
                    Path(workflow.basedir, "workflow/rules").glob("*.smk"),
                )
            ),
            "lock": os.path.relpath(f"{workflow.basedir}/envs/requirements.lock"),
        },
    script:
        "../scripts/provenance.py"
