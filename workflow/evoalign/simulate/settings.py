"""Settings of the simulated demo study."""

from __future__ import annotations

from pydantic import NonNegativeInt, PositiveInt

from evoalign.settings import Section, setting


class Demo(Section):
    """The demo study that `make demo` simulates."""

    seed: int = setting(20260, "seed of the whole demo study", ge=0)
    n_electrodes: int = setting(6, "electrodes of a recording", ge=4, le=96)
    n_blocks: int = setting(16, "blocks (= generations) a session", ge=4, le=60)
    images_per_thread: int = setting(16, "generated images a thread and block of a recording", ge=4, le=40)
    references_per_thread: int = setting(2, "natural reference images a thread and block", ge=0, le=20)
    noise_uv: float = setting(9.0, "standard deviation of the voltage noise", gt=0, le=50)
    shared_electrodes: int = setting(2, "electrodes of a session that enters as an NWB file", ge=2, le=96)
    shared_images_per_thread: int = setting(
        40, "generated images a thread and block of such a session", ge=4, le=40
    )


class Insilico(Section):
    """Evolutions driven by units of an image network, EfficientNet-Lite0 (docs/methods.md section 8)."""

    weights: str = setting(
        "", "state of the network, a file of torch.save; '' = the ImageNet weights of the pins"
    )
    layers: tuple[str, ...] = setting(
        ("block01", "block06", "head"), "layers of the network, block00 to block15 and head"
    )
    spaces: tuple[str, str] = setting(
        ("texture", "object"),
        "spaces of thread 0 and 1; those of section spaces, as [DeePSim, BigGAN], when their weights are set",
    )
    units: int = setting(5, "units of each layer that drive an evolution", ge=1, le=1000)
    n_blocks: int = setting(16, "blocks (= generations) of an evolution", ge=4, le=60)
    images_per_thread: int = setting(12, "generated images a thread and block", ge=4, le=40)
    references_per_thread: int = setting(2, "reference images a thread and block", ge=0, le=20)
    network_px: int = setting(112, "side of the images in the network; it was trained at 224", ge=32, le=512)
    linear_images: int = setting(500, "images of each space for the linearity of latents", ge=50, le=100_000)
    linear_units: int = setting(40, "units of each layer for the linearity of latents", ge=2, le=2000)
    warped_depths: tuple[NonNegativeInt, ...] = setting(
        (0, 2, 4, 8), "coupling layers of the flows that warp a landscape; 0 = not warped"
    )
    warped_dimensions: tuple[PositiveInt, ...] = setting((16, 64, 256), "dimensions of the landscapes")
    warped_evaluations: int = setting(
        1200, "images that a search of a landscape may try", ge=100, le=1_000_000
    )
    warped_repeats: int = setting(5, "landscapes of each depth and dimension", ge=2, le=1000)
