"""The command line: what it does with arguments, and how it fails."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import xlgen
from paper import cli
from xlgen.core.config import RunConfig
from xlgen.core.errors import ConfigError, UnknownName
from xlgen.core.files import read_json
from xlgen.core.store import Store
from xlgen.models.catalogue import MODELS
from xlgen.training.presets import PRESETS, build, config_for

pytestmark = pytest.mark.usefixtures("toy_tasks")

torch.set_num_threads(1)


@pytest.fixture
def xlgen_(tmp_path, encoder, capsys):
    """Call the command line on the toy task; returns its exit code, output and errors."""

    def call(*arguments):
        code = cli.main([*map(str, arguments)])
        output = capsys.readouterr()
        return code, output.out, output.err

    common = ("--store", tmp_path / "runs", "--device", "cpu", "--threads", "1")
    call.common = common
    call.run = lambda *more: call(
        "run", "--task", "toy", "--model", encoder, "--set", "epochs=1", "--set", "max_length=24", *common, *more
    )
    return call


def stored(tmp_path):
    store = Store(tmp_path / "runs")
    return [RunConfig.from_dict(read_json(store.root / name / "config.json")) for name in store.entries("run")]


def test_run_trains_and_says_where_the_result_is(xlgen_, tmp_path):
    code, out, err = xlgen_.run("--objective", "sam", "--seed", "3", "--set", "rho=0.2", "--set", "lr=1e-3")
    assert (code, err) == (0, "")
    (config,) = stored(tmp_path)
    assert (config.objective, config.hyper["rho"], config.seed, config.lr) == ("sam", 0.2, 3, 1e-3)
    first, folder = out.splitlines()
    assert config.hash in first and "dev accuracy" in first and Path(folder).is_dir()
    assert xlgen_.run("--objective", "sam", "--seed", "3", "--set", "rho=0.2", "--set", "lr=1e-3")[1] == out


def test_a_stored_configuration_reproduces_its_run_and_can_be_changed(xlgen_, tmp_path):
    xlgen_.run()
    (config,) = stored(tmp_path)
    file = tmp_path / "runs" / config.hash / "config.json"
    assert xlgen_("run", "--config", file, *xlgen_.common)[0] == 0
    assert len(stored(tmp_path)) == 1
    assert xlgen_("run", "--config", file, "--set", "seed=5", *xlgen_.common)[0] == 0
    assert [c.seed for c in stored(tmp_path)] == [0, 5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--objective", "sma"], "Did you mean 'sam'"),
        (["--set", "epoch=3"], "Did you mean 'epochs'"),
        (["--objective", "sam", "--set", "roh=3"], "Did you mean 'rho'"),
        (["--set", "epochs=many"], "epochs is 'many'; expected a whole number"),
        (["--set", "epochs=0"], "epochs is '0'; expected a whole number >= 1, such as 3."),
        (["--set", "batch_size=1000000000000"], "expected a whole number >= 1, such as 32, and below 2147483648."),
        (["--set", "seed=1e30"], "expected a whole number >= 0, such as 0, and below 9223372036854775808."),
        (["--set", "epochs"], "not of the form key=value"),
        (["--preset", "papr"], "Did you mean 'paper'"),
        (["--threads", "-1"], "threads is -1"),
        (["--device", "gpu"], "Known: auto, cpu, cuda, mps"),
        (["--config", "absent.json"], "cannot be read"),
        (["--config", "absent.json", "--preset", "mini"], "choose one"),
        (["--model", "./absent"], "no folder"),
        (["--task", "toyy"], "Did you mean 'toy'"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(xlgen_, tmp_path, arguments, message):
    code, out, err = xlgen_.run(*arguments)
    assert code == 2 and out == ""
    assert err.startswith("xlgen: ") and err.count("\n") == 1 and message in err
    assert stored(tmp_path) == []


@pytest.mark.parametrize(("option", "meant"), [("--epochs", ""), ("--recordz", ""), ("--objectiv", "--objective")])
def test_an_option_that_a_command_does_not_know_is_compared_with_its_own(capsys, option, meant):
    """`run` has no --report and no --records: what another command knows is no help."""
    with pytest.raises(SystemExit) as end:
        cli.main(["run", option, "3"])
    err = capsys.readouterr().err
    assert end.value.code == 2 and f"unrecognized arguments: {option}" in err
    assert f"Did you mean {meant}" in err if meant else "Did you mean" not in err


def test_an_interruption_exits_130_and_says_how_to_go_on(xlgen_, monkeypatch):
    from xlgen.measures import measuring

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(measuring, "run", interrupted)
    code, _, err = xlgen_.run()
    assert code == 130 and "resumes" in err and err.count("\n") == 1


def test_a_defect_of_the_library_keeps_its_traceback(xlgen_, monkeypatch):
    from xlgen.measures import measuring

    monkeypatch.setattr(measuring, "run", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        xlgen_.run()


def test_measure_prints_languages_by_measures_and_writes_all_rows(xlgen_, tmp_path):
    xlgen_.run()
    (config,) = stored(tmp_path)
    arguments = ["--measures", "accuracy, margin", "--size", "6", "--out", tmp_path / "rows.csv"]
    code, out, err = xlgen_("measure", "--run", config.hash[:6], *arguments, *xlgen_.common)
    assert (code, err) == (0, "")
    header, *lines = [line.split() for line in out.splitlines()[1:]]
    assert header == ["language", "accuracy", "margin"]
    assert [line[0] for line in lines] == ["en", "xx"]
    rows = list(csv.DictReader((tmp_path / "rows.csv").open()))
    assert [(r["language"], r["measure"], r["n"]) for r in rows] == [
        ("en", "accuracy", "6"),
        ("xx", "accuracy", "6"),
        ("en", "margin", "6"),
        ("xx", "margin", "6"),
    ]
    assert float(lines[1][1]) == pytest.approx(float(rows[1]["value"]), abs=1e-4)


def test_a_checkpoint_of_ones_own_and_settings_of_a_measure(xlgen_, tmp_path):
    xlgen_.run()
    folder = tmp_path / "runs" / stored(tmp_path)[0].hash / "model"
    arguments = ["--measures", "sharpness_difference", "--languages", "xx", "--size", "4"]
    settings = ["--set", "sharpness_difference.n=0.1", "--set", "sharpness_difference.noise_seeds=[4]"]
    model = ["--model", folder, "--task", "toy", "--max-length", "24"]
    code, out, err = xlgen_("measure", *model, *arguments, *settings, *xlgen_.common)
    assert (code, err) == (0, "") and "xx" in out and "en " not in out
    store = Store(tmp_path / "runs")
    (key,) = store.entries("measure")
    given = read_json(store.root / key / "config.json")["settings"]["sharpness_difference"]
    assert given["n"] == 0.1 and given["noise_seeds"] == [4] and given["lam"] == 0.05


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "somewhere"], "--model needs --task"),
        (["--run", "abc"], "no run in"),
        (["--model", "./x", "--task", "toy", "--measures", "margn"], "Did you mean 'margin'"),
        (["--model", "./x", "--task", "toy", "--set", "n=1"], "name the measure too"),
        (["--model", "./x", "--task", "toy", "--size", "-3"], "size is -3"),
        (["--model", "./x", "--task", "toy"], "no folder"),
        (["--model", "./x", "--task", "toy", "--measures", ","], "--measures names none"),
        (["--model", "./x", "--task", "toy", "--max-length", "4"], "max_length is 4; expected at least 8 sub-words"),
    ],
)
def test_measuring_fails_in_one_line(xlgen_, arguments, message):
    code, _, err = xlgen_("measure", *arguments, *xlgen_.common)
    assert code == 2 and message in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("steps=2.5", "sharpness_alpha.steps is '2.5'; expected a whole number >= 1, such as 5."),
        ("steps=null", "sharpness_alpha.steps is 'null'; expected a whole number"),
        ("threshold=-1e-3", "sharpness_alpha.threshold is '-1e-3'; expected a number > 0, such as 0.1."),
        ("criterion=los_deviation", "Did you mean 'loss_deviation'?"),
        ("stepz=2", "Did you mean 'steps'?"),
    ],
)
def test_settings_of_a_measure_are_refused_as_they_were_typed(xlgen_, tmp_path, setting, message):
    xlgen_.run()
    key = stored(tmp_path)[0].hash
    arguments = ["--measures", "accuracy,sharpness_alpha", "--set", f"sharpness_alpha.{setting}"]
    code, out, err = xlgen_("measure", "--run", key, *arguments, *xlgen_.common)
    assert (code, out) == (2, "") and message in err and err.count("\n") == 1
    assert Store(tmp_path / "runs").entries("measure") == []


def test_a_measure_is_found_again_however_its_settings_are_spelled(xlgen_, tmp_path):
    xlgen_.run()
    key = stored(tmp_path)[0].hash
    spelled = {"sharpness_difference": {"noise_scale": "1e-2", "noise_seeds": 0, "n": 1}}
    (tmp_path / "asked.json").write_text(json.dumps({"names": "sharpness_difference", "size": 4, "settings": spelled}))
    assert xlgen_("measure", "--run", key, "--config", tmp_path / "asked.json", *xlgen_.common)[0] == 0
    settings = [("noise_scale", "0.01"), ("noise_seeds", "[0]"), ("n", "1.0")]
    typed = [word for name, value in settings for word in ("--set", f"sharpness_difference.{name}={value}")]
    arguments = ["--measures", "sharpness_difference", "--size", "4", *typed]
    assert xlgen_("measure", "--run", key, *arguments, *xlgen_.common)[0] == 0
    assert len(Store(tmp_path / "runs").entries("measure")) == 1
    (tmp_path / "asked.json").write_text('{"settings": {"sharpness_difference": null}}')
    code, _, err = xlgen_("measure", "--run", key, "--config", tmp_path / "asked.json", *xlgen_.common)
    assert code == 2 and "settings is {'sharpness_difference': None}; expected values by name" in err


def test_results_are_written_to_a_new_folder_and_nothing_is_measured_that_cannot_be_written(xlgen_, tmp_path):
    xlgen_.run()
    key = stored(tmp_path)[0].hash
    out = tmp_path / "new" / "folder" / "rows.csv"
    assert xlgen_("measure", "--run", key, "--measures", "accuracy", "--out", out, *xlgen_.common)[0] == 0
    assert len(list(csv.DictReader(out.open()))) == 2
    kept = out.read_bytes()
    for bad in (out / "inside.csv", tmp_path / "new", tmp_path / ("x" * 300)):
        code, printed, err = xlgen_("measure", "--run", key, "--measures", "margin", "--out", bad, *xlgen_.common)
        assert (code, printed) == (2, "") and f"--out {bad} cannot be written" in err and err.count("\n") == 1
        code, printed, err = xlgen_("frechet", "--languages", "en,de", "--out", bad, *xlgen_.common)
        assert (code, printed) == (2, "") and f"--out {bad} cannot be written" in err
        code, printed, err = xlgen_("notebook", "theory", "--out", bad)
        assert (code, printed) == (2, "") and f"--out {bad} cannot be written" in err
    assert out.read_bytes() == kept and len(Store(tmp_path / "runs").entries("measure")) == 1
    code, _, err = xlgen_("record", "seeds", "--folder", out, *xlgen_.common)
    assert code == 2 and "--folder" in err and "cannot be written" in err
    # a name that is refused for another reason leaves nothing behind
    untouched = tmp_path / "other.csv"
    assert xlgen_("measure", "--run", key, "--measures", "margn", "--out", untouched, *xlgen_.common)[0] == 2
    assert not untouched.exists()


def test_a_refused_command_leaves_no_folder(xlgen_, tmp_path):
    xlgen_.run()
    out = tmp_path / "a" / "b" / "rows.csv"
    key = stored(tmp_path)[0].hash
    assert xlgen_("measure", "--run", key, "--measures", "margn", "--out", out, *xlgen_.common)[0] == 2
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("command", ["measure", "predict", "frechet"])
def test_tables_have_the_endings_that_are_read_again(xlgen_, tmp_path, command):
    xlgen_.run()
    source = ["--languages", "en,de"] if command == "frechet" else ["--run", stored(tmp_path)[0].hash]
    code, out, err = xlgen_(command, *source, "--out", tmp_path / "table.xlsx", *xlgen_.common)
    assert (code, out) == (2, "") and "table.xlsx: expected a name that ends in .csv or .parquet" in err


def test_a_table_goes_where_a_link_leads_and_straight_into_a_pipe(xlgen_, tmp_path):
    xlgen_.run()
    measure = ["measure", "--run", stored(tmp_path)[0].hash, "--measures", "accuracy", *xlgen_.common]
    there, link, pipe = tmp_path / "there.csv", tmp_path / "link-fr.csv", tmp_path / "pipe"
    there.write_text("older")
    link.symlink_to(there)
    assert xlgen_(*measure, "--out", link)[0] == 0
    assert link.is_symlink() and there.read_text().startswith("run,task,")
    there.rename(tmp_path / "kept.csv")
    assert xlgen_(*measure, "--measures", "margn", "--out", link)[0] == 2 and link.is_symlink() and not there.exists()
    assert xlgen_(*measure, "--out", link)[0] == 0
    assert link.is_symlink() and there.read_text() == (tmp_path / "kept.csv").read_text()
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
        assert xlgen_(*measure, "--out", pipe)[0] == 0
        assert reader.communicate(timeout=60)[0] == there.read_text()
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "mini-pawsx"], "is of 'toy', and --task is 'mini-pawsx'"),
        (
            ["--measures", "accuracy", "--set", "sharpness_difference.n=1"],
            "and only accuracy is measured",
        ),
        (["--data", "mine-ko.csv", "--out", "mine-ko.csv"], "mine-ko.csv is in the data"),
        (["--data", ".", "--out", "./new.csv"], "new.csv is in the data"),
        (["--data", "mine-ko.csv", "--out", "link-fr.csv"], "link-fr.csv is in the data"),
        (["--data", "mine-ko.csv", "--split", "nonsense"], "unknown split 'nonsense'"),
        (["--data", "mine-ko.csv", "--columns", "first=a,second=a"], "first and second are both the column 'a'"),
        (["--data", "mine-ko.csv", "--columns", "first=a,first=b"], "names a column twice"),
    ],
)
def test_what_would_be_measured_or_written_wrongly_is_refused(xlgen_, tmp_path, monkeypatch, arguments, message):
    xlgen_.run()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine-ko.csv").write_text("premise,hypothesis,label\nw1,w2,neutral\n")
    (tmp_path / "link-fr.csv").symlink_to(tmp_path / "mine-ko.csv")
    before = (tmp_path / "mine-ko.csv").read_text()
    code, out, err = xlgen_("measure", "--run", stored(tmp_path)[0].hash, *arguments, *xlgen_.common)
    assert (code, out) == (2, "") and message in err and err.count("\n") == 1
    assert (tmp_path / "mine-ko.csv").read_text() == before and not (tmp_path / "new.csv").exists()


@pytest.mark.parametrize("command", ["measure", "predict"])
def test_no_model_is_no_run_either(xlgen_, command):
    code, _, err = xlgen_(command, "--model", "", "--task", "toy", *xlgen_.common)
    assert code == 2 and "--model is empty" in err


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        MemoryError(),
    ],
)
def test_a_full_memory_is_one_line(xlgen_, monkeypatch, error):
    from xlgen.measures import measuring

    monkeypatch.setattr(measuring, "run", lambda *_: (_ for _ in ()).throw(error))
    code, _, err = xlgen_.run()
    assert code == 2 and "the memory is full" in err and "micro_batch_size" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--examples", "0"], "examples is 0; expected a number of paragraphs"),
        (["--folds", "0"], "folds is 0; expected 1 to 1000"),
        (["--labels", "sampel"], "labels is 'sampel'; expected 'true' or 'sample'. Did you mean 'sample'?"),
        (["--max-length", "4"], "max_length is 4; expected at least 8 sub-words"),
    ],
)
def test_distances_of_text_are_refused_in_one_line(xlgen_, arguments, says):
    code, out, err = xlgen_("frechet", "--languages", "en,de", *arguments, *xlgen_.common)
    assert (code, out) == (2, "") and says in err and err.count("\n") == 1


def test_errors_at_the_command_line_speak_of_its_options(xlgen_, tmp_path):
    xlgen_.run()
    folder = tmp_path / "runs" / stored(tmp_path)[0].hash / "model"
    own = ["--model", folder, "--task", "toy", "--max-length", "24", "--size", "4"]
    code, _, err = xlgen_("measure", *own, "--measures", "frobenius", *xlgen_.common)
    assert code == 2 and "--pretrained" in err


def test_lists_are_read_from_the_registries(xlgen_, tmp_path):
    assert {line.split()[0] for line in xlgen_("list", "presets")[1].splitlines()} == set(PRESETS)
    assert {line.split()[0] for line in xlgen_("list", "models")[1].splitlines()} == {*MODELS, "..."}
    assert "rho=" in xlgen_("list", "objectives")[1]
    assert "noise_scale=" in xlgen_("list", "measures")[1]
    assert "toy" in xlgen_("list", "tasks")[1]
    assert xlgen_("list", "runs", "--store", tmp_path / "runs")[1] == ""
    xlgen_.run("--seed", "4")
    assert "seed 4: dev accuracy" in xlgen_("list", "runs", "--store", tmp_path / "runs")[1]
    code, _, err = xlgen_("list", "objective")
    assert code == 2 and "Did you mean 'objectives'" in err


def test_notebook_passes_typed_parameters(xlgen_, monkeypatch):
    from paper import notebook

    calls = []
    monkeypatch.setattr(notebook, "execute", lambda source, target, given, evidence: calls.append(given))
    parameters = [
        "-p",
        "objective",
        "sam",
        "-p",
        "train_size",
        "12",
        "-p",
        "seeds",
        "1,2",
        "-p",
        "hyper",
        '{"eta": 0.1}',
    ]
    code, out, _ = xlgen_(
        "notebook", "xnli", *parameters, "-p", "epochs", "None", "-p", "workers", "1", "-p", "model", ""
    )
    assert code == 0 and out.strip().endswith(".ipynb")
    read = {"objective": "sam", "train_size": 12, "seeds": ["1", "2"], "hyper": {"eta": 0.1}}
    assert calls == [read | {"epochs": None, "workers": 1, "model": ""}]
    for wrong, message in {
        "workers": "workers is 'x'; expected a whole number",
        "hyper": "hyper is 'x'; expected values by",
    }.items():
        code, _, err = xlgen_("notebook", "xnli", "-p", wrong, "x")
        assert code == 2 and message in err and len(calls) == 1


def test_help_imports_neither_torch_nor_transformers():
    code = (
        "import sys\n"
        "from paper import cli\n"
        "try: cli.main(['run', '--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'transformers', 'numpy', 'accelerate'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    root = Path(xlgen.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--objective" in done.stdout


def test_python_m_xlgen_is_the_command_line():
    root = Path(xlgen.__file__).parents[1]
    done = subprocess.run([sys.executable, "-m", "xlgen", "list", "x"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("xlgen: unknown list 'x'")
    assert subprocess.run([sys.executable, "-m", "xlgen"], cwd=root, capture_output=True).returncode == 2


def test_a_preset_is_sizes_and_the_encoder_decides_how_fast_it_learns():
    assert config_for("mini").task == "mini-xnli" and config_for("mini").model == "mini"
    paper = config_for("paper", "pawsx")
    assert (paper.task, paper.lr, paper.epochs, paper.batch_size, paper.warmup) == ("pawsx", 2e-5, 15, 32, 0.0)
    assert (paper.train_size, paper.max_length, paper.clip, paper.weight_decay) == (0, 128, 1.0, 0.0)
    small = config_for("small")
    assert (small.train_size, small.epochs, small.lr) == (20_000, 3, 2e-5)
    tiny = config_for("small", model="mini")
    assert (tiny.train_size, tiny.epochs) == (20_000, 3)
    assert (tiny.lr, tiny.warmup) == (config_for("mini").lr, config_for("mini").warmup)
    assert config_for("mini", model="xlm-roberta-base").lr == 2e-5
    assert config_for("small", model="mini", lr=1e-4).lr == 1e-4
    assert config_for("mini", "xnli").task == "xnli"


def test_overrides_are_settings_or_hyper_parameters_of_the_objective():
    assert config_for("mini", objective="sam", rho=0.1, seed="7").hyper == {"rho": 0.1}
    assert config_for("mini", objective="sam", hyper={"rho": 0.1}, eta=0.2).hyper == {"rho": 0.1, "eta": 0.2}
    with pytest.raises(UnknownName, match="Did you mean 'weight_decay'"):
        config_for("mini", weight_decy=1)
    with pytest.raises(UnknownName, match="setting 'rho'"):
        config_for("mini", objective="baseline", rho=0.1)
    with pytest.raises(UnknownName, match="preset"):
        config_for("large")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("epochs", "3", 3),
        ("epochs", 3.0, 3),
        ("lr", "2e-5", 2e-5),
        ("lr", 1, 1.0),
        ("dropout", "none", None),
        ("dropout", "0.1", 0.1),
        ("dropout", None, None),
        ("task", "xnli", "xnli"),
    ],
)
def test_settings_are_read_as_their_type(key, value, expected):
    found = getattr(build({key: value}), key)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", "3.5"),
        ("epochs", True),
        ("epochs", None),
        ("epochs", "inf"),
        ("lr", "nan"),
        ("lr", "inf"),
        ("lr", [1]),
        ("task", 3),
        ("hyper", 3),
        ("dropout", "x"),
    ],
)
def test_settings_of_the_wrong_type_are_refused(key, value):
    with pytest.raises(ConfigError, match=key):
        build({key: value})


def test_the_same_settings_have_the_same_hash_however_they_were_written():
    assert build({"lr": "1", "epochs": "2"}).hash == build({"lr": 1.0, "epochs": 2}).hash
    assert json.loads(json.dumps(build({}).to_dict())) == build({}).to_dict()


def test_an_option_of_another_command_is_not_taken_for_a_longer_one(capsys):
    with pytest.raises(SystemExit):
        cli.main(["run", "--data", "mine.csv"])
    assert "unrecognized arguments: --data mine.csv. Did you mean --data-dir?" in capsys.readouterr().err
