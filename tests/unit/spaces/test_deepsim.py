"""DeePSim without its weights: layout, every layer, derivatives, and files in each published form."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from evoalign.errors import InputError
from evoalign.spaces.deepsim import (
    CONVOLUTIONS,
    MEAN_RGB,
    DeepsimNetwork,
    DeepsimSpace,
    deepsim_shapes,
    load_deepsim,
)
from evoalign.spaces.interface import Space

NARROW = 16  # test networks have a sixteenth of the channels


def random_network(narrowing, seed=0):
    """Weights that keep the scale of the maps, and images about 0 with an SD of 60 grey levels."""
    torch.manual_seed(seed)
    network = DeepsimNetwork(narrowing)
    for name, parameter in network.named_parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, 0, 0.3)
        elif parameter.ndim == 2:
            torch.nn.init.normal_(parameter, 0, parameter.shape[1] ** -0.5)
        else:
            reach = parameter.shape[0] * (4 if parameter.shape[2] == 4 else 9)
            torch.nn.init.normal_(parameter, 0, (60 if name.startswith("deconv0") else 1.4) * reach**-0.5)
    return network


def rectified(x):
    return np.where(x > 0, x, 0.3 * x)


def transposed(x, weight, bias, stride):
    """A transposed convolution by its definition: each pixel adds its kernel to the output."""
    n, _, rows, columns = x.shape
    _, channels, side, _ = weight.shape
    whole = np.zeros((n, channels, stride * (rows - 1) + side, stride * (columns - 1) + side))
    for row in range(side):
        for column in range(side):
            part = np.einsum("nchw,co->nohw", x, weight[:, :, row, column], optimize=True)
            whole[:, :, row : row + stride * rows : stride, column : column + stride * columns : stride] += (
                part
            )
    return whole[:, :, 1:-1, 1:-1] + bias[:, None, None]  # a padding of 1 cuts the margin


def by_numpy(state, latents):
    """Images of the generator, layer by layer in float64: the map after each layer by its name."""
    w = {name: tensor.double().numpy() for name, tensor in state.items()}
    maps, x = {}, latents
    for name in ("defc7", "defc6", "defc5"):
        maps[name] = x = rectified(x @ w[f"{name}.weight"].T + w[f"{name}.bias"])
    x = x.reshape(len(x), -1, 4, 4)
    for name, _, _, side in CONVOLUTIONS:
        x = transposed(x, w[f"{name}.weight"], w[f"{name}.bias"], 2 if side == 4 else 1)
        maps[name] = x = x if name == "deconv0" else rectified(x)
    rgb = np.stack([x[:, 2] + 123, x[:, 1] + 117, x[:, 0] + 104], axis=1)
    return np.clip(rgb, 0, 255) / 255, maps


def test_the_layout_is_the_published_one():
    shapes = deepsim_shapes()
    assert len(shapes) == 24
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 56_097_891
    assert shapes["defc7.weight"] == (4096, 4096)
    assert shapes["conv5_1.weight"] == (256, 512, 3, 3)
    assert shapes["deconv0.weight"] == (32, 3, 4, 4)
    with torch.device("meta"):
        space = DeepsimSpace(DeepsimNetwork())
    assert (space.latent_dim, space.image_size) == (4096, 256)
    assert isinstance(space, Space)


def test_every_layer_is_that_of_an_independent_computation():
    network = random_network(NARROW).double()
    latents = np.random.default_rng(1).normal(0, 3, (3, network.latent_dim))
    expected, maps = by_numpy(network.state_dict(), latents)
    seen = {}
    for name in maps:
        layer = network.get_submodule(name)
        layer.register_forward_hook(lambda _, __, out, name=name: seen.update({name: out.clone()}))
    raw = network(torch.from_numpy(latents))
    for name, own in maps.items():
        got = seen[name].numpy()
        got = got if name == "deconv0" else rectified(got)
        assert np.allclose(got, own, rtol=1e-10, atol=1e-10 * np.abs(own).max()), name
    assert raw.shape == (3, 3, 256, 256)
    images = DeepsimSpace(network).render(torch.from_numpy(latents)).numpy()
    assert np.abs(images - expected).max() < 1e-12
    clipped = (expected == 0) | (expected == 1)
    assert 0.01 < clipped.mean() < 0.5  # clipping and what is not clipped are both in it


def test_the_network_of_full_size_in_float32_agrees_with_the_independent_computation():
    network = random_network(1)
    space = DeepsimSpace(network)
    latents = space.sample_initial(2, torch.Generator().manual_seed(0))
    assert latents.shape == (2, 4096)
    assert latents.std() == pytest.approx(3, rel=0.02)
    expected, _ = by_numpy(network.state_dict(), latents.numpy())
    with torch.no_grad():
        images = space.render(latents)
    assert np.abs(images.numpy() - expected).max() < 1e-5


def test_a_black_code_gives_the_mean_colour():
    """All weights 0: what is left is the mean, red first."""
    network = DeepsimNetwork(NARROW)
    for parameter in network.parameters():
        parameter.zero_()
    pixel = DeepsimSpace(network).render(torch.zeros(1, network.latent_dim))[0, :, 100, 100]
    assert torch.allclose(255 * pixel, torch.tensor(MEAN_RGB))
    network.deconv0.bias.copy_(torch.tensor([50.0, 0, 0]))  # blue is first in the network's output
    pixel = DeepsimSpace(network).render(torch.zeros(1, network.latent_dim))[0, :, 100, 100]
    assert torch.allclose(255 * pixel, torch.tensor([123.0, 117, 154]))


def test_derivatives_are_those_of_finite_differences():
    network = random_network(NARROW).double()
    space = DeepsimSpace(network)
    latents = space.sample_initial(2, torch.Generator().manual_seed(3))
    weights = torch.randn(2, 3, 256, 256, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    moving = latents.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad((space.render(moving) * weights).sum(), moving)
    step = 1e-6
    for latent in (0, 17, 255):
        shift = torch.zeros_like(latents)
        shift[:, latent] = step
        difference = (space.render(latents + shift) - space.render(latents - shift)) * weights
        assert torch.allclose(difference.sum((1, 2, 3)) / (2 * step), gradient[:, latent], rtol=1e-4)


def test_many_images_are_rendered_as_they_are_alone():
    space = DeepsimSpace(random_network(NARROW))
    latents = space.sample_initial(90, torch.Generator().manual_seed(5))
    with torch.no_grad():
        together = space.render(latents)
        alone = torch.cat([space.render(latents[i : i + 1]) for i in (0, 44, 89)])
    assert together.shape == (90, 3, 256, 256)
    assert torch.allclose(together[[0, 44, 89]], alone, atol=1e-5)


def write(state, path, form):
    if form == "safetensors":
        path = path.with_suffix(".safetensors")
        save_file(state, path)
    elif form == "with .1.":
        torch.save({name.replace(".", ".1.", 1): tensor for name, tensor in state.items()}, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "torch")
    return path


@pytest.mark.parametrize("form", ["torch", "torch before 1.6", "with .1.", "safetensors"])
def test_a_file_in_each_published_form_comes_back(tmp_path, form):
    network = random_network(NARROW)
    path = write(network.state_dict(), tmp_path / "upconvGAN_fc6.pt", form)
    space = load_deepsim(path, "fc6", NARROW)
    assert space.name == "fc6"
    latents = space.sample_initial(2, torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(space.render(latents), DeepsimSpace(network).render(latents))
    told = space.describe()
    assert told["weights"] == path.name
    assert len(told["weights_sha256"]) == 64
    assert "BGR" in told["preprocessing"]


def test_a_wrong_file_is_one_message_that_names_every_tensor_at_fault(tmp_path):
    state = random_network(NARROW).state_dict()
    state["deconv9.weight"] = state.pop("deconv0.weight")
    state["defc7.weight"] = torch.zeros(10, 10)
    state["defc6.bias"][3] = torch.nan
    state["defc5.bias"] = torch.zeros(256, dtype=torch.int64)
    state["conv5_1.1.bias"] = state["conv5_1.bias"]
    torch.save(state, tmp_path / "wrong.pt")
    with pytest.raises(InputError) as caught:
        load_deepsim(tmp_path / "wrong.pt", narrowing=NARROW)
    message = str(caught.value)
    for part in (
        "1 missing (deconv0.weight)",
        "1 unknown (deconv9.weight)",
        "1 of another shape (defc7.weight [10, 10], not [256, 256])",
        "1 with NaN or infinity (defc6.bias)",
        "1 no floating point numbers (defc5.bias)",
        "1 there twice (conv5_1.bias)",
        "24 tensors: defc7.weight [256, 256]",
        "upconvGAN_fc6.pt",
        "spaces.deepsim.weights",
        "wrong.pt",
    ):
        assert part in message, part


def test_what_is_no_file_of_weights_is_refused_and_nothing_of_it_is_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "run"), "w"))

    torch.save({"defc7.weight": Trap()}, tmp_path / "trap.pt")
    (tmp_path / "text.pt").write_text("<html>Sign in</html>")
    (tmp_path / "text.safetensors").write_text("<html>Sign in</html>")
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"defc7.weight": torch.zeros(2), "epoch": 3}, tmp_path / "more.pt")
    for name, part in {
        "trap.pt": "no file of weights",
        "text.pt": "no file of weights",
        "text.safetensors": "no file of weights",
        "list.pt": "a list, not a mapping",
        "more.pt": "are no tensors: epoch",
        "nowhere.pt": "do not exist",
    }.items():
        with pytest.raises(InputError, match=part):
            load_deepsim(tmp_path / name)
    assert not (tmp_path / "run").exists()


def test_latents_that_do_not_fit_are_refused():
    space = DeepsimSpace(DeepsimNetwork(NARROW))
    with pytest.raises(InputError, match=r"needs \[n, 256\]"):
        space.render(torch.zeros(2, 16))
    with pytest.raises(InputError, match="NaN"):
        space.render(torch.full((1, 256), torch.nan))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_card_renders_the_same_images():
    network = random_network(NARROW)
    latents = DeepsimSpace(network).sample_initial(4, torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = DeepsimSpace(network).render(latents)
        images = DeepsimSpace(network.cuda()).render(latents)
    assert images.device == latents.device
    assert torch.allclose(images, expected, atol=1e-4)
