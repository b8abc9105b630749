"""Image distances by a network of the lab's own."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cosine

from evoalign.errors import InputError
from evoalign.spaces import distances


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
    loaded = distances.load_network(network)
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
    loaded = distances.load_network(network)
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


def test_what_is_wrong_is_said(tmp_path, network):
    with pytest.raises(InputError, match="do not exist"):
        distances.load_network(tmp_path / "none.pt")
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"no network")
    with pytest.raises(InputError, match="no TorchScript"):
        distances.load_network(broken)
    with pytest.raises(InputError, match="not maps"):
        distances.feature_vectors(torch.nn.Flatten(), images(1, 224, 0))
    with pytest.raises(InputError, match="a mask of"):
        distances.feature_vectors(distances.load_network(network), images(1, 224, 0), torch.ones(3, 3))
