"""A grid as jobs: each stands by itself, together they are the protocols, and what is there is not done again."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import pytest

from paper import cli, grid, records
from paper.grid import Job
from paper.protocols import PROTOCOLS, Protocol, stages
from xlgen.core import result
from xlgen.core.config import RunOptions
from xlgen.core.errors import ConfigError, UnknownName
from xlgen.core.files import StoreError
from xlgen.core.packed import unpack
from xlgen.core.store import Store
from xlgen.measures.measuring import MeasureConfig
from xlgen.training import runs
from xlgen.training.plan import Planner
from xlgen.training.presets import config_for

TINY = {"train_size": 32, "dev_size": 16, "epochs": 1, "max_length": 32}
MEASURED = records.measured
SCORES = MeasureConfig(("accuracy", "loss"), ("en", "de"), "test", 20)


@pytest.fixture(scope="module", autouse=True)
def clean():
    """Tests run in trees with changes too."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (result, records):
            patch.setattr(module, "git_commit", lambda folder: "0123456789" * 4)
        yield


def tiny(seeds=(0,), measures=(SCORES,)) -> Protocol:
    configs = {seed: config_for("mini", seed=seed, **TINY) for seed in seeds}
    return Protocol(configs, dict.fromkeys(configs, measures))


@pytest.fixture
def options(tmp_path):
    return RunOptions(store=tmp_path / "store", progress=False, threads=1)


def staged(options) -> Protocol:
    weights = {"kl": (1.0,)}
    return stages("mini", weights=weights, languages=("de", "es"), options=options, **TINY)


def test_a_job_is_read_as_it_was_written_and_written_once(options, tmp_path):
    for job in grid.jobs([tiny(), staged(options)], options):
        path = job.write(tmp_path / "jobs")
        assert Job.read(path) == job and path.stem == job.config.hash
        before = path.stat().st_mtime_ns
        assert job.write(path.parent).stat().st_mtime_ns == before


def test_the_jobs_of_protocols_are_their_models_once_with_all_measures(options):
    margin = MeasureConfig(("margin",), ("en",), "test", 20)
    both = grid.jobs([tiny((0, 1)), tiny((1, 2), (SCORES, margin))], options)
    assert [job.config.seed for job in both] == [0, 1, 2]
    assert [len(job.measures) for job in both] == [1, 2, 2] and [len(job.results) for job in both] == [2, 3, 3]


def test_a_record_is_there_after_the_predictions_and_is_never_replaced_by_one_with_less(options, tmp_path, monkeypatch):
    """Who is stopped in a long measure keeps the predictions, and who adds a measure keeps what was recorded before."""
    predictions = MeasureConfig(("representation_distance", "accuracy"), ("en", "de"), "test", 20)
    long, longer = (MeasureConfig((name,), ("en",), "test", 20) for name in ("margin", "loss"))
    folder = tmp_path / "records"

    def stopped_in(one, *others):
        def measured(source, measures, options):
            if one in measures:
                raise KeyboardInterrupt
            return MEASURED(source, measures, options)

        (job,) = grid.jobs([tiny(measures=(predictions, *others, one))], options)
        monkeypatch.setattr(records, "measured", measured)
        with pytest.raises(KeyboardInterrupt):
            grid.do(job, "record", folder, options)
        monkeypatch.setattr(records, "measured", MEASURED)
        return {result.read("config")["names"][0] for result in unpack(folder / f"{job.config.hash}.json")[1:]}

    assert stopped_in(long) == {"representation_distance", "accuracy"}
    (job,) = grid.jobs([tiny(measures=(predictions, long))], options)
    assert not job.recorded(folder)
    grid.do(job, "record", folder, options)
    assert job.recorded(folder)
    assert stopped_in(longer, long) == {"representation_distance", "accuracy", "margin"}


def test_a_job_is_one_model_and_its_record_is_that_of_the_protocols(options, tmp_path, monkeypatch):
    monkeypatch.setattr(PROTOCOLS, "_entries", {"tiny": lambda preset: tiny()})
    (job,) = grid.jobs([tiny()], options)
    assert not job.recorded(tmp_path / "records")
    grid.do(job, "train", tmp_path / "records", options)
    assert Store(options.store).entries("run") == [job.config.hash]
    assert not Store(options.store).entries("measure")
    grid.do(job, "measure", tmp_path / "records", options)
    assert {*Store(options.store).entries("measure")} == {*job.results}
    path = grid.do(job, "record", tmp_path / "records", options)
    assert job.recorded(path.parent)
    asked = ["record", "tiny", "--store", options.store, "--folder", tmp_path / "others", "--threads", 1]
    assert cli.main([*map(str, asked), "--no-progress"]) == 0
    assert (tmp_path / "others" / path.name).read_bytes() == path.read_bytes()


def test_a_protocol_is_recorded_in_this_process_one_model_after_the_other(options, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(PROTOCOLS, "_entries", {"tiny": lambda preset: tiny((0, 1))})
    done = []
    monkeypatch.setattr(
        grid, "do", lambda job, until, folder, options: done.append((job, until, folder)) or job.config.hash
    )
    asked = ["record", "tiny", "--store", str(options.store), "--until", "measure", "--folder", str(tmp_path)]
    assert cli.main(asked) == 0
    assert [(job.config.seed, *rest) for job, *rest in done] == [(0, "measure", tmp_path), (1, "measure", tmp_path)]
    assert capsys.readouterr().out.split() == [job.config.hash for job, *_ in done]


@pytest.mark.parametrize("command", ["record", "grid"])
def test_a_job_of_the_miniature_has_what_protocols_that_were_not_named_measure(command, options, tmp_path, monkeypatch):
    more = MeasureConfig(("margin",), ("en",), "test", 20)
    monkeypatch.setattr(
        PROTOCOLS, "_entries", {"tiny": lambda preset: tiny(), "more": lambda preset: tiny((0, 1), (more,))}
    )
    done = []
    monkeypatch.setattr(grid, "do", lambda job, *rest: done.append(job))
    monkeypatch.setattr(Job, "write", lambda job, folder: done.append(job))
    assert cli.main([command, "tiny", "--store", str(options.store), "--folder", str(tmp_path)]) == 0
    assert [(job.config.seed, len(job.measures), len(job.results)) for job in done] == [(0, 2, 3)]


def test_a_job_takes_one_thread_unless_told_otherwise(options, tmp_path, monkeypatch):
    (job,) = grid.jobs([tiny()], options)
    given = []
    trained = SimpleNamespace(folder=tmp_path)
    monkeypatch.setattr(grid, "run", lambda config, options: given.append(options.threads) or trained)
    for threads in (0, 3):
        grid.do(job, "train", tmp_path, replace(options, threads=threads))
    assert given == [1, 3]


@pytest.mark.parametrize("commit", ["0123456789" * 4 + "+", None])
def test_nothing_is_recorded_with_uncommitted_code(options, tmp_path, monkeypatch, commit):
    (job,) = grid.jobs([tiny()], options)
    monkeypatch.setattr(records, "git_commit", lambda folder: commit)
    with pytest.raises(ConfigError, match="without changes"):
        grid.do(job, "train", tmp_path, options)
    assert not options.store.exists()


def test_unknown_protocols_are_refused(capsys):
    assert cli.main(["record", "seed"]) == 2
    assert "Did you mean 'seeds'" in capsys.readouterr().err


def test_a_record_without_a_measure_is_missing(options, tmp_path):
    (job,), (more,) = (grid.jobs([tiny(measures=m)], options) for m in ((SCORES,), (SCORES, replace(SCORES, size=9))))
    grid.do(job, "record", tmp_path, options)
    assert job.recorded(tmp_path) and not more.recorded(tmp_path)


def test_a_second_stage_trains_its_first_and_nothing_else_is_needed(options, tmp_path):
    second = next(job for job in grid.jobs([staged(options)], options) if job.first is not None)
    grid.do(second, "train", tmp_path, options)
    assert {*Store(options.store).entries("run")} == {second.config.hash, second.first.hash}


def test_lines_that_begin_from_one_run_are_one_line_until_it_is_there(options, tmp_path):
    jobs = grid.jobs([staged(options)], options)
    written = {job.config.hash: tmp_path / f"{job.config.hash}.json" for job in jobs}
    lines = grid.lines(jobs, written, options, ["--store", "a b"])
    assert len(jobs) == 6 and len(lines) == 2
    for line in lines:
        first, *seconds = [shlex.split(command) for command in line.split(" && ")]
        assert first[:5] == ["xlgen", "record", "--store", "a b", "--job"] and len(seconds) == 2
        named = [Job.config.hash for Job in jobs if str(written[Job.config.hash]) == first[-1]]
        assert all(job.first.hash == named[0] for job in jobs if str(written[job.config.hash]) in sum(seconds, []))
    without = grid.lines([job for job in jobs if job.first], written, options)
    assert [line.count("--job") for line in without] == [2, 2]  # the firsts have a record, and no weights
    first = next(job.first for job in jobs if job.first)
    runs.run(first, options)
    assert sorted(line.count("--job") for line in grid.lines(jobs, written, options)) == [1, 1, 1, 3]


def test_a_grid_of_a_file(tmp_path, options):
    file = tmp_path / "grid.yml"
    file.write_text("two:\n- {protocol: seeds, preset: mini, seeds: [0, 1], objectives: [baseline], train_size: 32}\n")
    (found,) = grid.protocols_of(file, "two", options)
    assert [*found.configs] == [("baseline", 0), ("baseline", 1)]
    assert {config.train_size for config in found.configs.values()} == {32}
    with pytest.raises(UnknownName, match="Did you mean 'two'"):
        grid.protocols_of(file, "twoo", options)


@pytest.mark.parametrize("text", ["[", "- a", "two: seeds", "two: [seeds]", "two: [{preset: mini}]"])
def test_what_is_no_grid_is_refused(tmp_path, options, text):
    file = tmp_path / "grid.yml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="grid.yml.*(expected|YAML)"):
        grid.protocols_of(file, "two", options)


def test_a_misspelt_choice_is_answered(tmp_path, options):
    file = tmp_path / "grid.yml"
    file.write_text("two: [{protocol: seeds, train_sise: 3}]")
    with pytest.raises(UnknownName, match="train_size"):
        grid.protocols_of(file, "two", options)


def test_an_edited_job_is_refused(options, tmp_path):
    (job,) = grid.jobs([tiny()], options)
    path = job.write(tmp_path)
    content = json.loads(path.read_text())
    content["config"]["seed"] = 9
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=f"expected {path.stem}"):
        Job.read(path)
    path.write_text("{}")
    with pytest.raises(ConfigError, match="is no job"):
        Job.read(path)
    with pytest.raises(StoreError, match="cannot be read"):
        Job.read(tmp_path / "none.json")
    with pytest.raises(UnknownName, match="Did you mean 'train'"):
        grid.do(job, "trian", tmp_path, options)


def test_printed_lines_are_the_missing_runs_and_xargs_runs_them(tmp_path, options, monkeypatch, capsys):
    monkeypatch.setattr(PROTOCOLS, "_entries", {"tiny": lambda preset: tiny((0, 1))})
    folder = tmp_path / "rec ords"
    asked = ["grid", "tiny", "--print", "--store", options.store, "--jobs", tmp_path / "jobs", "--folder", folder]
    asked = [*map(str, asked), "--threads", "1", "--no-progress"]

    def printed() -> list[str]:
        assert cli.main(asked) == 0
        return capsys.readouterr().out.splitlines()

    first, second = printed()
    assert cli.main(shlex.split(first)[1:]) == 0
    capsys.readouterr()
    assert printed() == [second]
    split = subprocess.run(["xargs", "-n1", "echo"], input=second, capture_output=True, text=True).stdout.split("\n")
    assert cli.main(split[1:-1]) == 0
    capsys.readouterr()
    assert printed() == []
    assert cli.main([word for word in asked if word != "--print"]) == 0
    assert "2 runs, 2 recorded, 0 missing" in capsys.readouterr().out
    assert len([*folder.iterdir()]) == 2 and all(unpack(path) for path in folder.iterdir())


def test_a_plan_of_protocols_is_the_sum_of_its_runs(tmp_path, options, monkeypatch, capsys):
    sam = {("sam", seed): config_for("mini", objective="sam", seed=seed, **TINY) for seed in (0, 1)}
    both = Protocol(sam | tiny().configs, dict.fromkeys([*sam, 0], (SCORES,)))
    monkeypatch.setattr(PROTOCOLS, "_entries", {"tiny": lambda preset: both})
    out, asked = tmp_path / "plan", ["plan", "tiny", "--tokens-per-second", "1000", "--price", "3600"]
    assert cli.main([*asked, "--out", str(out), "--store", str(options.store), "--threads", "1"]) == 0
    head, *kinds, everything, cost = (line.split() for line in capsys.readouterr().out.splitlines())
    assert [kind[2:6] for kind in kinds] == [["baseline", "full", "1", "1"], ["sam", "full", "2", "2"]]
    planner = Planner(options)
    plans = {job.config.hash: planner.plan(job.config) for job in grid.jobs([both], options)}
    seconds = {name: plan.seconds(1000) for name, plan in plans.items()}
    assert {name: one["seconds"] for name, one in json.loads(out.read_text()).items()} == seconds
    assert everything[1:4] == ["3", "3", f"{sum(plan.tokens for plan in plans.values()):,}"]
    assert float(cost[1]) == pytest.approx(sum(seconds.values()), abs=0.01)
    assert not Store(options.store).entries("run")


@pytest.mark.parametrize("words", [["--tokens-per-second", "0"], ["--tokens-per-second", "nan"], ["--price", "-1"]])
def test_a_throughput_or_price_that_is_none_is_refused(words, capsys):
    assert cli.main(["plan", "seeds", *words]) == 2
    assert f"{words[0]} is" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["grid"], ["plan"], ["record"], ["grid", "seeds", "--grid", "mini"], ["record", "seeds", "--job", "x"]]
)
def test_two_sources_or_none_are_refused(words, capsys):
    assert cli.main(words) == 2
    assert "xlgen: " in capsys.readouterr().err
