"""Image networks: EfficientNet-Lite0 knows its classes, LPIPS is its formula, missing weights are told."""

import numpy as np
import pytest
import torch
from scipy import signal
from sklearn.datasets import load_sample_image

from evoalign.errors import InputError
from evoalign.spaces import distances, networks
from evoalign.spaces.lpips import load_lpips
from evoalign.spaces.settings import Prototypes


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


# Channels in, out, kernel, stride, padding of torchvision's AlexNet; a pool before the second and third.
LAYERS = (
    (3, 64, 11, 4, 2),
    (64, 192, 5, 1, 2),
    (192, 384, 3, 1, 1),
    (384, 256, 3, 1, 1),
    (256, 256, 3, 1, 1),
)
PLACES = (0, 3, 6, 8, 10)  # of the convolutions in `features`
# SqueezeNet 1.1: input, few and many channels of its fire modules, by their place in `features`.
FIRES = {
    3: (64, 16, 64), 4: (128, 16, 64), 6: (128, 32, 128), 7: (256, 32, 128),
    9: (256, 48, 192), 10: (384, 48, 192), 11: (384, 64, 256), 12: (512, 64, 256),
}  # fmt: skip
SQUEEZE_TAPS = (1, 4, 7, 9, 10, 11, 12)


@pytest.fixture(scope="module")
def lpips_weights(tmp_path_factory):
    """Files laid out as torchvision's and LPIPS', with random weights."""
    folder = tmp_path_factory.mktemp("lpips")
    draw = torch.Generator().manual_seed(1)
    alexnet, linear = {}, {}
    for layer, (i, o, kernel, _, _) in enumerate(LAYERS):
        place = PLACES[layer]
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
    for layer, (_, _, _, stride, padding) in enumerate(LAYERS):
        place = PLACES[layer]
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
    lpips = load_lpips(lpips_weights / "alexnet.pth", lpips_weights / "linear.pth")
    draw = torch.Generator().manual_seed(2)
    first, second = (torch.rand(1, 3, 48, 48, generator=draw, dtype=torch.float64) for _ in range(2))
    states = [torch.load(lpips_weights / f"{name}.pth", weights_only=True) for name in ("alexnet", "linear")]
    expected = numpy_lpips(*states, first[0].numpy(), second[0].numpy())
    assert float(lpips(first, second)) == pytest.approx(expected, rel=1e-9)
    assert float(lpips(first, first)) == 0


@pytest.fixture(scope="module")
def squeeze_weights(tmp_path_factory):
    """SqueezeNet 1.1 as torchvision lays it out, and seven linear layers of LPIPS, with random weights."""
    folder = tmp_path_factory.mktemp("squeeze")
    draw = torch.Generator().manual_seed(4)
    shapes = {"features.0": (64, 3, 3)}
    for place, (channels, few, many) in FIRES.items():
        shapes |= {
            f"features.{place}.squeeze": (few, channels, 1),
            f"features.{place}.expand1x1": (many, few, 1),
            f"features.{place}.expand3x3": (many, few, 3),
        }
    state = {"classifier.1.bias": torch.zeros(3)}
    for name, (o, i, kernel) in shapes.items():
        scale = (2 / (i * kernel**2)) ** 0.5
        state[f"{name}.weight"] = torch.randn(o, i, kernel, kernel, generator=draw) * scale
        state[f"{name}.bias"] = torch.randn(o, generator=draw) * 0.1
    widths = (64, 128, 256, 384, 384, 512, 512)
    linear = {f"lin{k}.model.1.weight": torch.rand(1, n, 1, 1, generator=draw) for k, n in enumerate(widths)}
    torch.save(state, folder / "squeezenet.pth")
    torch.save(linear, folder / "linear.pth")
    return folder


def correlated(planes, weight, bias, stride=1, padding=0):
    """A convolution and its rectifier, written with numpy alone."""
    padded = np.pad(planes, ((0, 0), (padding, padding), (padding, padding)))
    size = weight.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))[
        :, ::stride, ::stride
    ]
    return np.maximum(np.einsum("cxyij,ocij->oxy", windows, weight, optimize=True) + bias[:, None, None], 0)


def largest_of_three(planes):
    """Pool 3 x 3 with stride 2; a window that hangs over the edge counts (`ceil_mode`)."""
    n = [-(-(size - 3) // 2) + 1 for size in planes.shape[1:]]
    return np.stack(
        [
            np.stack([planes[:, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3].max((1, 2)) for x in range(n[1])], -1)
            for y in range(n[0])
        ],
        1,
    )


def numpy_lpips_squeeze(state, linear, first, second):
    shift, scale = (np.array(x)[:, None, None] for x in ((-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)))
    state = {key: value.double().numpy() for key, value in state.items()}
    kept = []
    for image in (first, second):
        maps = correlated(
            (2 * image - 1 - shift) / scale, state["features.0.weight"], state["features.0.bias"], 2
        )
        taps = [maps]
        for place in range(2, 13):
            if place not in FIRES:
                maps = largest_of_three(maps)
                continue
            at = f"features.{place}"
            few = correlated(maps, state[f"{at}.squeeze.weight"], state[f"{at}.squeeze.bias"])
            wide = [
                correlated(few, state[f"{at}.{name}.weight"], state[f"{at}.{name}.bias"], padding=padding)
                for name, padding in (("expand1x1", 0), ("expand3x3", 1))
            ]
            maps = np.concatenate(wide)
            if place in SQUEEZE_TAPS:
                taps.append(maps)
        kept.append([one / (np.sqrt((one**2).sum(0)) + 1e-10) for one in taps])
    weights = [linear[f"lin{k}.model.1.weight"].double().numpy().reshape(-1, 1, 1) for k in range(7)]
    return sum(float((w * (a - b) ** 2).sum(0).mean()) for w, a, b in zip(weights, *kept, strict=True))


def test_lpips_on_squeezenet_is_its_formula(squeeze_weights):
    paths = [squeeze_weights / f"{name}.pth" for name in ("squeezenet", "linear")]
    lpips = load_lpips(*paths, "squeezenet")
    draw = torch.Generator().manual_seed(5)
    first, second = (torch.rand(1, 3, 65, 70, generator=draw, dtype=torch.float64) for _ in range(2))
    states = [torch.load(path, weights_only=True) for path in paths]
    expected = numpy_lpips_squeeze(*states, first[0].numpy(), second[0].numpy())
    assert float(lpips(first, second)) == pytest.approx(expected, rel=1e-9)
    assert float(lpips(first, first)) == 0
    with pytest.raises(InputError, match="on alexnet"):
        load_lpips(*paths)
    named = dict(zip(("lpips_squeezenet", "lpips_squeeze_linear"), map(str, paths), strict=True))
    settings = Prototypes(efficientnet=False, **named)
    assert set(networks.lpips_of(settings)) == {"lpips_squeeze"}


def test_lpips_serves_as_the_metric_of_a_hessian(lpips_weights):
    lpips = load_lpips(lpips_weights / "alexnet.pth", lpips_weights / "linear.pth")
    image = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    other = image.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(lpips(image, other).sum(), other, create_graph=True)
    assert float(gradient.detach().abs().max()) < 1e-12
    (curved,) = torch.autograd.grad(gradient, other, torch.ones_like(other))
    step = 1e-3
    moved = float(lpips(image, image + step)) + float(lpips(image, image - step))
    assert float(curved.sum()) == pytest.approx(moved / step**2, rel=0.05)


def test_missing_and_wrong_weights_say_what_to_do(tmp_path, lpips_weights):
    settings = Prototypes(efficientnet=False)
    assert networks.networks_of(settings) == {} and networks.lpips_of(settings) == {}
    none, alexnet = str(tmp_path / "none.pth"), str(lpips_weights / "alexnet.pth")
    broken = tmp_path / "broken.pth"
    broken.write_bytes(b"no weights")
    for changed, what, hint in (
        ({"networks": {"robust": none}}, "do not exist", "prototypes.networks"),
        ({"networks": {"robust": str(broken)}}, "no TorchScript", "TorchScript file"),
    ):
        with pytest.raises(InputError, match=what) as caught:
            networks.networks_of(settings.model_copy(update=changed))
        assert hint in str(caught.value)
    for paths, what, hint in (
        ((alexnet, ""), "one is named", "name both"),
        ((none, none), "do not exist", "alexnet-owt"),
        ((alexnet, str(broken)), "no file of weights", "v0.1/alex.pth"),
        ((alexnet, alexnet), "not the weights of LPIPS", "section prototypes"),
    ):
        named = settings.model_copy(update=dict(zip(("lpips_alexnet", "lpips_linear"), paths, strict=True)))
        with pytest.raises(InputError, match=what) as caught:
            networks.lpips_of(named)
        assert hint in str(caught.value)
