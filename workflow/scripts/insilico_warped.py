from evoalign import tables
from evoalign.insilico.tables import INSILICO_WARPED, INSILICO_WARPED_MEANS
from evoalign.insilico.warped import pooled_scores, warped_scores
from evoalign.pipeline.job import job

with job(snakemake) as (config, facts):
    scores = warped_scores(config.insilico, config.seed)
    tables.write(scores, INSILICO_WARPED, snakemake.output.insilico_warped, facts)
    means = pooled_scores(scores)
    tables.write(means, INSILICO_WARPED_MEANS, snakemake.output.insilico_warped_means, facts)
