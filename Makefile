# Every target works on a fresh clone: it makes .venv first. `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
RUNNER ?=
BEAM := $(if $(RUNNER),-- --runner=$(RUNNER))
GPUS ?= 1
PRESET ?= ViT-B-32
TRAINED ?= runs/train

.DEFAULT_GOAL := help
.PHONY: help install demo test lint bench vocab candidates shards train eval clean

help:  ## list the targets
	@grep -E '^[a-z ]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 26

install: $(INSTALLED)  ## make .venv with everything, pinned by constraints.txt

$(INSTALLED): setup.cfg constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[train,s3,gcs,dev]'
	touch $@

demo: $(INSTALLED)  ## the whole road on real pictures, about ten minutes; report in runs/demo
	$(BIN)/python -m pipelines.demo

test: lint  ## lint, types, import contract, then all tests
	$(BIN)/pytest

lint: $(INSTALLED)  ## ruff, mypy --strict, import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --config setup.cfg

bench: $(INSTALLED)  ## print the benchmark tables
	@for script in tests/bench/bench_*.py; do $(BIN)/python -m tests.bench.$$(basename $$script .py) || exit 1; done

vocab candidates shards: $(INSTALLED)  ## CONFIG=build.yaml [RUNNER=...]: run the road up to this stage
	$(BIN)/wit build --config $(CONFIG) --until $@ $(BEAM)

train: $(INSTALLED)  ## SHARDS=dataset [PRESET=ViT-B-32 GPUS=8 TRAINED=runs/train]: train CLIP with torchrun
	$(BIN)/torchrun --standalone --nproc-per-node $(GPUS) -m pipelines.train \
	  --shards $(SHARDS) --preset $(PRESET) --output $(TRAINED)

eval: $(INSTALLED)  ## [TRAINED=runs/train] RETRIEVAL=dataset/holdout [ZEROSHOT=task]: evaluate a model
	$(BIN)/wit eval --checkpoint $(TRAINED) --output $(TRAINED)/eval \
	  $(if $(RETRIEVAL),--retrieval $(RETRIEVAL)) $(if $(ZEROSHOT),--zeroshot $(ZEROSHOT))

clean:  ## remove what was built, not what was downloaded
	rm -rf .venv build dist *.egg-info runs
