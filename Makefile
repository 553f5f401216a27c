# make book       build the book; on a fresh machine this needs python >= 3.11, git and make. LIVE=all trains every
#                 model, where chapters read committed records else
# make pdf        print the book that was built last to book/_build/book.pdf, with Chromium
# make test       ruff and the tests
# make quick      the tests of one room: ROOM=analysis, ROOM=paper, …
# make lint       ruff alone
# make format     let ruff rewrite what it can
# make chapter    execute one chapter into build/notebooks/: NAME=xnli, and ARGS="-p objective sam" for other parameters
# make notebooks  write notebooks/*.ipynb from the .py beside them
# make bench      time everything beside the peers (half an hour); ARGS passes options, such as ARGS="--size small"
# make records    train and measure what the book does not train itself, and write records/ (hours): GRID=mini, CORES=2;
#                 TARGET=book builds the book from them
# make version    give changed sources a version: WHY="what changed", and SAME=1 if no number can change by it
# make readme     take the README's picture and numbers from the book that was built last
# make clean      delete what can be built again (not runs/: those took time)
# Variables: PYTHON (interpreter of the environment), VENV (its folder).

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Snakemake asks for other versions than the book, so it has an environment of its own.
ENGINE := $(VENV)/engine/bin
GRID ?= mini
CORES ?= 2
# Named by content: the environment is made anew when the requirements change, and only then.
STAMP := $(VENV)/.installed-$(shell cat pyproject.toml constraints.txt | cksum | tr ' ' '-')

.DEFAULT_GOAL := help
.PHONY: help book pdf test quick lint format chapter notebooks bench records version readme clean

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "xlgen needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)."; \
	  echo "Choose another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[book,test]"
	@touch $@

book: $(STAMP)
	XLGEN_LIVE="$(LIVE)" $(BIN)/jupyter-book build -W --keep-going book/

pdf: $(STAMP)
	$(BIN)/python -m paper.pdf

# Bytecode is kept: two workers and some dozen processes would compile the same sources.
test: lint
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2

quick: $(STAMP)
	@test -d "tests/$(ROOM)" -a -n "$(ROOM)" || { \
	  echo "ROOM is '$(ROOM)'; expected a folder of tests/: $$(cd tests && echo [a-z]*/)"; exit 1; }
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/$(ROOM)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

chapter: $(STAMP)
	@test -n "$(NAME)" || { echo "NAME is empty; expected a chapter: $$(cd notebooks && echo *.py)"; exit 1; }
	$(BIN)/xlgen notebook $(NAME) $(ARGS)

notebooks: $(STAMP)
	$(BIN)/python -c 'from paper.notebook import sync; print(*sync(), sep="\n")'

bench: $(STAMP)
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e ".[bench]"
	$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps -r benchmarks/peers.txt
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks $(ARGS)

records: $(STAMP)
	@test -x $(ENGINE)/snakemake || { $(PYTHON) -m venv $(VENV)/engine && \
	  $(ENGINE)/python -m pip install --disable-pip-version-check -q -r workflow/requirements.txt; }
	PATH="$(CURDIR)/$(BIN):$$PATH" $(ENGINE)/snakemake $(TARGET) --cores $(CORES) --config grid=$(GRID) $(ARGS)

version: $(STAMP)
	PYTHONPATH=. $(BIN)/python tests/pin.py --why "$(WHY)" $(if $(SAME),--same)

readme: $(STAMP)
	$(BIN)/python -m paper.readme

clean:
	rm -rf book/_build _build book/notebooks build *.egg-info .pytest_cache .ruff_cache
	find xlgen paper pretraining tests -name __pycache__ -type d -prune -exec rm -rf {} +
