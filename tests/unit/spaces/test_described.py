"""What made a session's images is kept with it, and enough of it to render them again."""

import torch

from evoalign.nwb.tables import GENERATORS
from evoalign.spaces.biggan import BigganSpace
from evoalign.spaces.biggan_layout import Architecture, biggan_shapes
from evoalign.spaces.biggan_network import BigganNetwork
from evoalign.spaces.described import generators_table
from evoalign.spaces.registry import get_space


def test_each_thread_s_space_is_a_row_with_its_description_and_fixed_noise():
    narrow = Architecture(channel_width=8)
    weights = {key: torch.rand(shape) + 0.1 for key, shape in biggan_shapes(narrow).items()}
    noise = torch.randn(128, dtype=torch.float64)
    source = {"weights": "biggan.bin", "weights_sha256": "ab" * 32}
    part = BigganSpace(BigganNetwork(weights, narrow, 0.7), "BigGAN_class", noise, source)
    table = generators_table([get_space("texture"), part], {"BigGAN_class": "LPIPS"})
    assert list(table.columns) == GENERATORS.names
    assert table["space"].tolist() == ["texture", "BigGAN_class"]
    assert table["latent_dim"].tolist() == [24, 128]
    assert table["weights_sha256"].tolist() == ["", "ab" * 32]
    assert table["metric"].tolist() == ["", "LPIPS"]
    assert table["fixed_noise"][0] == ""
    assert [float(x) for x in table["fixed_noise"][1].split()] == noise.tolist()
    assert "truncation: 0.7" in table["generator"][1].split("; ")
    assert generators_table([]).empty
