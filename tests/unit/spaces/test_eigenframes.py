"""Leading directions by products equal the exact ones; frames go on after a kill."""

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from torch.autograd.functional import hvp

from evoalign.errors import InputError
from evoalign.spaces.frames import FramePlan, make_frames
from evoalign.spaces.hessian import load_eigenframe, mean_hessian, save_eigenframe
from evoalign.spaces.hessian_products import (
    HessianProducts,
    from_sketch,
    lanczos,
    mean_of_leading,
    sketch,
    sketch_vectors,
)
from evoalign.spaces.metrics import squared_difference
from evoalign.spaces.registry import get_space

# One pass of random vectors is off by a part of what it leaves out; the others settle to rounding.
TOLERANCE = {"exact": 1e-4, "lanczos": 1e-4, "randomized": 1e-2}


class Net:
    """A small random network as a generator; its latents count less and less, as in generators of images."""

    name, image_size = "net", 16

    def __init__(self, latent_dim=256, hidden=256, fall=0.96):
        generator = torch.Generator().manual_seed(1)
        self.latent_dim = latent_dim
        weights = torch.randn(hidden, latent_dim, generator=generator, dtype=torch.float64)
        self.first = weights / latent_dim**0.5 * fall ** torch.arange(latent_dim)
        self.second = torch.randn(768, hidden, generator=generator, dtype=torch.float64) / hidden**0.5

    def sample_initial(self, n, generator):
        return torch.randn(n, self.latent_dim, generator=generator, dtype=torch.float64)

    def render(self, latents):
        hidden = torch.nn.functional.leaky_relu(5 * latents @ self.first.T, 0.3)
        return torch.sigmoid(hidden @ self.second.T).view(-1, 3, 16, 16)


class Planted:
    """Images linear in the latent: pixel distance has planted eigenvalues."""

    name, image_size, latent_dim = "planted", 16, 128

    def __init__(self):
        rng = np.random.default_rng(0)
        self.values = np.geomspace(1e3, 1e-6, self.latent_dim)
        self.vectors = np.linalg.qr(rng.standard_normal((self.latent_dim, self.latent_dim)))[0]
        basis = np.linalg.qr(rng.standard_normal((768, self.latent_dim)))[0]
        # d = |A e|^2 / 768, so the Hessian is 2 A'A / 768.
        self.matrix = torch.from_numpy(basis * np.sqrt(384 * self.values) @ self.vectors.T)

    def sample_initial(self, n, generator):
        return torch.randn(n, self.latent_dim, generator=generator, dtype=torch.float64)

    def render(self, latents):
        return (latents @ self.matrix.T).view(-1, 3, 16, 16)


def torchs_own_hessian(space, z, metric):
    def distance(e):
        return metric(space.render(z), space.render(z + e)).sum()

    return torch.autograd.functional.hessian(distance, torch.zeros(space.latent_dim, dtype=torch.float64))


def one_latent(space, seed=0):
    return space.sample_initial(1, torch.Generator().manual_seed(seed))[0]


@pytest.mark.parametrize("name", ["texture", "object"])
@pytest.mark.parametrize("block", [None, (3, 11)])
def test_products_equal_dense_autograd(name, block):
    space = get_space(name)
    z = one_latent(space)
    wanted = torchs_own_hessian(space, z[None], squared_difference).numpy()
    first, stop = block or (0, space.latent_dim)
    products = HessianProducts(space, z, squared_difference, block)
    found = np.stack([products(axis) for axis in np.eye(products.dim)], axis=1)
    np.testing.assert_allclose(found, wanted[first:stop, first:stop], atol=1e-4 * np.abs(wanted).max())
    assert products.n_products == stop - first


@pytest.mark.parametrize("method", ["exact", "lanczos", "randomized"])
def test_frames_of_small_spaces_equal_dense_autograd(method):
    space = get_space("object")
    z = one_latent(space, 3)[None]
    values, vectors = np.linalg.eigh(torchs_own_hessian(space, z, squared_difference).numpy())
    found, _ = make_frames(space, FramePlan(n=1, seed=3, method=method, top=5))
    k = 5
    np.testing.assert_allclose(found.values[:k], values[::-1][:k], rtol=TOLERANCE[method])
    overlap = np.abs(np.sum(found.vectors[:, :k] * vectors[:, ::-1][:, :k], axis=0))
    np.testing.assert_allclose(overlap, 1, atol=TOLERANCE[method])
    rows = np.abs(found.vectors).argmax(0)
    assert (found.vectors[rows, np.arange(len(found.values))] > 0).all()


@pytest.mark.parametrize("method", ["exact", "lanczos", "randomized"])
def test_planted_eigenvalues_come_out(method):
    space = Planted()
    found, _ = make_frames(space, FramePlan(n=2, method=method, top=20))
    np.testing.assert_allclose(found.values[:20], space.values[:20], rtol=TOLERANCE[method])
    angles = subspace_angles(found.vectors[:, :20], space.vectors[:, :20])
    assert angles.max() < (0.1 if method == "randomized" else 1e-3)


def test_top_64_of_256_span_the_exact_directions_in_three_products_each():
    space = Net()
    z = one_latent(space)
    exact = np.linalg.eigh(mean_hessian(space, z[None]).numpy())[1][:, ::-1]
    products = HessianProducts(space, z, squared_difference)
    values, vectors = lanczos(products, 64)
    assert products.n_products <= 3 * 64
    assert (np.diff(values) <= 0).all()
    assert subspace_angles(vectors, exact[:, :64]).max() < 1e-3


def test_sketches_of_latents_add_up_to_the_mean():
    space = Net(fall=0.8)
    latents = space.sample_initial(3, torch.Generator().manual_seed(1))
    exact = np.linalg.eigh(mean_hessian(space, latents).numpy())
    drawn = sketch_vectors(256, 32)
    sketched = np.mean(
        [sketch(HessianProducts(space, z, squared_difference), drawn) for z in latents], axis=0
    )
    values, vectors = from_sketch(sketched, drawn, 32)
    np.testing.assert_allclose(values, exact[0][::-1][:32], rtol=1e-3)
    assert subspace_angles(vectors, exact[1][:, ::-1][:, :32]).max() < 1e-3


def test_mean_of_leading_pairs_is_off_by_no_more_than_weyl_allows():
    rng = np.random.default_rng(2)
    matrices, parts = [], []
    for _ in range(6):
        root = rng.standard_normal((40, 40)) * 0.7 ** np.arange(40)
        matrices.append(root @ root.T)
        values, vectors = np.linalg.eigh(matrices[-1])
        parts.append((values[::-1][:12], vectors[:, ::-1][:, :12]))
    wanted = np.linalg.eigvalsh(np.mean(matrices, axis=0))[::-1]
    bound = np.mean([values[-1] for values, _ in parts])
    for k in (4, 12):  # more and fewer stacked directions than latents
        values, vectors = mean_of_leading(parts if k == 4 else parts[:3], k)
        if k == 12:
            wanted = np.linalg.eigvalsh(np.mean(matrices[:3], axis=0))[::-1]
            bound = np.mean([values[-1] for values, _ in parts[:3]])
        assert np.abs(values - wanted[:k]).max() <= bound
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(k), atol=1e-9)


@pytest.mark.parametrize("method", ["exact", "lanczos", "randomized"])
def test_frames_go_on_after_a_kill_and_end_in_the_same_bytes(tmp_path, monkeypatch, method):
    space = get_space("object")
    plan = FramePlan(n=4, seed=2, method=method, top=6, blocks={"class": (0, 8), "noise": (8, 16)})
    whole, blocks = make_frames(space, plan)
    save_eigenframe(whole, tmp_path / "whole.npz", blocks)
    rendered = []
    render = type(space).render

    def killed(self, latents):
        rendered.append(len(latents))
        if len(rendered) > 2 and method == "exact":
            raise KeyboardInterrupt
        if len(rendered) > 7:
            raise KeyboardInterrupt
        return render(self, latents)

    monkeypatch.setattr(type(space), "render", killed)
    with pytest.raises(KeyboardInterrupt):
        make_frames(space, plan, tmp_path / "parts")
    kept = sorted(path.name for path in (tmp_path / "parts").iterdir())
    assert kept == ["latent00000.npz", "latent00001.npz"]  # whole ones only
    before = [(tmp_path / "parts" / name).stat().st_mtime_ns for name in kept]
    monkeypatch.setattr(type(space), "render", render)
    resumed, of_blocks = make_frames(space, plan, tmp_path / "parts")
    save_eigenframe(resumed, tmp_path / "resumed.npz", of_blocks)
    assert before == [(tmp_path / "parts" / name).stat().st_mtime_ns for name in kept]
    assert (tmp_path / "resumed.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


@pytest.mark.parametrize("method", ["exact", "lanczos", "randomized"])
def test_blocks_have_frames_of_their_own(tmp_path, method):
    space = get_space("object")
    plan = FramePlan(n=1, seed=1, method=method, top=4, blocks={"class": (0, 8), "noise": (8, 16)})
    whole, blocks = make_frames(space, plan)
    hessian = mean_hessian(space, one_latent(space, 1)[None]).numpy()
    save_eigenframe(whole, tmp_path / "object.npz", blocks)
    for name, cut in (("class", slice(0, 8)), ("noise", slice(8, 16))):
        loaded = load_eigenframe(tmp_path / "object.npz", "object", block=name)
        values, vectors = np.linalg.eigh(hessian[cut, cut])
        k = min(4, len(loaded.values))
        np.testing.assert_allclose(loaded.values[:k], values[::-1][:k], rtol=1e-4)
        overlap = np.abs(np.sum(loaded.vectors[cut, :k] * vectors[:, ::-1][:, :k], axis=0))
        np.testing.assert_allclose(overlap, 1, atol=1e-4)
        outside = np.delete(loaded.vectors, np.r_[cut], axis=0)
        assert not outside.any()
    assert loaded.provenance["method"] in {"autograd", "lanczos", "randomized"}
    with pytest.raises(InputError, match="lacks shape_values"):
        load_eigenframe(tmp_path / "object.npz", "object", block="shape")


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (lambda a, b: squared_difference(a, b).sqrt(), "no derivative at equal images"),
        (lambda a, b: (a - b).abs().flatten(1).sum(1), "no second derivative|is 0"),
        (lambda a, b: (b - 0.9 * a).square().flatten(1).sum(1), "not smallest at equal images"),
        (lambda a, b: 0 * squared_difference(a, b), "is 0"),
    ],
)
def test_distances_without_a_hessian_are_refused(metric, message):
    for method in ("exact", "lanczos"):
        with pytest.raises(InputError, match=message):
            make_frames(get_space("object"), FramePlan(n=1, method=method, top=3, metric=metric))


def test_a_block_that_does_not_fit_is_refused():
    with pytest.raises(InputError, match="covers latents 8 to 17, of 16"):
        make_frames(get_space("object"), FramePlan(n=1, blocks={"noise": (8, 17)}))


class UpConvolutions(Net):
    """A generator in the manner of DeePSim, small: 4,096 latents, a linear layer, three up-convolutions."""

    image_size, latent_dim = 32, 4096

    def __init__(self):
        torch.manual_seed(2)
        self.fall = 0.97 ** torch.arange(self.latent_dim)
        layers = [torch.nn.Linear(self.latent_dim, 512), torch.nn.Unflatten(1, (32, 4, 4))]
        for wide, narrow in ((32, 32), (32, 16), (16, 3)):
            layers += [torch.nn.LeakyReLU(0.3), torch.nn.ConvTranspose2d(wide, narrow, 4, 2, 1)]
        self.network = torch.nn.Sequential(*layers).double().requires_grad_(False)

    def render(self, latents):
        return torch.sigmoid(self.network(10 * latents * self.fall))


@pytest.mark.slow
def test_lanczos_finds_64_axes_of_4096_latents_in_a_twentieth_of_the_products_of_the_whole_hessian():
    """Counted in products, each a pass through the generator."""
    space = UpConvolutions()
    z = one_latent(space)
    products = HessianProducts(space, z, squared_difference)
    values, vectors = lanczos(products, 64)
    assert products.n_products <= 3 * 64 < space.latent_dim / 20
    z, images = z.double(), space.render(z[None].double()).detach()

    def distance(latent):
        return squared_difference(images, space.render(latent[None]))[0]

    multiplied = [hvp(distance, z, torch.from_numpy(v.copy()))[1].numpy() for v in vectors.T]
    np.testing.assert_allclose(np.stack(multiplied, axis=1), values * vectors, atol=1e-6 * values[0])
