# Raw recordings to figures. Read the includes in order: that is the flow of the data.
from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/runs.smk"


rule all:
    input:
        f"{RESULTS}/report.html",
        f"{RESULTS}/provenance/index.html",


include: "workflow/rules/demo.smk"
include: "workflow/rules/ingest.smk"
include: "workflow/rules/sort.smk"
include: "workflow/rules/align.smk"
include: "workflow/rules/package.smk"
include: "workflow/rules/respond.smk"
include: "workflow/rules/spaces.smk"
include: "workflow/rules/analyse.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/insilico.smk"
include: "workflow/rules/provenance.smk"
