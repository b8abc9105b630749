from evoalign.pipeline.declared import part
from evoalign.pipeline.provenance import metadata as p
from evoalign.study import Config


def test_where_it_runs_does_not_change_the_config_hash_but_a_knob_does():
    assert p.config_hash(Config(device="cpu", results="elsewhere")) == p.config_hash(Config())
    assert p.config_hash(Config(seed=1)) != p.config_hash(Config())


def test_provenance_names_version_commit_config_and_inputs():
    facts = p.provenance(Config(), {"a.nev": "00ff"})
    assert facts["input:a.nev"] == "00ff"
    assert facts["config"] == p.config_hash(Config())
    assert {"version", "commit", "numpy", "torch"} <= set(facts)


def test_the_settings_of_a_part_have_a_hash_of_their_own():
    configs = [Config(), part(Config, {"seed": 3}), part(Config, {"seed": 4})]
    assert len({p.config_hash(config) for config in configs}) == 3
