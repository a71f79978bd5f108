# Two commands do all the set-up on a fresh machine with Python 3.11 or newer:
#   make demo    encode the bundled photo, decode it without torch, write both side by side into demo/
#   make test    lint, type-check, test
#
# For the browser, with clang and node besides:
#   make web        build runtime/web/dist from runtime/kernel.c and runtime/web/src
#   make test-web   decode in headless Chromium

PYTHON ?= python3
WORKERS ?= 2

# By exact version on Linux: an open range takes the newest build, and with it gigabytes of CUDA libraries.
ifeq ($(shell uname -sm),Linux x86_64)
TORCH ?= torch==2.13.0
else
TORCH ?= torch
endif

VENV := .venv
BIN := $(VENV)/bin
# Compiling all of torch would take longer than the demo's share of it: a module is compiled when it is first imported,
# and kept.
unexport PYTHONDONTWRITEBYTECODE
INSTALL := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-compile "$(TORCH)"

.PHONY: demo test lint clean web wasm bundle test-web

demo: $(VENV)/train.stamp
	$(BIN)/inrc demo

test: lint
	$(BIN)/pytest -n $(WORKERS)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/pyright

WEB := runtime/web
NPM := build/web/node_modules
WASM := runtime/kernel.c $(addprefix $(WEB)/src/,tables.c synthesis.c pixels.c)
WASM_OUT ?= $(WEB)/dist/decoder.wasm
BUNDLE_OUT ?= $(WEB)/dist
CLANG ?= clang
# What the page's decoder calls; the rest is left out.
EXPORTS := tables coder_size begin beyond guess flags tabled uniform wavefronts_scratch wavefronts coset_scratch coset inter \
	synthesis_size synthesis_scratch synthesis_begin synthesize quantize rgba squares_rgba

web: wasm bundle
wasm: $(WASM_OUT)
bundle: $(BUNDLE_OUT)/inr.js

# -O3 makes it a third larger, and no faster.
$(WASM_OUT): $(WASM) $(WEB)/src/pixels.h
	$(CLANG) --target=wasm32 -std=c99 -O2 -msimd128 -mbulk-memory -ffreestanding -nostdlib -fvisibility=hidden -Wall -Wextra \
		-Wl,--no-entry,--export=__heap_base,-z,stack-size=131072,--stack-first,--strip-debug $(EXPORTS:%=-Wl,--export=inrc_%) -o $@ $(WASM)
	@chmod -x $@

# What the page runs, its worker, what that loads for other methods, and what clips and their sound are played by.
$(BUNDLE_OUT)/inr.js: $(wildcard $(WEB)/src/*.js) | $(NPM)/.stamp
	$(NPM)/.bin/esbuild inr=$(WEB)/src/index.js worker=$(WEB)/src/worker.js onnx=$(WEB)/src/onnx.js \
		video=$(WEB)/src/inr-video.js sound=$(WEB)/src/sound.js \
		--bundle --format=esm --target=es2022 --minify --log-level=warning --outdir=$(BUNDLE_OUT)

# What there is no browser, no node or no registry for is skipped, and says so.
test-web: $(VENV)/dev.stamp
	@$(MAKE) --no-print-directory $(NPM)/.stamp || echo "test-web: npm's packages could not be installed; what needs them is skipped"
	$(BIN)/pytest tests/web

$(NPM)/.stamp: $(WEB)/package.json
	@mkdir -p build/web && cp $< build/web/
	npm install --prefix build/web --no-package-lock --no-audit --no-fund --loglevel=error --fetch-retries=1
	@touch $@

# A machine that only shows the demo does not need the developers' tools.
$(VENV)/train.stamp: pyproject.toml runtime/kernel.c models/fused.c | $(BIN)/pip
	@echo "setting up $(VENV): torch and onnxruntime, some minutes the first time"
	@$(INSTALL) --editable ".[train]"
	@touch $@

$(VENV)/dev.stamp: pyproject.toml runtime/kernel.c models/fused.c | $(BIN)/pip
	@echo "setting up $(VENV) with the developers' tools, some minutes the first time"
	@$(INSTALL) --editable ".[dev]"
	@touch $(VENV)/train.stamp $@

$(BIN)/pip:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { \
		echo "wanted Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) --version 2>&1): try make PYTHON=python3.12" >&2; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) build dist demo *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
