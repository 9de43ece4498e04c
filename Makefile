.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Tools are found in the environment, by `sam build` too, which looks for python3.12 on the PATH.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
FUNCTION := .aws-sam/build/ClassifyFunction
# An environment holds its own paths. In a folder that was moved or copied it is made anew.
MOVED := $(if $(wildcard .venv/ready),$(if $(filter $(CURDIR),$(shell cat .venv/ready)),,moved))
# A command that only shows its help needs no build.
HELP := $(filter -h --help,$(ARGS))
REQUIREMENTS := scripts/setup.sh pyproject.toml constraints.txt src/requirements.txt $(MOVED)

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(addprefix .venv/,$(or $(GROUP),ready)) ## make the environment, in .venv (GROUP=test, bench, onnx, train: more)

# What is ready serves, builds and deploys. The others are groups of pyproject.toml.
.venv/ready: $(REQUIREMENTS)
	@scripts/setup.sh

.venv/%: $(REQUIREMENTS)
	@scripts/setup.sh $*

free-port:
	@scripts/free_port.sh

run: free-port setup ## serve the API on this machine (MODEL=folder or name, PORT=, ENVIRONMENTS=)
	@exec python scripts/run.py

test: .venv/test ## run the tests, side by side
	pytest --numprocesses auto --maxprocesses 4 --dist loadfile

check: .venv/test ## lint, types, imports, format, template lint
	ruff check && ruff format --check && mypy && lint-imports --no-logo
	sam validate --lint && python scripts/check_apigateway.py

build: setup ## build the function and its layers, and check their size and libraries
	sam build && python -m compileall -qf --invalidation-mode unchecked-hash -s $(FUNCTION) -p /var/task $(FUNCTION)
	python scripts/check_build.py

sam-local: build ## serve a model to `sam local` and print its commands (needs Docker, MODEL=folder)
	python scripts/check_sam_local.py $(or $(MODEL),models/demo)

bench: $(if $(HELP),setup,.venv/bench) ## measure everything beside its peers, into build/bench (ARGS="--rounds 3")
	@python scripts/bench.py $(ARGS)

bench-publish: setup ## write what `make bench` measured into the documents
	@python scripts/bench.py --publish && python scripts/cost.py --write

load: $(if $(HELP),setup,.venv/bench) ## load the local stack, or ARGS="--url https://…" a deployed one
	python scripts/load.py $(ARGS)

model: setup ## fetch ResNet-18 and make its bundle in models/resnet-18
	python scripts/model.py fetch resnet-18 --to models/resnet-18

contract: setup ## write what is made of openapi.yaml: /openapi.json, /docs, apigateway.yaml
	python scripts/contract.py

check-deploy: setup
	@python scripts/deploy.py deploy --check $(ARGS)

deploy: $(if $(HELP),setup,check-deploy build) ## publish the model and deploy (asks what it needs; ARGS="--regions a,b")
	python scripts/deploy.py deploy $(ARGS)

check-deploy-local: setup
	@python scripts/deploy_local.py --check $(ARGS)

deploy-local: $(if $(HELP),setup,check-deploy-local build) ## the same to an AWS account on this machine (ARGS="--model models/demo")
	@exec python scripts/deploy_local.py $(ARGS)

destroy: setup ## delete a deployment, with all that it stored (ARGS="--regions a,b")
	python scripts/deploy.py destroy $(ARGS)

clean: ## remove what the other targets made, but not models
	rm -rf .venv .aws-sam build .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

.NOTPARALLEL:  # the port is looked at before the environment is made
.PHONY: help setup free-port run test check build sam-local bench bench-publish load model contract check-deploy deploy check-deploy-local deploy-local destroy clean moved
