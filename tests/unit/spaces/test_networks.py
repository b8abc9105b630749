"""Image networks: EfficientNet-Lite0 knows its classes, LPIPS is its formula, missing weights are told."""

import numpy as np
import pytest
import torch
from scipy import signal
from sklearn.datasets import load_sample_image

from evoalign import study
from evoalign.errors import InputError
from evoalign.spaces import distances, networks


@pytest.fixture(scope="module")
def lite0():
    return networks.Lite0()


def photograph(name):
    """Central square of a photograph that comes with scikit-learn, [1, 3, H, W] in 0..1."""
    pixels = load_sample_image(name)
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = torch.tensor(pixels[top : top + side, left : left + side].copy())
    return square.permute(2, 0, 1)[None].double() / 255


@pytest.mark.parametrize(("name", "label"), [("china.jpg", 698), ("flower.jpg", 985)])
def test_the_default_network_sees_a_palace_and_a_daisy(lite0, name, label):
    with torch.inference_mode():
        scores = lite0.network(lite0.scaled(distances.prepared(photograph(name), torch.float64)))
    assert int(scores.argmax()) == label


def test_its_images_are_scaled_as_it_was_trained(lite0):
    pixels = torch.rand(1, 3, 224, 224, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    scaled = lite0.scaled(distances.prepared(pixels, torch.float64))
    torch.testing.assert_close(scaled, (pixels * 255 - 127) / 128)


def test_views_of_one_scene_are_nearer_than_two_scenes(lite0):
    china, flower = photograph("china.jpg"), photograph("flower.jpg")
    near = distances.cosine_distances(lite0, china, china.flip(3))
    far = distances.cosine_distances(lite0, china, flower)
    assert 0 < float(near) < 0.5 * float(far)
    again = distances.cosine_distances(lite0, china, flower)
    assert float(again) == float(far), "the same on every call"
    assert distances.feature_maps(lite0, china).shape == (1, 1280, 7, 7)


@pytest.fixture(scope="module")
def lpips_weights(tmp_path_factory):
    """Files laid out as torchvision's and LPIPS', with random weights."""
    folder = tmp_path_factory.mktemp("lpips")
    draw = torch.Generator().manual_seed(1)
    alexnet, linear = {}, {}
    for layer, (i, o, kernel, _, _) in enumerate(networks.Lpips.LAYERS):
        place = networks.Lpips.PLACES[layer]
        scale = (i * kernel**2) ** -0.5
        alexnet[f"features.{place}.weight"] = torch.randn(o, i, kernel, kernel, generator=draw) * scale
        alexnet[f"features.{place}.bias"] = torch.randn(o, generator=draw) * 0.1
        linear[f"lin{layer}.model.1.weight"] = torch.rand(1, o, 1, 1, generator=draw)
    torch.save(alexnet | {"classifier.6.bias": torch.zeros(3)}, folder / "alexnet.pth")
    torch.save(linear, folder / "linear.pth")
    return folder


def numpy_lpips(alexnet, linear, first, second):
    """LPIPS by scipy's correlations, plane by plane (Zhang et al. 2018, eq. 1)."""
    shift, scale = (np.array(x)[:, None, None] for x in ((-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)))
    maps = [(2 * image - 1 - shift) / scale for image in (first, second)]
    total = 0.0
    for layer, (_, _, _, stride, padding) in enumerate(networks.Lpips.LAYERS):
        place = networks.Lpips.PLACES[layer]
        weight, bias = (alexnet[f"features.{place}.{x}"].double().numpy() for x in ("weight", "bias"))
        unit = []
        for k, planes in enumerate(maps):
            if layer in (1, 2):
                n = (planes.shape[1] - 3) // 2 + 1
                windows = np.lib.stride_tricks.sliding_window_view(planes, (3, 3), axis=(1, 2))
                planes = windows[:, : 2 * n : 2, : 2 * n : 2].max((3, 4))
            padded = np.pad(planes, ((0, 0), (padding, padding), (padding, padding)))
            made = [
                sum(signal.correlate2d(p, w, "valid") for p, w in zip(padded, own, strict=True))
                for own in weight
            ]
            maps[k] = np.maximum(np.array(made)[:, ::stride, ::stride] + bias[:, None, None], 0)
            unit.append(maps[k] / (np.sqrt((maps[k] ** 2).sum(0)) + 1e-10))
        weights = linear[f"lin{layer}.model.1.weight"].double().numpy().reshape(-1, 1, 1)
        total += float((weights * (unit[0] - unit[1]) ** 2).sum(0).mean())
    return total


def test_lpips_is_its_formula(lpips_weights):
    lpips = networks.load_lpips(lpips_weights / "alexnet.pth", lpips_weights / "linear.pth")
    draw = torch.Generator().manual_seed(2)
    first, second = (torch.rand(1, 3, 48, 48, generator=draw, dtype=torch.float64) for _ in range(2))
    states = [torch.load(lpips_weights / f"{name}.pth", weights_only=True) for name in ("alexnet", "linear")]
    expected = numpy_lpips(*states, first[0].numpy(), second[0].numpy())
    assert float(lpips(first, second)) == pytest.approx(expected, rel=1e-9)
    assert float(lpips(first, first)) == 0


def test_lpips_serves_as_the_metric_of_a_hessian(lpips_weights):
    lpips = networks.load_lpips(lpips_weights / "alexnet.pth", lpips_weights / "linear.pth")
    image = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    other = image.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(lpips(image, other).sum(), other, create_graph=True)
    assert float(gradient.detach().abs().max()) < 1e-12
    (curved,) = torch.autograd.grad(gradient, other, torch.ones_like(other))
    step = 1e-3
    moved = float(lpips(image, image + step)) + float(lpips(image, image - step))
    assert float(curved.sum()) == pytest.approx(moved / step**2, rel=0.05)


def test_missing_and_wrong_weights_say_what_to_do(tmp_path, lpips_weights):
    settings = study.Prototypes(efficientnet=False)
    assert networks.networks_of(settings) == {} and networks.lpips_of(settings) is None
    none, alexnet = str(tmp_path / "none.pth"), str(lpips_weights / "alexnet.pth")
    broken = tmp_path / "broken.pth"
    broken.write_bytes(b"no weights")
    for knobs, what, mend in (
        ({"networks": {"robust": none}}, "do not exist", "prototypes.networks"),
        ({"networks": {"robust": str(broken)}}, "no TorchScript", "TorchScript file"),
    ):
        with pytest.raises(InputError, match=what) as caught:
            networks.networks_of(settings.model_copy(update=knobs))
        assert mend in str(caught.value)
    for paths, what, mend in (
        ((alexnet, ""), "one is named", "name both"),
        ((none, none), "do not exist", "alexnet-owt"),
        ((alexnet, str(broken)), "no file of weights", "v0.1/alex.pth"),
        ((alexnet, alexnet), "not the weights of LPIPS", "lpips_linear"),
    ):
        named = settings.model_copy(update=dict(zip(("lpips_alexnet", "lpips_linear"), paths, strict=True)))
        with pytest.raises(InputError, match=what) as caught:
            networks.lpips_of(named)
        assert mend in str(caught.value)
