# `make demo` and `make test` each set up .venv first; nothing else is needed but Python 3.11+.
PYTHON ?= python3
CORES ?= all
BIN := .venv/bin
READY := .venv/.ready
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test manual lint format types unit fuzz bench bench-sorting bench-workflow kill-test slurm-up slurm-down checksums schemas envs clean

demo: $(READY)  ## simulate the demo study and run the pipeline over it to results/report.html
	snakemake --cores $(CORES); ended=$$?; [ ! -e results/report.html ] || echo "Open results/report.html"; exit $$ended

test: $(READY) lint  ## lint, types and all tests, beside each other
	pytest -n logical --maxprocesses 4 --no-loadscope-reorder

$(READY): envs/requirements.lock envs/storage.lock envs/cerebus.lock envs/manual.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; say which: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --requirement envs/requirements.lock
	$(BIN)/pip install --quiet --no-deps --requirement envs/storage.lock
	$(BIN)/pip install --quiet --no-deps --requirement envs/cerebus.lock
	$(BIN)/pip install --quiet --no-deps --requirement envs/manual.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

manual: $(READY)  ## the manual as HTML: build/manual/index.html, which opens without a network
	sphinx-build -q -W --keep-going docs build/manual
	@echo "Open build/manual/index.html"

lint: $(READY) types  ## ruff, snakefmt, snakemake --lint, imports between rooms
	ruff format --check .
	ruff check .
	snakefmt --check Snakefile workflow/rules
	snakemake --lint
	lint-imports

types: $(READY)
	mypy
	mypy benchmarks docs/draw_pictures.py

format: $(READY)  ## put code into the house's format
	ruff format .
	ruff check --fix .
	snakefmt Snakefile workflow/rules

unit: $(READY)  ## the quick tests only
	pytest -m "not slow and not fuzz" tests/unit

fuzz: $(READY)  ## many more mutated files than `make test` tries
	EVOALIGN_FUZZ_CASES=400000 pytest tests/fuzz --timeout 0

bench: $(READY)  ## reading, NWB, encoding and the population's panels against their peers
	python benchmarks/reading.py
	python benchmarks/reading_rigs.py
	python benchmarks/frames.py
	python benchmarks/encoding.py
	python benchmarks/nwb.py
	python benchmarks/population.py

kill-test: $(READY)  ## kill parts of runs 30 times at random; each resumed run ends in the same bytes
	EVOALIGN_KILLS=30 pytest tests/workflow/test_killed_runs.py

bench-workflow: $(READY)  ## how long a run takes that has nothing to do
	python benchmarks/workflow.py

bench-sorting: $(READY)  ## every sorter on seeded ground truth; REAL=FILE.nev of a Utah array adds its shapes
	python benchmarks/sorting.py
	python benchmarks/sorting_kinds.py --seeds 30 31 32 $(if $(REAL),--real $(REAL)) \
	  --sorters electrode chain ceiling wave_clus mountainsort5 tridesclous2 lupin spykingcircus2

slurm-up:  ## a real one-node SLURM on this Debian machine, to try the cluster profile (needs root)
	tests/slurm/slurm-up

slurm-down:  ## end it and remove its state
	tests/slurm/slurm-down

checksums: $(READY)  ## SHA-256 of every table, to compare two runs
	@python workflow/scripts/checksums.py results

schemas: $(READY)  ## write the JSON schemas from the typed models
	python workflow/scripts/schemas.py

envs: $(READY)  ## write envs/environment.yaml from the pins of envs/requirements.lock
	python workflow/scripts/environment.py

clean:  ## remove what the demo made
	rm -rf results data/demo
