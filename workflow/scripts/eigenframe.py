from evoalign.device import resolve_device
from evoalign.files import pieces
from evoalign.pipeline.job import job, version
from evoalign.spaces.frames import make_frames, plan_for
from evoalign.spaces.hessian import save_eigenframe
from evoalign.spaces.registry import get_space

# Parts of another plan, or of other code, are not taken.
with job(snakemake) as (config, facts), pieces(snakemake.output.frame, version(snakemake)) as folder:
    device = resolve_device(config.device)
    space = get_space(snakemake.wildcards.space, config.spaces, device=device)
    plan = plan_for(space, config.hessian, config.prototypes, config.seed, device, facts)
    frame, blocks = make_frames(space, plan, folder)
    save_eigenframe(frame, snakemake.output.frame, blocks)
