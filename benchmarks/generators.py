"""DeePSim and BigGAN on two cores, beside what these can do and beside the published package.

`python benchmarks/generators.py` prints the table of docs/generators.md. Weights are random, in the
published layouts: they do not change the time. Each number is the best of several, taken in turns
with what it is compared with, which has as many operations: another load on the machine meets both.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

import torch
from torch.nn import functional

from evoalign.spaces.biggan import BigganSpace
from evoalign.spaces.biggan_layout import BIGGAN_256, FIRST_SIDE
from evoalign.spaces.biggan_network import BigganNetwork
from evoalign.spaces.deepsim import CONVOLUTIONS, LINEAR, DeepsimNetwork, DeepsimSpace

CORES = 2
IMAGES = 40  # a block of the study's texture thread
BIGGAN_IMAGES = 5


def best_in_turns(tasks: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Shortest time of each task, s."""
    for task in tasks.values():
        task()
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(repeats):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            seconds[name].append(time.perf_counter() - start)
    return {name: min(values) for name, values in seconds.items()}


def deepsim_operations() -> float:
    """Floating point operations of an image: two a product and sum."""
    latents = CONVOLUTIONS[0][1] * FIRST_SIDE**2
    products, side = len(LINEAR) * latents**2, FIRST_SIDE
    for _, channels_in, channels_out, kernel in CONVOLUTIONS:
        products += channels_in * channels_out * kernel**2 * side**2
        side *= 2 if kernel == 4 else 1
    return 2.0 * products


def measure_deepsim(repeats: int) -> None:
    """Images a second, and the share of torch's own rate of products and of convolutions."""
    torch.manual_seed(0)
    space = DeepsimSpace(DeepsimNetwork())
    latents = space.sample_initial(IMAGES, torch.Generator().manual_seed(0))
    operations = IMAGES * deepsim_operations()
    n = 2048
    matrix = torch.randn(n, n)
    products = round(operations / (2 * n**3))
    side, channels, images = 32, 256, 8
    maps = torch.randn(images, channels, side, side).contiguous(memory_format=torch.channels_last)
    kernel = torch.randn(channels, channels, 3, 3).contiguous(memory_format=torch.channels_last)
    of_convolution = 2 * images * channels**2 * 9 * side**2
    convolutions = round(operations / of_convolution)
    seconds = best_in_turns(
        {
            "images": lambda: space.render(latents),
            "product": lambda: [matrix @ matrix for _ in range(products)],
            "convolution": lambda: [functional.conv2d(maps, kernel, padding=1) for _ in range(convolutions)],
        },
        repeats,
    )
    rates = {
        "images": operations / seconds["images"] / 1e9,
        "product": products * 2 * n**3 / seconds["product"] / 1e9,
        "convolution": convolutions * of_convolution / seconds["convolution"] / 1e9,
    }
    print(
        f"| DeePSim, {IMAGES} images | {seconds['images']:.2f} s, {rates['images']:.0f} GFLOP/s | "
        f"torch: product {rates['product']:.0f}, convolution {rates['convolution']:.0f} GFLOP/s | "
        f"{rates['images'] / rates['product']:.2f}, {rates['images'] / rates['convolution']:.2f} |"
    )


def measure_biggan(repeats: int) -> None:
    """Seconds beside those of the published package with the same weights."""
    from pytorch_pretrained_biggan import BigGAN, BigGANConfig

    torch.manual_seed(0)
    settings = {name: getattr(BIGGAN_256, name) for name in BIGGAN_256.__dataclass_fields__}
    package = BigGAN(BigGANConfig(**settings))
    package.generator(torch.randn(1, 256), 0.7)  # in training mode: sets the spectral norms
    package.eval()
    space = BigganSpace(BigganNetwork(package.state_dict(), BIGGAN_256, 0.7))
    latents = space.sample_initial(BIGGAN_IMAGES, torch.Generator().manual_seed(0)).float()
    seconds = best_in_turns(
        {"ours": lambda: space.render(latents), "theirs": lambda: package.generator(latents, 0.7)}, repeats
    )
    print(
        f"| BigGAN-deep-256, {BIGGAN_IMAGES} images | {seconds['ours']:.2f} s | "
        f"pytorch-pretrained-biggan {seconds['theirs']:.2f} s | "
        f"{seconds['theirs'] / seconds['ours']:.1f} times as fast |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=8)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(CORES)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, torch {torch.__version__}\n")
    print("| what | here | beside | ratio |\n|---|---|---|---|")
    with torch.inference_mode():
        measure_deepsim(repeats)
        measure_biggan(max(repeats // 3, 2))
    print(f"\nload at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
