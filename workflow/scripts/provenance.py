from evoalign.pipeline.job import job
from evoalign.pipeline.provenance.account import account
from evoalign.pipeline.provenance.crate import write_crate
from evoalign.pipeline.provenance.page import write_pages
from evoalign.pipeline.provenance.records import named
from evoalign.pipeline.provenance.workflow import copy_workflow

with job(snakemake) as (config, facts):
    given, made = snakemake.input, snakemake.output
    digest = facts[f"input:{named(given.report)}"]
    found = account(config.results, given.report, digest, config.provenance)
    parts = dict(snakemake.params.workflow, sheet=config.sessions)
    copy_workflow(**parts, config=snakemake.config, folder=made.workflow)
    write_pages(dict(made.items()), given.template, found, config.study)
    write_crate(made.crate, found, made.workflow, config, facts)
