# Every target in one line: `make help`. The environment is built once into .venv and again only
# when requirements.txt changes.
PYTHON ?= python3.11
# for the tests and benchmarks; the commands set it themselves (training/models/thread_policy.py)
export OMP_WAIT_POLICY ?= PASSIVE
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python
READY := $(VENV)/.ready

SIZE ?= small
SEED ?= 7
# a data set is kept under its mapping's folder, or under the preset's name
NAME ?= $(if $(findstring /,$(MAPPING)),$(notdir $(patsubst %/,%,$(dir $(MAPPING)))),$(basename $(MAPPING)))
SET ?= data/$(NAME)
PORT ?= 3000
TRIALS ?=
DEMO := data/demo

.DEFAULT_GOAL := help
.PHONY: help setup demo draft sync writeback loop crm-demo features train report serve score desk figures forecast backtest bento ui test check bench bench-serving notebooks glossary commands messages lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.txt
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	@echo "installing packages into $(VENV) (once) …"
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

setup: $(READY) ## make .venv with every package, pinned and hashed

demo: $(READY) ## demo CRM -> ingest -> train -> promote -> one explained score -> filled pages
	@$(RUN) -m features demo --size $(SIZE) --seed $(SEED) --out $(DEMO)/export
	@$(RUN) -m features ingest --data $(DEMO)/export --mapping $(DEMO)/export/mapping.toml --out $(DEMO)/canonical
	@$(RUN) -m training train --data $(DEMO)/canonical --promote --trials $(or $(TRIALS),8)
	@$(RUN) -m serving request --data $(DEMO)/canonical
	@$(MAKE) --no-print-directory desk
	@echo "the pages are filled: run  make serve  and open http://127.0.0.1:$(PORT)/"

GIVEN = @test -n "$(DATA)" -a -n "$(MAPPING)" || \
  { echo "usage: make $@ DATA=export MAPPING=hubspot|salesforce|file.toml" >&2; exit 2; }

draft: $(READY) ## draft the mapping of an unknown export: DATA; OUT (the export's name.toml)
	@test -n "$(DATA)" || { echo "usage: make draft DATA=export [OUT=my.toml]" >&2; exit 2; }
	@$(RUN) -m features draft --data "$(DATA)" $(if $(OUT),--out "$(OUT)")

features: $(READY) ## ingest DATA with MAPPING (file or preset) and write its features as Parquet
	$(GIVEN)
	@$(RUN) -m features ingest --data "$(DATA)" --mapping "$(MAPPING)" --out $(SET)/canonical
	@$(RUN) -m features build --data $(SET)/canonical --out $(SET)/features

train: $(READY) ## ingest DATA with MAPPING, train, register, promote what is better
	$(GIVEN)
	@$(RUN) -m features ingest --data "$(DATA)" --mapping "$(MAPPING)" --out $(SET)/canonical
	@$(RUN) -m training train --data $(SET)/canonical --promote $(if $(TRIALS),--trials $(TRIALS))

report: $(READY) ## write each champion's report and the desk's lists, or with DATA and ID that record's page
	@$(if $(ID),$(RUN) -m serving report --data "$(DATA)" --record "$(ID)" --out $(or $(OUT),reports),$(RUN) -m training report --out $(or $(OUT),reports) && $(RUN) -m serving report --desk --out $(or $(OUT),reports)/desk)

serve: $(READY) ## serve the champions on PORT (3000)
	@$(RUN) -m serving serve --port $(PORT)

score: $(READY) ## score every open entity of DATA (a canonical folder; default the demo's)
	@$(RUN) -m serving score --data $(or $(DATA),$(DEMO)/canonical) --out $(or $(OUT),data/scores)

desk: $(READY) ## fill the pages: scores, forecast and lists of DATA (default the demo's)
	@$(RUN) -m serving score --data $(or $(DATA),$(DEMO)/canonical) --out data/scores || \
	  { test $$? -eq 3 && echo "no scores were made; every list that needs none follows"; }
	@$(RUN) -m training forecast --data $(or $(DATA),$(DEMO)/canonical) --out reports || \
	  { test $$? -eq 2 && echo "these data allow no forecast; every list that needs none follows"; }
	@$(RUN) -m serving desk --data $(or $(DATA),$(DEMO)/canonical) $(if $(MARGIN),--margin $(MARGIN)) \
	  $(if $(CAPACITY),--capacity $(CAPACITY)) $(if $(GOALS),--goals $(GOALS)) $(if $(RULES),--rules $(RULES))

figures: $(READY) ## figures (KPIs) and pipeline health of DATA as CSV; BY, PERIOD, AS_OF, SCORES, CAPACITY
	@$(RUN) -m serving figures --data $(or $(DATA),$(DEMO)/canonical) --out $(or $(OUT),reports/figures) \
	  --health $(if $(BY),--by $(BY)) $(if $(PERIOD),--period $(PERIOD)) $(if $(AS_OF),--as-of $(AS_OF)) \
	  $(if $(SCORES),--scores $(SCORES) --capacity $(or $(CAPACITY),40))

forecast: $(READY) ## foresee revenue of DATA (a canonical folder; default the demo's): table, JSON, CSV, HTML in OUT
	@$(RUN) -m training forecast --data $(or $(DATA),$(DEMO)/canonical) --out $(or $(OUT),reports) \
	  $(if $(AS_OF),--as-of $(AS_OF)) $(if $(SINCE),--since $(SINCE)) $(if $(WHAT_IF),--what-if "$(WHAT_IF)")

backtest: $(READY) ## score that forecast at past Mondays beside the baselines; tables as CSV in OUT
	@$(RUN) -m training backtest --data $(or $(DATA),$(DEMO)/canonical) --out $(or $(OUT),reports/backtest)

bento: $(READY) ## build a Bento with the champions (OUT: also copy it there); it serves by itself
	@$(RUN) -m serving bento --with-champions $(if $(OUT),--out $(OUT))

ui: $(READY) ## open the MLflow pages on http://127.0.0.1:5000
	@$(BIN)/mlflow ui --host 127.0.0.1 --port 5000 --backend-store-uri sqlite:///mlruns/mlflow.db

sync: $(READY) ## bring a connected CRM's data set up to date: NAME (connections/NAME.toml), docs/live.md
	@test -n "$(NAME)" || { echo "usage: make sync NAME=crm" >&2; exit 2; }
	@$(RUN) -m features sync "$(NAME)"

writeback: $(READY) ## write the newest scores into a connected CRM: NAME; DRY=1 only says so, UNDO=1 takes them back
	@test -n "$(NAME)" || { echo "usage: make writeback NAME=crm" >&2; exit 2; }
	@$(RUN) -m serving writeback "$(NAME)" $(if $(DRY),--dry-run) $(if $(UNDO),--undo)

loop: $(READY) ## sync, score, write back, retrain on schedule (loop.toml); ONCE=1: what is due now
	@$(RUN) -m serving loop $(if $(ONCE),--once)

crm-demo: $(READY) ## a real Tryton with a demo company: synced, learned, scored, written back, a week played
	@$(RUN) -m examples.crm

test: $(READY) ## run the tests
	@$(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: $(READY) ## ruff, mypy --strict, the tests, the docs
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

bench: $(READY) ## run the benchmarks and print their tables
	@$(RUN) -m benchmarks

bench-serving: $(READY) ## the service beside stock BentoML, MLflow and a bare echo (needs wrk)
	@$(RUN) -m benchmarks.serving

notebooks: $(READY) ## run the notebooks from top to bottom
	@$(RUN) -m pytest tests/test_notebooks.py

glossary: $(READY) ## write docs/features.md from the definitions
	@$(RUN) -m features glossary > docs/features.md

commands: $(READY) ## write docs/commands.md from the Makefile and the command-line parsers
	@$(RUN) docs/commands.py > docs/commands.md

messages: $(READY) ## bring serving/i18n/locale in step with the definitions; fails where words are missing
	@$(RUN) -m serving messages

lock: $(READY) ## compile requirements.txt from pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --extra dev --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --python-version 3.11 --quiet --upgrade \
	  --custom-compile-command "make lock" -o requirements.txt

clean: ## remove what the targets made: data/, reports/, mlruns/, caches (keeps .venv and the store)
	@test ! -d data || find data -mindepth 1 -maxdepth 1 ! -name 'embudo.db*' ! -name journal -exec rm -rf {} +
	@rm -rf reports .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find mlruns -mindepth 1 ! -name .gitkeep -delete
	@find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +
