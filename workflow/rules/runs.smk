# What a killed run left is put in order by the next: nobody has to think. See docs/cluster.md.
import contextlib
import time

from evoalign.pipeline import failures, process, remainder, runs, starter

# Snakemake starts itself again for jobs on a cluster; only the user's own run looks.
if workflow.is_main_process:
    runs.tidy(RESULTS)
    runs.renew(
        RESULTS,
        STUDY.model_dump(mode="json"),
        {name: row.model_dump(mode="json") for name, row in SESSIONS.items()},
    )

# Jobs beside each other fit into this machine's memory, or into that of the SLURM job that the run is;
# `--resources mem_mb=` says otherwise.
if workflow.is_main_process and workflow.local_exec:
    workflow.global_resources.setdefault(
        "mem_mb", int(0.9 * process.granted_memory() / 1e6)
    )

BEGAN = time.time()
# On a cluster, where jobs run in groups: what the run is to make and is there already.
BEFORE = {}

# Jobs on this machine end with the Snakemake that started them.
os.environ[process.RUN] = process.this_process()


onstart:
    runs.begin(RESULTS)
    runs.wake_when_jobs_end(workflow.scheduler)
    if not workflow.local_exec:
        planned = workflow.dag.needrun_jobs()
        BEFORE.update(
            runs.existing(RESULTS, (name for job in planned for name in job.output))
        )
    # Where a rule has an environment of its own, its Python is that one's.
    if workflow.local_exec and not workflow.deployment_settings.deployment_method:
        if starter.is_worth_it(len(list(workflow.dag.needrun_jobs()))):
            # a folder for temporary files whose path is too long for a socket, or none: jobs are plain Pythons
            with contextlib.suppress(OSError):
                sys.executable = starter.start(sys.executable).command


onerror:
    if BEFORE:
        runs.plan_again(RESULTS, BEFORE)
    failed = failures.tell_failures(f"{RESULTS}/logs", BEGAN)
    if not remainder.was_stopped(listed(log)):
        runs.end(RESULTS)
        asked = workflow.dag_settings
        remainder.run_the_others(
            RESULTS,
            failed,
            asked.targets,
            reports=["all", "report", "provenance", f"{RESULTS}/report.html"],
            forced=bool(asked.forceall or asked.forcerun or asked.forcetargets),
        )
