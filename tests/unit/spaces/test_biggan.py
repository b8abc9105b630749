"""BigGAN without its weights: equal to the published package on random weights."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.stats import kstest, truncnorm

from evoalign.errors import InputError
from evoalign.spaces.biggan import BigganSpace, load_biggan
from evoalign.spaces.biggan_layout import BIGGAN_256, Architecture, biggan_shapes, read_architecture
from evoalign.spaces.biggan_network import BigganNetwork
from evoalign.spaces.interface import Space

NARROW = Architecture(channel_width=8)  # a sixteenth of the channels
TRUNCATIONS = (0.2, 0.4, 0.7, 1.0)


def peer(architecture, seed=0):
    """The published package's BigGAN with random weights, statistics and spectral norms."""
    package = pytest.importorskip("pytorch_pretrained_biggan", reason="envs/storage.lock is not installed")
    torch.manual_seed(seed)
    settings = {field.name: getattr(architecture, field.name) for field in dataclasses.fields(architecture)}
    model = package.BigGAN(package.BigGANConfig(**settings))
    for name, values in model.state_dict().items():
        if name.endswith(("running_means", "bn.bias")):
            values.normal_(0, 0.3)
        elif name.endswith("running_vars"):
            values.uniform_(0.5, 1.5)
        elif name.endswith("bn.weight"):
            values.normal_(1, 0.3)
        elif name.endswith("gamma"):
            values.fill_(0.6)
        elif name.endswith("weight_orig"):
            values.mul_(3)  # spectral norms are far from 1
    with torch.no_grad():
        for _ in range(5):  # in training each call improves the singular vectors
            model.train().generator(torch.randn(2, 256), 0.5)
    return model.eval()


@pytest.fixture(scope="module")
def model():
    return peer(NARROW)


def latents_of(n, seed=0, dtype=torch.float32):
    return torch.randn(n, 256, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_the_layout_is_the_published_one():
    shapes = biggan_shapes()
    with torch.device("meta"):
        model = peer_shapes()
    assert shapes == {name: tuple(values.shape) for name, values in model.state_dict().items()}
    assert len(shapes) == 602
    parameters = sum(values.numel() for values in model.parameters())
    assert parameters == 55_880_833
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 55_880_833 + 2_692_352


def peer_shapes():
    package = pytest.importorskip("pytorch_pretrained_biggan", reason="envs/storage.lock is not installed")
    settings = {field.name: getattr(BIGGAN_256, field.name) for field in dataclasses.fields(BIGGAN_256)}
    return package.BigGAN(package.BigGANConfig(**settings))


@pytest.mark.parametrize("truncation", TRUNCATIONS)
def test_images_are_those_of_the_published_package(model, truncation):
    network = BigganNetwork(model.state_dict(), NARROW, truncation)
    latents = latents_of(3)
    with torch.no_grad():
        expected = model.generator(latents, truncation)
        colours = network(latents)
    differentiable = network(latents)
    assert expected.std() > 0.2
    assert (expected.abs() > 0.999).float().mean() < 0.01
    assert torch.allclose(colours, expected, rtol=0, atol=1e-5)
    assert torch.allclose(differentiable, expected, rtol=0, atol=1e-5)
    images = BigganSpace(network).render(latents)
    assert torch.allclose(images, (expected + 1) / 2, rtol=0, atol=1e-5)


def test_what_is_compared_is_not_trivial(model):
    """Each part of the network changes the images: statistics, spectral norms, attention."""
    latents = latents_of(2)
    state = {name: values.clone() for name, values in model.state_dict().items()}
    with torch.no_grad():
        own = BigganNetwork(state, NARROW, 0.7)(latents)
        for part, ending in {
            "statistics of the truncation": ".layers.5.bn_1.running_means",
            "spectral norm": ".layers.2.conv_1.weight_u",
            "attention": ".layers.8.gamma",
            "condition": ".layers.9.bn_2.offset.weight_orig",
            "last normalisation": "generator.bn.bias",
        }.items():
            (name,) = [name for name in state if name.endswith(ending)]
            other = BigganNetwork(state | {name: 1.1 * state[name] + 0.01}, NARROW, 0.7)(latents)
            assert (other - own).abs().max() > 1e-3, part
        at_other_truncation = BigganNetwork(state, NARROW, 0.72)(latents)
    assert (at_other_truncation - own).abs().max() > 1e-3


@pytest.mark.slow
def test_the_network_of_full_size_agrees_with_the_published_package():
    full = peer(BIGGAN_256)
    latents = latents_of(1)
    with torch.no_grad():
        for truncation in TRUNCATIONS[1:3]:
            network = BigganNetwork(full.state_dict(), BIGGAN_256, truncation)
            expected = full.generator(latents, truncation)
            assert torch.allclose(network(latents), expected, rtol=0, atol=1e-5)
    assert expected.shape == (1, 3, 256, 256)


def with_row(model, row):
    """The model's weights with this row of statistics, a number of its own for each, in every row."""
    low, part = int(row), row - int(row)
    return {
        name: (values[low] + part * (values[min(low + 1, 50)] - values[low])).expand_as(values)
        if "running" in name
        else values
        for name, values in model.state_dict().items()
    }


@pytest.mark.parametrize(
    ("truncation", "row"), [(0.58, 29), (0.94, 47), (0.28, 14), (0.02, 1), (0.582, 29.1), (0.005, 0.25)]
)
def test_statistics_are_those_of_the_truncation_s_row_or_linear_between_two(model, truncation, row):
    """Also where a truncation over the step is no whole number: 0.58 / 0.02 is 28.999999999999996."""
    latents = latents_of(2)
    with torch.no_grad():
        own = BigganNetwork(model.state_dict(), NARROW, truncation)(latents)
        expected = BigganNetwork(with_row(model, row), NARROW, 0.3)(latents)
        elsewhere = BigganNetwork(with_row(model, row - 0.2), NARROW, 0.3)(latents)
    assert torch.allclose(own, expected, atol=1e-5)
    assert not torch.allclose(own, elsewhere, atol=1e-3)


@pytest.mark.parametrize("truncation", [0, -0.1, 1.01])
def test_a_truncation_out_of_its_range_is_refused(model, truncation):
    with pytest.raises(InputError, match="truncation"):
        BigganNetwork(model.state_dict(), NARROW, truncation)


def test_weights_whose_spectral_norm_is_not_above_0_are_refused(model):
    name = "generator.layers.3.conv_1"
    state = model.state_dict()
    for u in (torch.zeros_like(state[f"{name}.weight_u"]), -state[f"{name}.weight_u"]):
        with pytest.raises(InputError, match=f"spectral norm of {name}"):
            BigganNetwork(state | {f"{name}.weight_u": u}, NARROW, 0.7)


def test_derivatives_are_those_of_finite_differences(model):
    network = BigganNetwork(model.state_dict(), NARROW, 0.7).double()
    space = BigganSpace(network)
    latents = space.sample_initial(2, torch.Generator().manual_seed(0))
    weights = torch.randn(2, 3, 256, 256, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    moving = latents.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad((space.render(moving) * weights).sum(), moving)
    step = 1e-6
    for latent in (0, 100, 130, 255):
        shift = torch.zeros_like(latents)
        shift[:, latent] = step
        difference = (space.render(latents + shift) - space.render(latents - shift)) * weights
        expected = difference.sum((1, 2, 3)) / (2 * step)
        assert torch.allclose(expected, gradient[:, latent], rtol=1e-3, atol=1e-4 * gradient.abs().max())


def test_images_are_twice_differentiable(model):
    """As Hessians need it: the derivative of a derivative along the latent is there and not zero."""
    space = BigganSpace(BigganNetwork(model.state_dict(), NARROW, 0.7))
    latents = latents_of(1).requires_grad_(True)
    (first,) = torch.autograd.grad(space.render(latents).square().mean(), latents, create_graph=True)
    (second,) = torch.autograd.grad(first[0, 0], latents)
    assert bool(torch.isfinite(second).all())
    assert second.abs().max() > 0


def test_the_class_part_is_the_whole_space_at_one_noise(model):
    network = BigganNetwork(model.state_dict(), NARROW, 0.7)
    whole = BigganSpace(network)
    latents = whole.sample_initial(4, torch.Generator().manual_seed(0)).float()
    latents[:, :128] = latents[0, :128]
    part = BigganSpace(network, "BigGAN_class", latents[0, :128])
    assert (whole.latent_dim, part.latent_dim) == (256, 128)
    assert isinstance(part, Space)
    with torch.no_grad():
        assert torch.equal(part.render(latents[:, 128:]), whole.render(latents))
    assert part.describe()["fixed_noise"] != "none"
    with pytest.raises(InputError, match="128 numbers"):
        BigganSpace(network, noise=torch.zeros(100))


def test_founders_are_embeddings_of_classes_and_truncated_noise(model):
    space = BigganSpace(BigganNetwork(model.state_dict(), NARROW, 0.4))
    founders = space.sample_initial(200, torch.Generator().manual_seed(0))
    noise = founders[:, space.blocks["noise"]].numpy().ravel() / 0.4
    assert np.abs(noise).max() <= 2
    assert kstest(noise, truncnorm(-2, 2).cdf).pvalue > 0.001
    columns = {tuple(column) for column in model.embeddings.weight.double().T.tolist()}
    classes = [tuple(code) for code in founders[:, space.blocks["class"]].tolist()]
    assert set(classes) <= columns
    assert len(set(classes)) > 150


def test_projection_treats_noise_and_class_by_themselves(model):
    space = BigganSpace(BigganNetwork(model.state_dict(), NARROW, 0.7))
    like = space.sample_initial(6, torch.Generator().manual_seed(0))
    projected = space.project(latents_of(3, dtype=torch.float64), like)
    for block in space.blocks.values():
        wanted = like[:, block].norm(dim=1).mean()
        assert torch.allclose(projected[:, block].norm(dim=1), wanted.expand(3))


@pytest.mark.parametrize("form", ["torch", "torch before 1.6", "safetensors"])
def test_a_file_in_each_published_form_comes_back(model, tmp_path, form):
    path = tmp_path / ("model.safetensors" if form == "safetensors" else "pytorch_model.bin")
    if form == "safetensors":
        save_file(model.state_dict(), path)
    else:
        torch.save(model.state_dict(), path, _use_new_zipfile_serialization=form == "torch")
    space = load_biggan(path, "BigGAN", 0.4, architecture=NARROW)
    latents = latents_of(2)
    with torch.no_grad():
        assert torch.allclose(space.render(latents), (model.generator(latents, 0.4) + 1) / 2, atol=1e-5)
    told = space.describe()
    assert (told["truncation"], told["weights"]) == ("0.4", path.name)


def test_a_wrong_file_is_one_message_that_names_every_tensor_at_fault(model, tmp_path):
    state = dict(model.state_dict())
    del state["generator.layers.8.gamma"]
    state["discriminator.weight"] = torch.zeros(2)
    state["embeddings.weight"] = state["embeddings.weight"].T.contiguous()
    torch.save(state, tmp_path / "wrong.bin")
    with pytest.raises(InputError) as caught:
        load_biggan(tmp_path / "wrong.bin", architecture=NARROW)
    message = str(caught.value)
    for part in (
        "1 missing (generator.layers.8.gamma)",
        "1 unknown (discriminator.weight)",
        "embeddings.weight [1000, 128], not [128, 1000]",
        "602 tensors",
        "biggan-deep-256-pytorch_model.bin",
        "spaces.biggan.weights",
    ):
        assert part in message, part


def test_a_configuration_tells_the_blocks(model, tmp_path):
    told = dataclasses.asdict(NARROW)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(told))
    assert read_architecture(path) == NARROW
    torch.save(model.state_dict(), tmp_path / "model.bin")
    assert load_biggan(tmp_path / "model.bin", config=path).image_size == 256
    wrong = {
        "doublings": told | {"output_dim": 512},
        "not those of the one before": told | {"layers": [[True, 16, 16], [True, 8, 8], *told["layers"][2:]]},
        "misses": {name: value for name, value in told.items() if name != "eps"},
        "no configuration": [1],
    }
    for part, content in wrong.items():
        path.write_text(json.dumps(content))
        with pytest.raises(InputError, match=part):
            read_architecture(path)
    # Blocks of another order have the same tensors: only the configuration tells them apart.
    layers = [list(layer) for layer in told["layers"]]
    layers[0][0], layers[1][0] = True, False
    path.write_text(json.dumps(told | {"layers": layers}))
    other = load_biggan(tmp_path / "model.bin", config=path)
    own = load_biggan(tmp_path / "model.bin", architecture=NARROW)
    with torch.no_grad():
        assert (other.render(latents_of(1)) - own.render(latents_of(1))).abs().max() > 0.01


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_card_renders_the_same_images(model):
    network = BigganNetwork(model.state_dict(), NARROW, 0.7)
    latents = latents_of(3)
    with torch.no_grad():
        expected = BigganSpace(network).render(latents)
        images = BigganSpace(network.cuda()).render(latents)
    assert images.device == latents.device
    assert torch.allclose(images, expected, atol=1e-3)
