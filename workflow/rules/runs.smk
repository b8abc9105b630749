# What a killed run left is put in order by the next: nobody has to think. See docs/cluster.md.
from evoalign import process, runs

# Snakemake starts itself again for jobs on a cluster; only the user's own run looks.
if workflow.is_main_process:
    runs.enter_folder()

# Jobs on this machine end with the Snakemake that started them.
os.environ[process.RUN] = process.this_process()


onstart:
    runs.end_slurm_jobs(Path.cwd())
