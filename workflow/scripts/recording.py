from evoalign.formats.opening import open_recording
from evoalign.pipeline.job import job
from evoalign.recordings.array_map import apply_array_map, read_array_map
from evoalign.recordings.export import write_recording_tables

with job(snakemake) as (config, facts):
    recording = open_recording(snakemake.input.raw, config.recordings.gap_tolerance_ms)
    if snakemake.input.arrays:
        map_file = snakemake.input.arrays[0]
        array_map = read_array_map(map_file)
        recording.channels = apply_array_map(recording.channels, array_map, map_file)
    write_recording_tables(recording, dict(snakemake.output.items()), facts)
