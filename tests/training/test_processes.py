"""Real processes that share a run: the bits of one process, its name, and no process left waiting."""

import contextlib
import io
import itertools
import json
import math
import os
import pickle
import random
import shutil
import socket
import subprocess
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from fresh import FRESH
from safetensors.torch import load_file
from tiny import WORDS, TaggedToy, ToyTask, config, options, save_encoder
from torch import nn
from torch.nn import functional as F

from paper import cli
from xlgen import models
from xlgen.core.config import RunConfig
from xlgen.core.device import accelerator_for
from xlgen.core.errors import ConfigError, TrainingError, XlgenError
from xlgen.core.jobs import Job, side_by_side
from xlgen.core.processes import SIZES, Processes, started
from xlgen.data.batch import Batch
from xlgen.data.catalogue import TASKS
from xlgen.measures import MEASURES, measuring
from xlgen.objectives import OBJECTIVES, Step, create
from xlgen.objectives.accumulate import accumulate
from xlgen.training import runs, train

pytestmark = pytest.mark.usefixtures("toy_tasks", "server")

FISHER = [
    {"labels": labels, "method": method, "weight": 0.1}
    for labels in ("sample", "true")
    for method in ("finite_difference", "double_backward")
]
CASES = {
    "baseline": ("baseline", {}, {}),
    "sam": ("sam", {}, {}),
    "asam": ("sam", {"adaptive": True, "rho": 0.5}, {}),
    "sam, ascents apart": ("sam", {"ascent": "micro_batch", "rho": 0.5}, {}),
    **{f"fisher {hyper['labels']} {hyper['method']}": ("fisher", hyper, {}) for hyper in FISHER},
    "fisher every 3": ("fisher", {"every_k": 3, "method": "double_backward"}, {}),
    "mvr": ("mvr", {}, {}),
    "rdrop": ("rdrop", {}, {}),
    "consistency": ("consistency", {}, {}),
    "l2": ("l2", {}, {}),
    "ewc": ("ewc", {"examples": 8}, {}),
    "tagged": ("fisher", {"weight": 0.1}, {"task": "tagged"}),
    # nobody asks for these streams: several processes fill them in
    **{f"{name} with dropout": (name, {}, {"dropout": None}) for name in ("sam", "fisher", "rdrop", "consistency")},
    "two masks": ("sam", {"same_dropout": False}, {"dropout": 0.3}),
    "ascents apart with dropout": ("sam", {"ascent": "micro_batch"}, {"dropout": 0.3}),
}


def case(folder: Path, name: str, **changes):
    """3 steps of 8 examples and one of 2, in micro-batches of 2: of 4 processes one round, of 2 processes two."""
    objective, hyper, settings = CASES[name]
    settings = {"micro_batch_size": 2, "dropout": 0.0, "train_size": 26, "epochs": 1, **settings, **changes}
    return config(folder / "encoder", objective=objective, hyper=asdict(create(objective, hyper)), **settings)


# --- what a process runs: found by name, so that a fresh process can import it ---------------------------------------


def _every_case(folder):
    where = options(folder / f"{started()}", text_dir=folder / "text")
    if started() > 1:
        return {name: runs.run(case(folder, name), where).folder for name in CASES}
    streams = {name: "micro_batch" if case(folder, name).dropout != 0 else "" for name in CASES}
    return {name: runs.run(case(folder, name, dropout_stream=streams[name]), where).folder for name in CASES}


def _measured(folder, names, key):
    """All measures of a stored run; in one process as in several, each in a store of its own."""
    where = options(folder / f"measured{started()}")
    trained = runs.stored(key, options(folder / "1"))
    config = measuring.MeasureConfig(tuple(names), ("en", "xx"), settings=QUICK)
    return measuring.measure(trained, config, where)


def _measure_fails(folder, key):
    def broken(subject):
        if "xx" in subject.batches:
            raise TrainingError("the value of 'xx' is bad")
        return {}

    with pytest.MonkeyPatch.context() as patch, pytest.raises(XlgenError) as error:
        patch.setitem(MEASURES._entries, "margin", broken)
        _measured(folder, ["margin"], key)
    return str(error.value)


def _one_of_them_fails(folder):
    accelerator = accelerator_for("cpu")
    step = Step(number=7, processes=Processes.of(accelerator))
    model = Linear()

    def terms(batch):
        if 5 in batch.labels:  # micro-batch 2 of 4: that of the first process, in the second round
            raise TrainingError("a logit is bad")
        loss = model(**batch.inputs).logits.square().mean()
        return loss, {"loss": loss}

    said = []
    for batches in (_batches(8), [*_batches(4), *_batches(4, scale=math.nan)]):
        with pytest.raises(TrainingError) as error:
            accumulate(model, batches, step, terms)
        said.append(str(error.value))
    return said


def _who_has_gradients(folder):
    """Of three weights one is used by all micro-batches, one by the second alone, and one by none."""
    step, found = Step(processes=Processes.of(accelerator_for("cpu"))), []
    for block in (5, 12, 100):  # cuts a weight of 12 numbers; takes one at a time; takes all
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("xlgen.core.processes.BLOCK", block)
            found.append(_gradients(step))
    return found


def _shards():
    """A batch in two parts, one for each of two processes."""
    ids = torch.tensor([[2, 5, 6, 3], [2, 9, 7, 3], [2, 8, 8, 3], [2, 6, 5, 3], [2, 7, 9, 3]])
    labels, numbers = torch.tensor([0, 2, 1, 1, 0]), torch.arange(5)
    return [Batch({"input_ids": ids[part]}, labels[part], numbers[part]) for part in (slice(0, 3), slice(3, 5))]


def _perturbed_apart(folder):
    """The gradient of SAM in which each process ascends the loss of its own examples."""
    step = Step(processes=Processes.of(accelerator_for("cpu")))
    model = models.load_classifier(str(folder / "encoder"), 3, seed=0, dropout=0.0)
    create("sam", {"rho": 0.2, "ascent": "micro_batch"}).gradient(model, _shards(), step)
    return {name: w.grad for name, w in model.named_parameters() if w.grad is not None}


def _until(folder, stop=None):
    """Train from the checkpoint ``folder/unfinished``, or from the beginning, to step ``stop`` or to the end."""
    update = train._update

    def stopping(loop, number, micro_batches):
        if number == stop:
            raise KeyboardInterrupt
        return update(loop, number, micro_batches)

    wanted = case(folder, "sam with dropout", dropout_stream="micro_batch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "_update", stopping)
        try:
            trained = train.train(wanted, options(folder, checkpoint_every=1), folder / "unfinished")
        except KeyboardInterrupt:
            return None
    return {name: w.detach().numpy().tobytes() for name, w in trained.model.named_parameters()}


def _refused(folder):
    with pytest.raises(ConfigError) as error:
        train.train(case(folder, "baseline", dropout=0.1), options(folder / "refused"))
    torch.distributed.barrier()  # who has answered ends, and whom the others join must not end before they have
    return str(error.value)


def _sharded(folder):
    """The gradient of two examples, whole and with weights, gradients and optimizer state cut up by FSDP."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    Processes.of(accelerator_for("cpu"))  # joins them
    inputs, labels = torch.tensor([[2, 5, 6, 3], [2, 9, 7, 3]]), torch.tensor([0, 2])
    model = models.load_classifier(str(folder / "encoder"), 3, seed=0)
    F.cross_entropy(model(input_ids=inputs).logits, labels).backward()
    expected = {name: w.grad.clone() for name, w in model.named_parameters() if w.grad is not None}
    model.zero_grad()
    mesh, rank = init_device_mesh("cpu", (started(),)), torch.distributed.get_rank()
    for layer in [*model.base_model.encoder.layer, model]:
        fully_shard(layer, mesh=mesh)
    F.cross_entropy(model(input_ids=inputs[rank : rank + 1]).logits, labels[rank : rank + 1]).backward()
    found = {name: w.grad.full_tensor() for name, w in model.named_parameters() if w.grad is not None}
    held = sum(w.to_local().numel() for w in model.parameters()) / sum(w.numel() for w in model.parameters())
    return held, max((found[name] - expected[name]).abs().max().item() for name in expected)


def _stores_apart(folder):
    with pytest.raises(ConfigError) as error:
        _until(folder / "of both" if os.environ["RANK"] == "0" else folder)
    return str(error.value)


def _commands(folder):
    common = ["--store", str(folder / "commands"), "--no-progress", "--threads", "1"]
    (folder / "commands").mkdir(exist_ok=True)
    settings = folder / "commands" / f"{os.environ['RANK']}.json"
    settings.write_text(json.dumps(case(folder, "baseline").to_dict()))
    with contextlib.redirect_stdout(io.StringIO()) as out:
        codes = [cli.main(["run", "--config", str(settings), *common]) for _ in range(2)]
    return codes, out.getvalue()


class Linear(nn.Module):
    """Logits of numbers; one weight is used where a label is 1, and one never."""

    def __init__(self):
        super().__init__()
        draw = torch.Generator().manual_seed(0)
        self.always, self.sometimes, self.never = (
            nn.Parameter(torch.randn(4, 3, generator=draw, dtype=torch.float64)) for _ in range(3)
        )

    def forward(self, x):
        return SimpleNamespace(logits=x @ (self.always + self.sometimes if x[0, 0] == 1 else self.always))


def _batches(n, scale=1.0):
    """``n`` micro-batches of two units, the labels of the i-th being i; the second is the one of :class:`Linear`."""
    x = torch.randn(n, 2, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x[1, 0, 0] = 1
    return [Batch({"x": x[i] * scale}, torch.full((2,), i), torch.arange(2)) for i in range(n)]


def _gradients(step):
    model, second = Linear(), {}

    def terms(batch):
        logits = model(**batch.inputs).logits
        loss = F.cross_entropy(logits, batch.labels % 3)
        return (loss, logits.square().mean()), {"loss": loss}

    logs = accumulate(model, _batches(3), step, terms, second)
    return logs, {name: w.grad for name, w in model.named_parameters() if w.grad is not None}, second


# --- starting them ---------------------------------------------------------------------------------------------------


def _child(function, rank, number, port, folder, pipe, arguments):
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": number, "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in names.items()}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "TOKENIZERS_PARALLELISM": "false"}
    torch.set_num_threads(1)
    TASKS._entries |= {"toy": ToyTask(), "tagged": TaggedToy()}
    try:
        answer = function(folder, **arguments), None
    except BaseException:
        answer = None, traceback.format_exc()
    pipe.send_bytes(pickle.dumps(answer))  # send would share the memory of tensors, which ends with this process


def together(number, function, folder, **arguments):
    """What ``number`` processes return that ``function`` is run in, started as ``torchrun`` does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started_ones = []
    for rank in range(number):
        here, there = FRESH.Pipe(duplex=False)
        process = FRESH.Process(target=_child, args=(function, rank, number, port, folder, there, arguments))
        process.start()
        there.close()
        started_ones.append((process, here))
    answers, problems = [], []
    try:
        for _, here in started_ones:
            assert here.poll(120), f"{function.__name__}: a process of {number} is left waiting; {problems}"
            answer, problem = pickle.loads(here.recv_bytes())
            answers.append(answer)
            problems += [problem] if problem else []
    finally:
        for process, _ in started_ones:
            process.join(10)
            process.kill()
    assert not problems, problems[0]
    return answers


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An encoder and text for it."""
    place = tmp_path_factory.mktemp("processes")
    save_encoder(place / "encoder")
    (place / "text").mkdir()
    draw = random.Random(0)
    lines = [" ".join(draw.choice(WORDS) for _ in range(20)) for _ in range(10)]
    (place / "text" / "fr.txt").write_text("\n".join(lines))
    return place


@pytest.fixture
def several(monkeypatch):
    """This process as one of several, as far as it looks at its environment."""
    return lambda number: monkeypatch.setenv("WORLD_SIZE", str(number))


# --- the bits of one process -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def results(folder):
    return {number: together(number, _every_case, folder) for number in (1, 2, 4)}


def test_every_objective_is_tried():
    assert {objective for objective, _, _ in CASES.values()} == {*OBJECTIVES}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("number", [2, 4])
def test_processes_give_the_weights_and_the_name_of_one_process(results, name, number):
    alone, shared = results[1][0][name], results[number][0][name]
    assert all(answers[name] == shared for answers in results[number])
    assert shared.name == alone.name
    assert json.loads((shared / "manifest.json").read_text())["processes"] == number
    expected, found = (load_file(place / "model" / "model.safetensors") for place in (alone, shared))
    assert found.keys() == expected.keys() and all(torch.equal(found[key], expected[key]) for key in expected)
    expected, found = ([_timeless(e) for e in json.loads((p / "log.json").read_text())] for p in (alone, shared))
    assert found == expected


def _timeless(entry):
    return {key: value for key, value in entry.items() if key != "seconds"}


@pytest.mark.parametrize("began", [1, 2])
def test_what_some_processes_began_others_finish_with_the_same_bits(folder, tmp_path, results, began):
    (tmp_path / "encoder").symlink_to(folder / "encoder")
    for number, stop in ((began, 2), (3 - began, None)):
        first, *others = together(number, _until, tmp_path, stop=stop) if number > 1 else [_until(tmp_path, stop)]
        assert all(other == first for other in others)
    alone = load_file(results[1][0]["sam with dropout"] / "model" / "model.safetensors")
    assert first == {name: tensor.numpy().tobytes() for name, tensor in alone.items()}


def test_each_process_may_ascend_the_loss_of_its_own_examples(folder):
    """foret2021sam, section 4.1: the gradients that each takes where its own loss is highest are averaged."""
    model, found = models.load_classifier(str(folder / "encoder"), 3, seed=0, dropout=0.0), []
    weights = dict(model.named_parameters())
    for batch in _shards():
        loss = lambda: F.cross_entropy(model(**batch.inputs).logits, batch.labels)  # noqa: E731, B023
        up = dict(zip(weights, torch.autograd.grad(loss(), [*weights.values()], allow_unused=True), strict=True))
        up = {name: gradient for name, gradient in up.items() if gradient is not None}
        size = sum(gradient.square().sum() for gradient in up.values()).sqrt()
        with torch.no_grad():
            for name, gradient in up.items():
                weights[name] += 0.2 * gradient / size
        found.append(torch.autograd.grad(loss(), [weights[name] for name in up]))
        with torch.no_grad():
            for name, gradient in up.items():
                weights[name] -= 0.2 * gradient / size
    expected = {name: 3 / 5 * a + 2 / 5 * b for name, a, b in zip(up, *found, strict=True)}
    for each in together(2, _perturbed_apart, folder):
        assert each.keys() == expected.keys()
        assert max((each[name] - expected[name]).abs().max() for name in expected) < 1e-6


def test_a_weight_without_a_gradient_has_none_in_any_process(folder):
    """So that weight decay passes over it in several processes as in one; the messages may have any size."""
    logs, expected, second = _gradients(Step())
    assert expected.keys() == second.keys() == {"always", "sometimes"}
    for found_logs, found, found_second in itertools.chain(*together(2, _who_has_gradients, folder)):
        assert found_logs == logs
        for one, other in ((found, expected), (found_second, second)):
            assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in other)


def test_fsdp_cuts_a_models_weights_and_gives_its_gradient(folder):
    """What book/running.md says of models that one device cannot hold; no part of xlgen asks for it."""
    for held, difference in together(2, _sharded, folder):
        assert held < 0.6 and difference < 1e-6


# --- measures --------------------------------------------------------------------------------------------------------

QUICK = {
    "sharpness_alpha": {"bisections": 2, "restarts": 1, "steps": 2, "examples": 8},
    "sharpness_adaptive": {"steps": 2, "examples": 8},
    "hessian_eigenvalue": {"iterations": 3, "examples": 8},
}
NAMES = sorted(set(MEASURES) - {"typological_distance", "f1"})  # the toy's languages have no typology, and no chunks


@pytest.mark.parametrize("number", [2, 4])
def test_processes_give_the_measures_of_one_process(folder, results, number):
    """To the last bit, which is closer than 1e-6; a process more than there are languages has nothing to do."""
    key = results[1][0]["sam with dropout"].name
    (alone,) = together(1, _measured, folder, names=NAMES, key=key)
    assert alone.keys() == {*NAMES} and alone["margin"].keys() == {"en", "xx"}
    for found in together(number, _measured, folder, names=NAMES, key=key):
        assert _numbers(found) == _numbers(alone)
    shutil.rmtree(folder / f"measured{number}")


def _numbers(measured):
    """Values of several languages as text: not every one is a number."""
    return {name: {key: repr(value) for key, value in values.items()} for name, values in measured.items()}


def test_a_measure_that_fails_in_one_process_fails_in_all(folder, results):
    said = together(2, _measure_fails, folder, key=results[1][0]["baseline"].name)
    assert said == ["the value of 'xx' is bad"] * 2


# --- launchers -------------------------------------------------------------------------------------------------------

TORCHRUN = ["torch.distributed.run"]
ACCELERATE = [
    "accelerate.commands.launch",
    "--multi_gpu",
    "--num_machines=1",
    "--mixed_precision=no",
    "--dynamo_backend=no",
]


@pytest.mark.launcher
@pytest.mark.parametrize(("launcher", "flag"), [(TORCHRUN, "--nproc-per-node"), (ACCELERATE, "--num_processes")])
def test_a_launcher_starts_the_command_twice_and_gets_the_bits_of_one_process(folder, tmp_path, launcher, flag):
    small = {"train_size": 48, "dev_size": 32, "epochs": 1, "batch_size": 16, "micro_batch_size": 8, "max_length": 32}
    wanted = RunConfig(task="mini-xnli", objective="sam", dropout_stream="micro_batch", **small)
    alone = runs.run(wanted, options(folder / "launched"))
    (tmp_path / "run.json").write_text(json.dumps(wanted.to_dict()))
    command = [sys.executable, "-m", *launcher, flag, "2", "-m", "xlgen", "run", "--config", str(tmp_path / "run.json")]
    common = ["--store", str(tmp_path / "runs"), "--device", "cpu", "--threads", "1", "--no-progress"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, *common], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    shared = tmp_path / "runs" / alone.key
    assert json.loads((shared / "manifest.json").read_text())["processes"] == 2
    weights = Path("model", "model.safetensors")
    assert (shared / weights).read_bytes() == (alone.folder / weights).read_bytes()


# --- names -----------------------------------------------------------------------------------------------------------


def test_settings_that_processes_cannot_share_become_another_run(folder, several):
    wanted, where = case(folder, "sam", micro_batch_size=0, dropout=None), options(folder)
    alone = runs.resolve(wanted, where)
    assert (alone.micro_batch_size, alone.dropout_stream) == (0, "")
    several(4)
    shared = runs.resolve(wanted, where)
    assert (shared.micro_batch_size, shared.dropout_stream) == (2, "micro_batch")
    assert shared.hash != alone.hash
    assert runs.resolve(shared, where) == shared
    several(3)  # 3, 3 and 2 examples
    assert runs.resolve(wanted, where).micro_batch_size == 3
    several(16)
    assert runs.resolve(wanted, where).micro_batch_size == 1
    several(1)
    assert runs.resolve(wanted, where) == alone
    assert runs.resolve(shared, where) == shared  # one process gives the result of four when asked for it by name


def test_without_dropout_its_stream_is_not_in_the_name(folder, several):
    wanted, where = case(folder, "sam"), options(folder)
    alone = runs.resolve(wanted, where)
    assert runs.resolve(wanted.with_(dropout_stream="micro_batch"), where) == alone
    several(2)
    assert runs.resolve(wanted, where) == alone


def test_dropout_streams_are_checked(folder):
    with pytest.raises(ConfigError, match="dropout_stream is 'example'; expected '' or 'micro_batch'"):
        case(folder, "sam", dropout_stream="example")


# --- faults ----------------------------------------------------------------------------------------------------------


def test_an_error_of_one_process_is_raised_in_all(folder):
    for said in together(2, _one_of_them_fails, folder):
        assert said[0] == "a logit is bad" and said[1].startswith("loss is nan at optimizer step 7;")


def test_a_stream_of_masks_for_one_process_is_refused(folder):
    for said in together(2, _refused, folder):
        assert "dropout_stream is '', one stream" in said and "set dropout_stream='micro_batch'" in said


def test_processes_that_do_not_see_the_same_checkpoint_are_refused(folder, tmp_path):
    both = tmp_path / "of both"
    for place in (tmp_path, both):
        place.mkdir(exist_ok=True)
        (place / "encoder").symlink_to(folder / "encoder")
    _until(both, stop=2)
    for said in together(2, _stores_apart, tmp_path):
        assert said.startswith("the processes would begin at steps 2, 0,") and "a store that all share" in said


def test_the_command_line_trains_once_and_one_process_says_so(folder):
    (codes, said), (other_codes, silence) = together(2, _commands, folder)
    assert codes == other_codes == [0, 0]
    assert said.count("dev accuracy") == 2 and silence == ""
    assert len(list((folder / "commands").glob("*/manifest.json"))) == 1


COMMANDS = [["frechet", "--languages", "en,fr"], ["record"], ["notebook", "xnli"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_that_do_not_share_their_work_want_one_process(several, capsys, command):
    several(2)
    assert cli.main(command) == 2
    assert f"xlgen {command[0]} was started in 2 processes" in capsys.readouterr().err


def test_workers_side_by_side_want_one_process(several, tmp_path):
    several(4)
    with pytest.raises(ConfigError, match="3 workers are asked for in each of 4 processes that share every run"):
        side_by_side([Job("a", print, ())] * 2, 3, options(tmp_path))


def test_processes_that_have_not_found_each_other_are_refused(several):
    accelerator_for("cpu")  # alone, before this process becomes one of two
    several(2)
    with pytest.raises(ConfigError, match="2 processes were started, and 1 found each other on 'cpu'; start them with"):
        accelerator_for("cpu")


def test_launchers_say_how_many_processes_there_are(monkeypatch):
    for name in SIZES:
        monkeypatch.delenv(name, raising=False)
    assert started() == 1
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "3")
    assert started() == 3
    monkeypatch.setenv("WORLD_SIZE", "")  # as good as none
    assert started() == 3
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert started() == 4
