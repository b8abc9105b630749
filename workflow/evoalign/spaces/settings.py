"""Settings of images that stand for a thread, and of distances between images."""

from __future__ import annotations

from typing import Literal

from evoalign.settings import Section, setting

# Spaces that need no weights.
GENERATED_SPACES = ("texture", "object")


class Hessian(Section):
    """Eigenframes of the spaces, and images along their axes (docs/methods.md section 7)."""

    metric: str = setting(
        "pixel", "image distance: 'pixel', 'lpips', 'lpips_squeeze' or a network of section prototypes"
    )
    samples: int = setting(16, "founders of a space over which its Hessian is averaged", ge=1, le=10_000)
    method: Literal["auto", "exact", "lanczos", "randomized"] = setting(
        "auto", "the whole Hessian, or its leading directions; 'auto': by the number of latents"
    )
    exact_latents: int = setting(512, "'auto' takes the whole Hessian up to so many latents", ge=1, le=8192)
    top: int = setting(
        512, "leading directions where the Hessian is not whole: as many as the encoding's largest k", ge=1
    )
    axes: dict[Literal["class", "noise"], tuple[int, ...]] = setting(
        {"class": (0, 1, 2, 3, 6, 9, 13, 21, 30, 60), "noise": (0, 1, 2, 3, 5, 8, 10, 20, 40)},
        "block of the latent -> ranks of the eigenvectors that images are sampled along",
    )
    distances: tuple[float, ...] = setting(
        (0.16, 0.24, 0.32, 0.4), "image distances from the centre at which images are sampled, both ways"
    )


class Deepsim(Section):
    """DeePSim's fc6 generator: the texture space of the study."""

    weights: str = setting("", "the published file upconvGAN_fc6.pt, or the same as .safetensors; '' = none")
    sha256: str = setting("", "checksum that the file must have; '' = not checked")
    names: tuple[str, ...] = setting(("DeePSim", "fc6"), "spaces of sessions that it renders, by name")


class Biggan(Section):
    """BigGAN-deep-256: the object space of the study."""

    weights: str = setting(
        "", "the published file biggan-deep-256-pytorch_model.bin, or the same as .safetensors; '' = none"
    )
    sha256: str = setting("", "checksum that the file must have; '' = not checked")
    config: str = setting("", "config.json of the weights; '' = the blocks of BigGAN-deep-256")
    truncation: float = setting(0.7, "of rendering, as in the study", gt=0, le=1)
    names: tuple[str, ...] = setting(("BigGAN",), "spaces of sessions that it renders: noise and class")
    class_names: tuple[str, ...] = setting(("BigGAN_class",), "the same: class embeddings at a fixed noise")
    noise: str = setting(
        "", "fixed noise of sessions that tell none: .npy, text or the rig's space_opts.mat; '' = unknown"
    )


class Spaces(Section):
    """Generators of images whose weights you have (docs/generators.md)."""

    deepsim: Deepsim = Deepsim()
    biggan: Biggan = Biggan()

    @property
    def files(self) -> dict[str, str]:
        """Setting -> file that it names, of every generator."""
        named = {
            "spaces.deepsim.weights": self.deepsim.weights,
            "spaces.biggan.weights": self.biggan.weights,
            "spaces.biggan.config": self.biggan.config,
            "spaces.biggan.noise": self.biggan.noise,
        }
        return {name: file for name, file in named.items() if file}

    @property
    def rendered(self) -> tuple[str, ...]:
        """Spaces that can be rendered whatever the session, by name."""
        deepsim = self.deepsim.names if self.deepsim.weights else ()
        biggan = self.biggan.names if self.biggan.weights else ()
        classes = self.biggan.class_names if self.biggan.weights and self.biggan.noise else ()
        return (*deepsim, *biggan, *classes)

    def weights_of(self, space: str) -> str:
        """File of weights of a space by its name; '' where none is configured."""
        if space in self.deepsim.names:
            return self.deepsim.weights
        return self.biggan.weights if space in (*self.biggan.names, *self.biggan.class_names) else ""


class Prototypes(Section):
    """Images that stand for a thread, and distances between them (docs/methods.md section 5)."""

    efficientnet: bool = setting(
        True, "measure with EfficientNet-Lite0 (ImageNet), which comes with the pins"
    )
    networks: dict[str, str] = setting(
        {}, "measure -> TorchScript file: ImageNet-normalised images to maps [n, channel, row, column]"
    )
    lpips_alexnet: str = setting("", "torchvision's AlexNet weights, for LPIPS: alexnet-owt-7be5be79.pth")
    lpips_linear: str = setting("", "LPIPS' own weights, v0.1/alex.pth; '' in both = no LPIPS")
    lpips_squeezenet: str = setting(
        "", "torchvision's SqueezeNet weights, for LPIPS on it: squeezenet1_1-b8a52dc0.pth"
    )
    lpips_squeeze_linear: str = setting("", "LPIPS' own weights, v0.1/squeeze.pth; '' in both = not measured")
    prototype: Literal["best", "average", "re-evolved"] = setting("best", "prototype of the figure's points")
    measure: str = setting(
        "efficientnet_lite0", "measure of the figure's points: 'pixel', 'lpips', a network .."
    )
    mask: Literal["none", "centre", "rings"] = setting("centre", "places that count in the figure's points")
