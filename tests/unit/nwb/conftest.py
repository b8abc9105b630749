import pytest
from session_to_package import CONFIG, full_session

from evoalign.nwb.validate import validate
from evoalign.nwb.write import write_nwb


@pytest.fixture
def contents(tmp_path):
    return full_session(tmp_path / "images")


@pytest.fixture(scope="session")
def packaged(tmp_path_factory):
    """Contents of a full session and the file written of them; both are only read."""
    folder = tmp_path_factory.mktemp("packaged")
    contents = full_session(folder / "images")
    write_nwb(folder / "s1.nwb", contents, CONFIG)
    return contents, folder / "s1.nwb"


@pytest.fixture(scope="session")
def findings(packaged):
    """What the validators say of the full session's file, where findings are fatal."""
    nwb_settings = CONFIG.nwb.model_copy(update={"strict": True})
    return validate(packaged[1], CONFIG.model_copy(update={"nwb": nwb_settings}))
