"""What proposed and made the images of an evolution: written beside the latents, and read back."""

import json

import pytest

from evoalign.errors import InputError
from evoalign.events.searches import Search, read_searches, write_searches

SEARCHES = {
    0: Search({"name": "cma", "first_step": "0.8"}, {"space": "texture", "generator": "bands of noise"}),
    1: Search({"name": "zoha"}, {"space": "objet d'été; 2"}),
}


def test_searches_come_back_and_are_plain_json(tmp_path):
    write_searches(tmp_path / "latents", SEARCHES)
    assert read_searches(tmp_path / "latents") == SEARCHES
    content = json.loads((tmp_path / "latents/searches.json").read_text(encoding="utf-8"))
    assert content["0"]["optimiser"]["first_step"] == "0.8"


def test_a_folder_of_another_rig_tells_none(tmp_path):
    assert read_searches(tmp_path) == {}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "the file"),
        ("[]", "the file"),
        ('{"a": {"optimiser": {"name": "cma"}, "space": {}}}', "a"),
        ('{"0": {"optimiser": {"name": "cma"}}}', "space"),
        ('{"0": {"optimiser": {}, "space": {}}}', "name"),
        ('{"0": {"optimiser": {"name": 3}, "space": {}}}', "0.optimiser.name"),
    ],
)
def test_what_is_no_such_file_is_refused_with_its_place(tmp_path, content, told):
    (tmp_path / "searches.json").write_text(content)
    with pytest.raises(InputError, match="not told as the closed loop tells it") as error:
        read_searches(tmp_path)
    assert told in error.value.what and "searches.json" in str(error.value.where)
