"""All that knows Snakemake: jobs, what a rule declares, resuming runs, provenance."""
