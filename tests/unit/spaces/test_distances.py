"""Image distances by a network of the lab's own."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cosine

from evoalign.errors import InputError
from evoalign.spaces import distances, networks


@pytest.fixture
def network(tmp_path):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 32, stride=32), torch.nn.ReLU())
    path = tmp_path / "network.pt"
    torch.jit.save(torch.jit.script(model), str(path))
    return path


def images(n, size, seed):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(seed))


def test_distances_are_cosines_of_pooled_features(network):
    loaded = networks.load_network(network)
    first, second = images(3, 224, 0), images(3, 224, 1)
    found = distances.cosine_distances(loaded, first, second)
    for k in range(3):
        # Of 224 pixels nothing is resized: normalise by ImageNet's numbers and pool by hand.
        maps = []
        for image in (first[k], second[k]):
            mean, sd = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
            normal = (image - mean[:, None, None]) / sd[:, None, None]
            maps.append(loaded(normal[None])[0].detach().double().numpy())
        assert maps[0].shape == (8, 7, 7)
        pooled = [one.mean((1, 2)) for one in maps]
        assert float(found[k]) == pytest.approx(cosine(*pooled), abs=1e-6)
        mask = distances.centre_mask(7, 7)
        masked = [(one * mask.numpy()).sum((1, 2)) for one in maps]
        weighted = distances.cosine_distances(loaded, first, second, mask)
        assert float(weighted[k]) == pytest.approx(cosine(*masked), abs=1e-6)


def test_an_image_is_at_no_distance_from_itself_at_another_size(network):
    loaded = networks.load_network(network)
    small = images(2, 56, 2)
    large = small.repeat_interleave(8, 2).repeat_interleave(8, 3)
    assert torch.allclose(
        distances.cosine_distances(loaded, small, small), torch.zeros(2).double(), atol=1e-6
    )
    near = distances.cosine_distances(loaded, small, large)
    far = distances.cosine_distances(loaded, small, images(2, 56, 3))
    assert (near < far).all()


def test_the_mask_is_centred_and_sums_to_one():
    mask = distances.centre_mask(7, 7).numpy()
    assert mask.sum() == pytest.approx(1) and mask.argmax() == 24
    np.testing.assert_allclose(mask, mask[::-1, ::-1])
    # Standard deviation of a quarter of the size, whole map: 7 / 4.
    assert mask[3, 4] / mask[3, 3] == pytest.approx(np.exp(-0.5 * (4 / 7) ** 2))


def test_the_ring_mask_is_the_studys_seven_by_seven():
    mask = distances.ring_mask(7, 7)
    assert float(mask.sum()) == pytest.approx(1)
    relative = mask / mask[3, 3]
    for row in range(7):
        for column in range(7):
            ring = max(abs(row - 3), abs(column - 3))
            assert float(relative[row, column]) == pytest.approx((1, 0.5, 0.25, 0)[ring])
    assert distances.ring_mask(8, 7) is None and distances.ring_mask(5, 5) is None


def test_what_is_wrong_is_said(tmp_path, network):
    with pytest.raises(InputError, match="do not exist"):
        networks.load_network(tmp_path / "none.pt")
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"no network")
    with pytest.raises(InputError, match="no TorchScript"):
        networks.load_network(broken)
    with pytest.raises(InputError, match="not maps"):
        distances.feature_vectors(torch.nn.Flatten(), images(1, 224, 0))
    with pytest.raises(InputError, match="a mask of"):
        distances.feature_vectors(networks.load_network(network), images(1, 224, 0), torch.ones(3, 3))


def test_distances_of_pixels_are_numpys():
    first, second = images(3, 224, 4).double(), images(3, 224, 5).double()
    mask = distances.centre_mask(224, 224)
    weights = np.broadcast_to(mask.numpy(), (3, 224, 224)).ravel()
    for k in range(3):
        x, y = (one[k].numpy().ravel() for one in (first, second))
        assert float(distances.pixel_distances(first, second)[k]) == pytest.approx(
            np.sqrt(np.mean((x - y) ** 2))
        )
        assert float(distances.correlation_distances(first, second)[k]) == pytest.approx(
            1 - np.corrcoef(x, y)[0, 1]
        )
        covariance = np.cov(x, y, aweights=weights)
        expected = 1 - covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
        assert float(distances.correlation_distances(first, second, mask)[k]) == pytest.approx(expected)
        expected = np.sqrt(np.average((x - y) ** 2, weights=weights))
        assert float(distances.pixel_distances(first, second, mask)[k]) == pytest.approx(expected)
        spectra = [
            np.log(np.abs(np.fft.fft2(one[k].numpy().mean(0), norm="ortho")) + 1e-3)
            for one in (first, second)
        ]
        r = np.corrcoef(*(spectrum.ravel()[1:] for spectrum in spectra))[0, 1]
        assert float(distances.spectrum_distances(first, second)[k]) == pytest.approx(1 - r)


def test_a_shifted_image_is_far_in_pixels_and_near_in_its_spectrum():
    first = images(1, 224, 6).double()
    shifted = first.roll((40, 60), (2, 3))
    assert float(distances.spectrum_distances(first, shifted)) == pytest.approx(0, abs=1e-9)
    assert float(distances.correlation_distances(first, shifted)) == pytest.approx(1, abs=0.05)
    blank = torch.full_like(first, 0.5)
    assert np.isnan(float(distances.correlation_distances(first, blank)))
    assert np.isnan(float(distances.spectrum_distances(first, blank)))


def test_every_measure_stands_in_the_table(network):
    first, second = images(2, 64, 7), images(2, 96, 8)
    loaded = networks.load_network(network)
    found = distances.image_distances(first, second, {"own": loaded})
    assert found.groupby(["measure", "mask"]).size().to_dict() == {
        ("correlation", "centre"): 2, ("correlation", "none"): 2, ("own", "centre"): 2, ("own", "none"): 2,
        ("own", "rings"): 2,
        ("pixel", "centre"): 2, ("pixel", "none"): 2, ("spectrum", "none"): 2,
    }  # fmt: skip
    own = found.query("measure == 'own' and mask == 'centre'")["distance"].to_numpy()
    expected = distances.cosine_distances(loaded, first, second, distances.centre_mask(7, 7))
    np.testing.assert_allclose(own, expected.numpy())
