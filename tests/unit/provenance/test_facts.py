from evoalign import provenance as p
from evoalign.depends import only
from evoalign.study import Config


def test_where_it_runs_does_not_change_the_config_hash_but_a_knob_does():
    assert p.config_hash(Config(device="cpu", results="elsewhere")) == p.config_hash(Config())
    assert p.config_hash(Config(seed=1)) != p.config_hash(Config())


def test_provenance_names_version_commit_config_and_inputs():
    facts = p.provenance(Config(), {"a.nev": "00ff"})
    assert facts["input:a.nev"] == "00ff"
    assert facts["config"] == p.config_hash(Config())
    assert {"version", "commit", "numpy", "torch"} <= set(facts)


def test_only_what_the_output_depends_on_is_told():
    facts = p.provenance(only(Config, {"seed": 3}), {}, packages={"numpy"})
    assert "numpy" in facts and "torch" not in facts
    assert facts["config"] == p.config_hash(only(Config, {"seed": 3}))
    assert facts["config"] != p.config_hash(only(Config, {"seed": 4}))
