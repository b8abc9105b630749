from evoalign.analysis.session.analyse import analyse_session
from evoalign.pipeline.declared import session_of
from evoalign.pipeline.job import job
from evoalign.responses.store import read_responses

with job(snakemake) as (config, facts):
    row = session_of(snakemake)
    results = analyse_session(
        read_responses(snakemake.input.responses),
        config,
        unstable=row.unstable_baseline,
        preferred=row.preferred,
        optimisers=row.optimisers,
        site=row.site,
    )
    results.write(snakemake.output.tables, facts)
