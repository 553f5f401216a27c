"""Faults, with real processes: killed at random moments, side by side, without room, on damaged files, interrupted.

Every process is a fork of one that has imported the libraries, and types a command. A moment is drawn among the calls
that an undisturbed process makes, so that it is as likely within the writing of a file as within a step. The ordinary
suite tries a few moments; ``XLGEN_MOMENTS=50`` tries that many of each kind.
"""

import contextlib
import io
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import test_processes
import torch
from fresh import FRESH
from safetensors.torch import load_file
from tiny import TaggedToy, ToyTask, config, save_encoder
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from paper import cli, records
from xlgen.core import result
from xlgen.core.config import RunConfig
from xlgen.core.errors import TrainingError
from xlgen.core.files import StoreError, read_tensors, write_tensors
from xlgen.core.packed import unpack
from xlgen.core.store import Store
from xlgen.data.catalogue import TASKS
from xlgen.measures import measuring
from xlgen.objectives import Baseline

IMPORTED = AutoModelForSequenceClassification, AutoTokenizer, measuring
"""What every process would import for itself."""

pytestmark = pytest.mark.usefixtures("server")

MOMENTS = int(os.environ.get("XLGEN_MOMENTS", "2"))

# --- what a process does ---------------------------------------------------------------------------------------------


def _types(arguments, said, kill_at, broken, counted):
    """Type a command; killed at a call of that number, if there is one; what is said goes to the file ``said``."""
    os.environ |= {"TOKENIZERS_PARALLELISM": "false"}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    TASKS._entries |= {"toy": ToyTask(), "tagged": TaggedToy()}
    if broken:
        Baseline.gradient = _breaks
    calls = itertools.count(1)

    def count(frame, event, argument):
        if event == "c_call" and next(calls) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    with said.open("w") as file, contextlib.redirect_stderr(file), contextlib.redirect_stdout(io.StringIO()):
        if counted:
            sys.setprofile(count)
        record = arguments[0] == "record"
        code = _record(*arguments[1:]) if record else cli.main([str(argument) for argument in arguments])
        sys.setprofile(None)
    said.with_suffix(".calls").write_text(str(next(calls)))
    os._exit(code)  # nothing of the library's is left to do


def _record(configuration, place):
    """Train, measure and record a model, as ``xlgen record`` does with each of a protocol."""
    for module in (result, records):
        module.git_commit = lambda folder: "0123456789" * 4
    wanted, options = RunConfig.from_dict(json.loads(configuration.read_text())), test_processes.options(place)
    asked = (measuring.MeasureConfig(("accuracy", "margin")),)
    records.made(measuring.run(wanted, options), asked, place / "records", options)
    return 0


GRADIENT = Baseline.gradient


def _breaks(self, model, batches, step):
    """The gradient, and a loss that is no number at step 5."""
    logs = GRADIENT(self, model, batches, step)
    return {"loss": float("nan")} if step.number == 5 else logs


def start(place, *arguments, kill_at=0, broken=False, counted=False, name="said"):
    process = FRESH.Process(target=_types, args=(arguments, place / name, kill_at, broken, counted or kill_at > 0))
    process.start()
    return process


def typed(place, *arguments, **how):
    """The exit code, and what was said."""
    process = start(place, *arguments, **how)
    process.join(120)
    assert process.exitcode is not None, (place / "said").read_text()
    return process.exitcode, (place / "said").read_text()


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return save_encoder(tmp_path_factory.mktemp("faults") / "encoder")


@pytest.fixture
def command(encoder, tmp_path):
    """What is typed to train a model of 14 steps into ``tmp_path/runs``, with a checkpoint after every second."""
    return _command(encoder, tmp_path)


def _command(encoder, place, **changes):
    (place / "run.json").write_text(json.dumps(config(encoder, epochs=2, **changes).to_dict()))
    return ["run", "--config", place / "run.json", "--checkpoint-every", "2", *_common(place)]


def _common(place):
    return ["--store", place / "runs", "--threads", "1", "--device", "cpu"]


def weights(place):
    """Of the one run of a store: its bytes."""
    (name,) = Store(place / "runs").entries("run")
    return (place / "runs" / name / "model" / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(encoder, tmp_path_factory):
    """A folder with a run and a measure of it, and how many calls each made."""
    place = tmp_path_factory.mktemp("undisturbed")
    assert typed(place, *_command(encoder, place), counted=True)[0] == 0
    calls = {"run": int((place / "said.calls").read_text())}
    assert typed(place, *_measure(place), counted=True)[0] == 0
    calls["measure"] = int((place / "said.calls").read_text())
    (place / "recorded").mkdir()
    assert typed(place, "record", place / "run.json", place / "recorded", counted=True)[0] == 0
    return place, calls | {"record": int((place / "said.calls").read_text())}


def _measure(place):
    (name,) = Store(place / "runs").entries("run")
    return ["measure", "--run", name, "--measures", "accuracy,margin,fisher_trace", *_common(place)]


def values(place):
    store = Store(place / "runs")
    return {name: store.get(name).read("values") for name in store.entries("measure")}


# --- killed ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_run_killed_at_a_random_moment_is_resumed_to_the_same_bits(undisturbed, command, tmp_path, moment):
    place, calls = undisturbed
    draw = random.Random(f"run {moment}")
    for _ in range(2):
        code, said = typed(tmp_path, *command, kill_at=draw.randint(calls["run"] // 20, calls["run"] * 19 // 20))
        assert code in (-signal.SIGKILL, 0), said
    assert typed(tmp_path, *command)[0] == 0
    assert weights(tmp_path) == weights(place)
    assert not list((tmp_path / "runs" / ".partial").glob("*.safetensors"))


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_measure_killed_at_a_random_moment_is_measured_again_to_the_same_values(undisturbed, tmp_path, moment):
    place, calls = undisturbed
    (name,) = Store(place / "runs").entries("run")
    shutil.copytree(place / "runs" / name, tmp_path / "runs" / name)
    draw = random.Random(f"measure {moment}")
    for _ in range(2):
        code, said = typed(
            tmp_path, *_measure(place)[:5], *_common(tmp_path), kill_at=draw.randint(1, calls["measure"])
        )
        assert code in (-signal.SIGKILL, 0), said
    assert typed(tmp_path, *_measure(place)[:5], *_common(tmp_path))[0] == 0
    assert values(tmp_path) == values(place)


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_record_killed_at_a_random_moment_is_made_with_the_same_numbers(undisturbed, encoder, tmp_path, moment):
    place, calls = undisturbed
    _command(encoder, tmp_path)
    asked = ("record", tmp_path / "run.json", tmp_path)
    code, said = typed(tmp_path, *asked, kill_at=random.Random(f"record {moment}").randint(1, calls["record"]))
    assert code in (-signal.SIGKILL, 0), said
    assert all(unpack(path) for path in (tmp_path / "records").glob("[!.]*.json"))  # none, or a whole one
    assert typed(tmp_path, *asked)[0] == 0
    assert recorded(tmp_path) == recorded(place / "recorded")


def recorded(place):
    """The one record, without its times."""
    ((run, *measures),) = [unpack(path) for path in (place / "records").glob("[!.]*.json")]
    log = [{key: value for key, value in entry.items() if key != "seconds"} for entry in run.read("log")]
    return run.name, run.read("config"), log, {one.name: one.read("values") for one in measures}


def test_two_processes_with_the_same_configuration_leave_one_result(undisturbed, command, tmp_path):
    both = [start(tmp_path, *command, name=f"said{i}") for i in range(2)]
    for process in both:
        process.join(120)
    assert [process.exitcode for process in both] == [0, 0], (tmp_path / "said0").read_text()
    assert weights(tmp_path) == weights(undisturbed[0])
    assert [path.name for path in (tmp_path / "runs").iterdir() if path.name[0] != "."] == [
        *Store(tmp_path / "runs").entries("run")
    ]
    assert not list((tmp_path / "runs").glob(".writing-*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_its_checkpoint_and_says_how_to_go_on(undisturbed, encoder, tmp_path, number):
    command = _command(encoder, tmp_path)
    process = start(tmp_path, *command)
    for _ in range(1200):
        if kept := list((tmp_path / "runs" / ".partial").glob("[!.]*.safetensors")):
            break
        time.sleep(0.05)
    os.kill(process.pid, number)
    process.join(60)
    said = (tmp_path / "said").read_text()
    if process.exitcode:  # it may have ended before
        assert process.exitcode == 128 + number and kept[0].is_file()
        assert said == "xlgen: interrupted; the same command resumes from the last checkpoint.\n"
    assert typed(tmp_path, *command)[0] == 0 and weights(tmp_path) == weights(undisturbed[0])


def test_a_loss_that_is_no_number_keeps_the_last_good_checkpoint(undisturbed, command, tmp_path):
    code, said = typed(tmp_path, *command, broken=True)
    (kept,) = (tmp_path / "runs" / ".partial").iterdir()
    assert code == 2 and said.count("\n") == 1 and "at optimizer step 5" in said and str(kept) in said
    tensors, meta = read_tensors(kept)
    assert meta["progress"]["step"] == 4 and all(tensor.isfinite().all() for tensor in tensors.values())
    assert typed(tmp_path, *command)[0] == 0  # the machine was to blame
    assert weights(tmp_path) == weights(undisturbed[0])


def test_weights_that_are_no_numbers_do_not_replace_a_checkpoint(encoder, tmp_path):
    code, said = typed(tmp_path, *_command(encoder, tmp_path, lr=1e38, warmup=0.3, clip=0.0))
    assert code == 2 and "learning rate" in said
    for kept in (tmp_path / "runs" / ".partial").iterdir():
        assert all(tensor.isfinite().all() for tensor in read_tensors(kept)[0].values() if tensor.is_floating_point())


# --- disks -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def mounted(folder, *how):
    """A file system at a folder, where this process may mount one."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *how, folder], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.skipif(shutil.which("mount") is None or os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_is_said_and_leaves_what_is_finished(undisturbed, command, tmp_path):
    with mounted(tmp_path / "runs", "-t", "tmpfs", "-o", "size=256k", "tmpfs"):
        code, said = typed(tmp_path, *command)
        assert code == 2 and said.startswith(f"xlgen: {tmp_path / 'runs'}") and "No space left" in said
        assert "make room" in said and said.count("\n") == 1
        assert not [p for p in (tmp_path / "runs").iterdir() if p.name[0] != "." or ".writing-" in p.name]
        subprocess.run(["mount", "-o", "remount,size=64m", tmp_path / "runs"], check=True)
        assert typed(tmp_path, *command)[0] == 0
        assert weights(tmp_path) == weights(undisturbed[0])


@pytest.mark.skipif(shutil.which("mount") is None or os.geteuid() != 0, reason="root can write everywhere else")
def test_a_read_only_store_is_read_and_refused_before_anything_is_trained(undisturbed, encoder, tmp_path, monkeypatch):
    shutil.copytree(undisturbed[0] / "runs", tmp_path / "runs")
    monkeypatch.setenv("HOME", str(tmp_path / "runs"))  # neither is a home needed
    command, other = _command(encoder, tmp_path), tmp_path / "other"
    other.mkdir()
    (other / "run.json").write_text(json.dumps(config(encoder, epochs=2, seed=9).to_dict()))
    with mounted(tmp_path / "runs", "--bind", tmp_path / "runs"):
        subprocess.run(["mount", "-o", "remount,ro,bind", tmp_path / "runs"], check=True)
        assert typed(tmp_path, *command)[0] == 0
        code, said = typed(tmp_path, "run", "--config", other / "run.json", *_common(tmp_path))
        assert code == 2 and f"the store {tmp_path / 'runs'} cannot be written (Read-only file system)" in said
        assert "--store" in said and said.count("\n") == 1


# --- no network ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("unshare") is None or os.geteuid() != 0, reason="only root can take the network away")
def test_without_a_network_the_answer_says_what_to_give_in_place_of_the_hub(tmp_path):
    command = [sys.executable, "-m", "xlgen", "run", "--model", "bert-base-multilingual-cased", *_common(tmp_path)]
    environment = os.environ | {"HF_HOME": str(tmp_path / "hub"), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(["unshare", "-n", *command], capture_output=True, text=True, env=environment, check=False)
    if "unshare failed" in done.stderr:
        pytest.skip(done.stderr.strip())
    said = done.stderr.splitlines()[-1]
    assert done.returncode == 2 and said.startswith("xlgen: 'bert-base-multilingual-cased' is no folder")
    assert "there is no connection to the hub; give a folder" in said and not re.search(r"\w+Error|Errno", said)


# --- damage ----------------------------------------------------------------------------------------------------------


def flipped(path, draw):
    """One bit of a file, another way round."""
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def truncated(path, draw):
    path.write_bytes(path.read_bytes()[: draw.randrange(path.stat().st_size)])


@pytest.mark.parametrize("damage", [flipped, truncated])
@pytest.mark.parametrize("file", ["config.json", "summary.json", "manifest.json", "model/model.safetensors"])
def test_a_damaged_result_is_set_aside_and_the_others_stay_usable(undisturbed, tmp_path, file, damage):
    draw = random.Random(file)
    for _ in range(5):
        shutil.rmtree(tmp_path / "runs", ignore_errors=True)
        shutil.copytree(undisturbed[0] / "runs", tmp_path / "runs")
        store = Store(tmp_path / "runs")
        (name,), others = store.entries("run"), store.entries("measure")
        damage(store.root / name / file, draw)
        with pytest.raises(StoreError, match=f"{file} is not as it was written; its result is set aside"):
            _ = store.get(name).folder
        assert store.get(name) is None and store.entries("run") == [] and store.entries("measure") == others
        assert list(store.root.glob(f".damaged-{name}-*")) and values(tmp_path) == values(undisturbed[0])


def test_a_list_names_the_damaged_result_and_shows_the_others(undisturbed, encoder, tmp_path):
    shutil.copytree(undisturbed[0] / "runs", tmp_path / "runs")
    store = Store(tmp_path / "runs")
    measure = store.entries("measure")[0]
    (store.root / measure / "manifest.json").write_text("{")
    code, said = typed(tmp_path, "list", "runs", "--store", tmp_path / "runs")
    assert code == 0 and len(store.entries("run")) == 1
    assert list(store.root.glob(f".damaged-{measure}-*"))


@pytest.mark.parametrize("damage", [flipped, truncated])
def test_a_damaged_checkpoint_is_set_aside_and_training_begins_again(undisturbed, command, tmp_path, damage):
    assert typed(tmp_path, *command, broken=True)[0] == 2
    (kept,) = (tmp_path / "runs" / ".partial").iterdir()
    damage(kept, random.Random(1))
    code, said = typed(tmp_path, *command)
    assert code == 0 and weights(tmp_path) == weights(undisturbed[0])
    assert [path.suffix for path in (tmp_path / "runs" / ".partial").iterdir()] == [".damaged"]


def test_no_bit_of_a_file_of_tensors_can_change_unseen(tmp_path):
    path, draw = tmp_path / "x.safetensors", random.Random(0)
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2]), "c": torch.tensor(3.0).bfloat16()}
    write_tensors(path, tensors, {"step": 7})
    whole = path.read_bytes()
    for _ in range(150):
        path.write_bytes(whole)
        flipped(path, draw)
        with pytest.raises(StoreError, match=r"x\.safetensors"):
            read_tensors(path)


def test_a_file_of_tensors_from_before_digests_is_read(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.ones(2)}, tmp_path / "x.safetensors", {"meta": "3"})
    tensors, meta = read_tensors(tmp_path / "x.safetensors")
    assert meta == 3 and torch.equal(tensors["a"], torch.ones(2))


def test_a_result_can_be_checked_with_sha256sum(undisturbed):
    (name,) = Store(undisturbed[0] / "runs").entries("run")
    folder = Path(undisturbed[0] / "runs" / name)
    lines = dict(reversed(line.split("  ")) for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert {"config.json", "log.json", "manifest.json", "model/model.safetensors"} <= lines.keys()
    assert load_file(folder / "model" / "model.safetensors")
    if shutil.which("sha256sum"):
        assert subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=folder, check=False).returncode == 0


def test_errors_of_training_without_a_checkpoint_name_none(encoder, tmp_path):
    from xlgen.training import train

    with pytest.raises(TrainingError) as error, pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS._entries, "toy", ToyTask())
        patch.setattr(Baseline, "gradient", _breaks)
        train.train(config(encoder, epochs=1), test_processes.options(tmp_path), None)
    assert "checkpoint" not in str(error.value)
