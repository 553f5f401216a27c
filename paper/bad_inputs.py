"""Bad input, as it is typed, and what is answered: the table that a test walks and the book shows.

No answer is typed here. Each command is run where its files are, and what it says is what the book prints.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import logging
import shlex
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from paper import cli
from xlgen.core.coerce import settings_of
from xlgen.measures import MEASURES
from xlgen.models.tuning import TUNINGS
from xlgen.objectives import OBJECTIVES

Make = Callable[[Path], object]
"""Writes a file or folder at a path."""


@dataclass(frozen=True)
class BadInput:
    """A command that is refused.

    Attributes:
        section: what the mistake is about.
        typed: what follows ``xlgen`` in the shell.
        files: what lies where it is typed, by path.
        code: what the shell is told.
    """

    section: str
    typed: str
    files: Mapping[str, str | bytes | Make] = field(default_factory=dict)
    code: int = 2


def answer(bad: BadInput, folder: Path) -> tuple[int, str, str]:
    """Type the command in an empty folder: what the shell is told, what is printed, and what is said of the mistake."""
    for name, content in bad.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    out, err = io.StringIO(), io.StringIO()
    from huggingface_hub import constants

    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True  # the answer is the same wherever it is given
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _unheard():
        try:
            code = cli.main(shlex.split(bad.typed))
        except SystemExit as end:  # how argparse ends
            code = int(end.code or 0)
        finally:
            constants.HF_HUB_OFFLINE = before
    return code, out.getvalue(), err.getvalue()


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    """Without warnings of the log, which go where the process writes and not to the answer."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


# --- files -----------------------------------------------------------------------------------------------------------


@cache
def _classifier() -> dict[str, bytes]:
    """The files of a small classifier of the pairs of the miniature, which has not been trained."""
    import tempfile

    from transformers import BertConfig, BertForSequenceClassification

    from xlgen import models
    from xlgen.data.catalogue import TASKS

    tokenizer, labels = models.load_tokenizer("mini"), TASKS["mini-xnli"].labels
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )
    with tempfile.TemporaryDirectory() as place:
        models.save(BertForSequenceClassification(config), tokenizer, Path(place))
        return {path.name: path.read_bytes() for path in Path(place).iterdir()}


def checkpoint(folder: Path) -> None:
    """A classifier that nothing is wrong with."""
    folder.mkdir(parents=True)
    for name, content in _classifier().items():
        (folder / name).write_bytes(content)


def changed(document: str = "config.json", **changes: Any) -> Make:
    """A classifier with other words in one of its documents."""

    def make(folder: Path) -> None:
        checkpoint(folder)
        path = folder / document
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return make


def having(files: Mapping[str, str | bytes | None]) -> Make:
    """A classifier with other files: ``None`` takes one out."""

    def make(folder: Path) -> None:
        checkpoint(folder)
        for name, content in files.items():
            (folder / name).unlink(missing_ok=True)
            if content is not None:
                (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return make


def _without_head(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    checkpoint(folder)
    weights = load_file(folder / "model.safetensors")
    save_file({k: w for k, w in weights.items() if not k.startswith("classifier")}, folder / "model.safetensors")


def _truncated(folder: Path) -> None:
    checkpoint(folder)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def _small_vocabulary(folder: Path) -> None:
    """Weights and settings of ten sub-words, with a tokenizer of all."""
    from safetensors.torch import load_file, save_file

    changed(vocab_size=10)(folder)
    weights = load_file(folder / "model.safetensors")
    embeddings = "bert.embeddings.word_embeddings.weight"
    save_file(weights | {embeddings: weights[embeddings][:10].clone()}, folder / "model.safetensors")


def _not_numbers(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    checkpoint(folder)
    weights = load_file(folder / "model.safetensors")
    weights["classifier.weight"].fill_(float("nan"))
    save_file(weights, folder / "model.safetensors")


def _archive(name: str) -> Make:
    """A tar file with a member of this name."""

    def make(path: Path) -> None:
        with tarfile.open(path, "w:gz") as tar:
            member = tarfile.TarInfo(name)
            member.size = 4
            tar.addfile(member, io.BytesIO(b"a\tb\n"))

    return make


def _empty(folder: Path) -> None:
    folder.mkdir()


def _holding(files: Mapping[str, str]) -> Make:
    """A folder of files."""

    def make(folder: Path) -> None:
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_text(content)

    return make


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22\nsize 5952432\n"


def _index(*shards: str) -> str:
    return json.dumps({"metadata": {}, "weight_map": {f"weight{i}": shard for i, shard in enumerate(shards)}})


def _datasets(name: str) -> Make:
    """A folder as ``datasets`` saves it, whose rows are in a file of this name."""

    def make(folder: Path) -> None:
        folder.mkdir()
        (folder / "dataset_info.json").write_text("{}")
        (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))

    return make


# --- the table -------------------------------------------------------------------------------------------------------

A_RUN = ("epochs=many epochs=0 epochs=2.5 epochs= seed=-1 seed=first train_size=-5 train_size=all dev_size=1e99 "
         "batch_size=0 batch_size=big micro_batch_size=64 micro_batch_size=-1 lr=fast lr=0 lr=-1e-3 lr=nan lr=inf "
         "warmup=1 warmup=-0.1 weight_decay=-1 clip=-1 clip=no dropout=1 dropout=yes max_length=7 max_length=long "
         "evals_per_epoch=0 optimizer=sgd dropout_stream=example precision=fp16 hyper=3 hyper={rho tuning_hyper=x "
         "task=xlni model= objective=sma tuning=lora data=0000 start=zz language=xx epoch=3 roh=0.1 "
         "evals_per_epoch=often weight_decay=none").split()  # fmt: skip
"""Settings of a run, one wrong at a time."""

PAIRS = "premise\thypothesis\tlabel\n"
MEASURE = "measure --model checkpoint --task mini-xnli --languages en --size 2"
PREDICT = "predict --model checkpoint --task mini-xnli --data"
HEADLESS = {"checkpoint": checkpoint}


def _typed() -> Iterator[BadInput]:
    yield BadInput("The command", "runn")
    yield BadInput("The command", "")
    yield BadInput("The command", "run --sed 3")
    yield BadInput("The command", "run --seed")
    yield BadInput("The command", "run --set epochs")
    yield BadInput("The command", "measure --measures accuracy")
    yield BadInput("The command", "measure --run ab --model cd")
    yield BadInput("The command", "measure --run ab --size some")
    yield BadInput("The command", "predict --run ab --level high")
    yield BadInput("The command", "list objective")
    yield BadInput("The command", "notebook xnly")
    yield BadInput("The command", "notebook xnli -p objectiv sam")
    yield BadInput("The command", "notebook xnli -p workers two")
    yield BadInput("The command", "record penaltys")
    yield from _grids()
    for setting in A_RUN:
        yield BadInput("Settings of a run", f"run --set {shlex.quote(setting)}")
    yield BadInput("Settings of a run", "run --preset papr")
    yield BadInput("Settings of a run", "run --config absent.json")
    yield BadInput("Settings of a run", "run --config run.json", {"run.json": "{'epochs': 3}"})
    yield BadInput("Settings of a run", "run --config run.json", {"run.json": "[3]"})
    yield BadInput("Settings of a run", "run --config run.json", {"run.json": b"\xff\xfe\x00"})
    yield BadInput("Settings of a run", "run --config run.json", {"run.json": '{"epochs": null}'})
    yield BadInput("Settings of a run", "run --config run.json", {"run.json": '{"epochs": {"a": 1}}'})
    yield BadInput("Settings of a run", "run --config run.json", {"run.json": '{"lr": NaN}'})
    yield BadInput("Settings of a run", "run --config run.json", {"run.json": "[" * 100_000})
    yield BadInput("Settings of a run", "run --config .", {})
    for option in (
        "--device gpu",
        "--threads -1",
        "--threads two",
        "--checkpoint-every -5",
        "--store ''",
        "--data-dir absent",
    ):
        yield BadInput("Options", f"run --task xnli {option}" if "data-dir" in option else f"run {option}")
    yield BadInput("Options", "run --store runs", {"runs": "a file"})
    yield BadInput("Options", "run --objective ewc --text-dir absent")
    yield BadInput("Options", "measure --run ../../etc/passwd")
    yield BadInput("Options", "run --start ../../../etc")
    for setting in ("--size -3", "--batch-size 0", "--split tset", "--split train", "--languages xx", "--languages ,",
                    "--measures acuracy", "--measures ,", "--max-length 4", "--max-length 1e3", "--set n=1",
                    "--set margin.n=1", "--out checkpoint", "--task mini-xnly", "--pretrained ./absent",
                    "--measures frobenius"):  # fmt: skip
        yield BadInput("What is measured", f"{MEASURE} {setting}", HEADLESS)
    yield BadInput("What is measured", "measure --model checkpoint")
    yield BadInput("What is measured", "measure --run ab --config m.json", {"m.json": '{"sise": 3}'})
    yield BadInput("What is measured", "measure --run ab --config m.json", {"m.json": '{"settings": 3}'})
    for kind, registry, option in (
        ("an objective", OBJECTIVES, "run --objective"),
        ("a tuning", TUNINGS, "run --tuning"),
    ):
        for name, owner in sorted(registry.items()):
            for f in fields(owner):
                yield BadInput(f"Every setting of {kind}", f"{option} {name} --set {f.name}=[oops")
    for name in MEASURES:
        for setting in settings_of(MEASURES[name]):
            yield BadInput(
                "Every setting of a measure",
                f"{MEASURE} --measures {name} --set {name}.{setting}=[oops",
                HEADLESS,
            )
    yield from _data()
    yield from _checkpoints()


def _grids() -> Iterator[BadInput]:
    """Commands that take protocols, a grid of them, or a job."""
    for typed in ("grid", "grid seds", "grid seeds --grid mini", "grid --grid papr", "grid seeds --preset papr",
                  "grid --grid mini --file absent.yml", "plan seeds --tokens-per-second 0",
                  "plan seeds --tokens-per-second fast", "plan seeds --tokens-per-second nan",
                  "plan seeds --price -1", "plan seeds --price nan", "record --job absent.json",
                  "record seeds --job run.json", "record seeds --until bake"):  # fmt: skip
        yield BadInput("Grids", typed)
    for content in ("mini: [", b"\xff\n", "[3]", "mini: 3", "mini: [{protocol: sseds}]",
                    "mini: [{protocol: seeds, sed: 3}]", "mini: [{protocol: seeds, epochs: none}]",
                    "mini: [{preset: mini}]", "[" * 10_000):  # fmt: skip
        yield BadInput("Grids", "grid --grid mini --file grid.yml", {"grid.yml": content})
    for content in ("{", "[]", "{}", b"\xff", '{"config": {"epochs": 0}, "measures": [], "results": [], "first": null}',
                    '{"config": {}, "measures": [], "results": [], "first": null}'):  # fmt: skip
        yield BadInput("Grids", "record --job job.json", {"job.json": content})


def _data() -> Iterator[BadInput]:
    for name, content in (
        ("absent-ko.tsv", None),
        ("pairs-ko.tsv", ""),
        ("pairs-ko.tsv", "premise\thypothesis\n"),
        ("pairs-ko.tsv", "premis\thypothesis\na\tb\n"),
        ("pairs-ko.tsv", "premise\thypothesis\na\n"),
        ("pairs-ko.tsv", "premise\thypothesis\na\tb\tc\n"),
        ("pairs-ko.tsv", "premise\thypothesis\na\t \n"),
        ("pairs-ko.tsv", f"{PAIRS}a\tb\tyes\n"),
        ("pairs-ko.tsv", f"{PAIRS}a\tb\tneutral\nc\td\t\n"),
        ("pairs-ko.tsv", "premise\tpremise\na\tb\n"),
        ("pairs-ko.tsv", "premise\thypothesis\tpremise\na\tb\tc\n"),
        ("pairs-ko.tsv", b"premise\thypothesis\na\xff\tb\n"),
        ("pairs-ko.tsv", "premise\thypothesis\na\tb\n".encode("utf-16")),
        ("pairs-ko.tsv", "premise\thypothesis\na\0\tb\n"),
        ("pairs-ko.csv", "premise,hypothesis\na\0,b\n"),
        ("pairs-ko.csv", 'premise,hypothesis\n"a,b\n'),
        ("pairs-ko.csv", "premise;hypothesis\na;b\n"),
        ("pairs-ko.tsv", f"{PAIRS}a\tb\t2\n"),
        ("pairs-ko.tsv", "premise\tlabel\na\tneutral\n"),
        ("pairs-ko", f"{PAIRS}a\tb\tneutral\n"),
        ("pairs-ko.jsonl", '{"premise": "a", "hypothesis": "b"}\n{"premise": \n'),
        ("pairs-ko.jsonl", '{"premise": "a"}\n'),
        ("pairs-ko.jsonl", "3\n"),
        ("pairs-ko.jsonl", '{"premise": 1, "hypothesis": null}\n'),
        ("pairs-ko.jsonl", "[" * 100_000 + "\n"),
        ("pairs-ko.parquet", "PAR1 and no more"),
        ("pairs-ko.tsv.gz", gzip.compress(b"premise\thypothesis\n" + b"a\tb\n" * 1000, mtime=0)[:-20]),
        ("pairs-ko.tsv.gz", "no gzip"),
        ("pairs.tsv", "premise\thypothesis\na\tb\n"),
        ("pairs.tsv", "premise\thypothesis\tlanguage\na\tb\tKorean\n"),
        ("pairs.tsv", "premise\thypothesis\tlanguage\na\tb\tko\nc\td\t\n"),
        ("pairs-ko.tsv", "premise\thypothesis\torigin\na\tb\tko\nc\td\tde\n"),
        ("pairs-en.tsv", "premise\thypothesis\na\tb\n"),
        ("pairs-ko.xlsx", b"PK\x03\x04"),
        ("pairs-ko.zip", b"PK\x03\x04"),
        ("pairs-ko.tar.gz", _archive("../../pairs-ko.tsv")),
        ("pairs-ko.tar.gz", _archive("/pairs-ko.tsv")),
        ("folder", _empty),
        ("folder", _holding({"train-ko.tsv": f"{PAIRS}a\tb\tneutral\n", "test-ko.tsv": f"{PAIRS}c\td\tneutral\n"})),
        ("folder", _holding({"ko.tsv": "premise\thypothesis\na\tb\n", "ko.csv": "premise,hypothesis\na,b\n"})),
        ("folder", _holding({"ko.xlsx": "", "notes.md": ""})),
        ("saved-ko", _datasets("../../../etc/passwd")),
        ("saved-ko", _datasets("/etc/passwd")),
    ):
        files = {} if content is None else {name: content}
        yield BadInput("Data", f"{PREDICT} {name}", HEADLESS | files)
    data = HEADLESS | {"pairs-ko.tsv": "premise\thypothesis\na\tb\n"}
    for option in ("--columns first", "--columns frist=premise", "--columns first=premis", "--languages kr",
                   "--labelled ko", "--labelled kr", "--level 2", "--level 0", "--size -1", "--batch-size 0",
                   "--out table.txt", "--report page.txt", "--records absent.csv", "--max-length 3"):  # fmt: skip
        yield BadInput("Data", f"{PREDICT} pairs-ko.tsv {option}", data)
    yield BadInput(
        "Data", f"{PREDICT} pairs.tsv --languages KO", HEADLESS | {"pairs.tsv": "premise\thypothesis\na\tb\n"}
    )
    csv = HEADLESS | {"texts/pairs-ko.csv": "premise,hypothesis\na,b\n"}
    for given in ("texts/pairs-ko.csv --out texts/pairs-ko.csv", "texts --out texts/table.csv"):
        yield BadInput("Data", f"{PREDICT} {given}", csv)
    yield BadInput("Data", f"{PREDICT} pairs-ko.tsv --records r.csv", data | {"r.csv": "a,b\n1,2\n"})
    yield BadInput("Data", f"{PREDICT} pairs-ko.tsv --records r.csv", data | {"r.csv": b"\xff\xfe\0\0"})
    yield BadInput(
        "Data",
        f"{PREDICT} pairs-ko.tsv --records r.csv",
        data | {"r.csv": "task,model,language,measure,value\nmini-xnli,m,ko,accuracy,high\n"},
    )
    tags = {"ko.conll": "Ada B-PER\nrief\n"}
    yield BadInput("Data", "predict --model checkpoint --task mini-wikiann --data ko.conll", HEADLESS | tags)
    tagging = "predict --model checkpoint --task mini-wikiann --data ko.conll"
    yield BadInput("Data", tagging, HEADLESS | {"ko.conll": "1\tAda\tB-PER\n2\trief\tO\n"})
    yield BadInput("Data", f"{tagging} --columns words=form", HEADLESS | {"ko.conll": "Ada\tB-PER\n"})
    one = "labels = ['a']\ndata = 'pairs-ko.tsv'\n"
    yield BadInput("Data", "predict --model checkpoint --task mine.toml", data | {"mine.toml": one})
    yield BadInput("Data", "predict --model checkpoint --task mine.toml", data | {"mine.toml": "labels = ['a', "})
    yield BadInput("Data", "predict --model checkpoint --task mine.toml", data | {"mine.toml": b"\xff"})
    yield BadInput("Data", "predict --model checkpoint --task absent.toml", data)
    yield BadInput("Data", "predict --model checkpoint --task mine.yml", data | {"mine.yml": "[" * 10_000})
    yield BadInput("Data", "predict --model checkpoint --task mine.toml", data | {"mine.toml": "a = " + "[" * 10_000})
    yield BadInput("Data", "predict --model checkpoint --task mini-xnli --languages en", HEADLESS)
    for option in ("--languages en", "--languages en,xx", "--languages ,", "--languages en,en", "--examples 0",
                   "--examples few", "--folds 0", "--labels sampel", "--max-length 4", "--seed -1",
                   "--seed one", "--model ./absent", "--text-dir absent"):  # fmt: skip
        languages = "" if "--languages" in option else " --languages en,de"
        yield BadInput("Data", f"frechet{languages} {option}")
    for name, content in (("en.txt", b"\xff\n"), ("en.txt", ""), ("en.txt.gz", "no gzip")):
        yield BadInput("Data", "frechet --languages en,de --text-dir text", {f"text/{name}": content})
    yield BadInput("Data", "frechet --languages en,de --text-dir one.txt", {"one.txt": "a\nb\n"})
    archive = {"archive/xnli.dev.tsv": "language\tgold_label\n", "archive/multinli.train.en.tsv": "premise\n"}
    yield BadInput("Data", "run --task xnli --data-dir archive", archive)
    for rows in (
        "a\tb\tneutral\n" * 3,
        "a\tb\tneutral\n" * 100,
        "a\tb\tneutral\tc\n",
        "a\tb\tyes\n",
        "",
        "\t\tneutral\n",
    ):
        train = {"archive/XNLI-MT-1.0/multinli/multinli.train.en.tsv": "premise\thypo\tlabel\n" + rows}
        yield BadInput("Data", "run --task xnli --data-dir archive", train)


def _checkpoints() -> Iterator[BadInput]:
    other = {str(i): name for i, name in enumerate(("cat", "dog", "cow"))}
    for make in (
        None,
        _empty,
        having({"config.json": None}),
        having({"config.json": "{"}),
        having({"config.json": "[]"}),
        having({"config.json": b"\xff\xff"}),
        having({"model.safetensors": None}),
        having({"model.safetensors": None, "pytorch_model.bin": b"\x80\x04\x95pickle"}),
        having({"model.safetensors": POINTER}),
        having({"model.safetensors": "no weights"}),
        having({"model.safetensors": ""}),
        _truncated,
        having({"model.safetensors": None, "adapter_model.safetensors": "x", "adapter_config.json": "{}"}),
        having({"model.safetensors": None, "model.safetensors.index.json": _index("model-00001-of-00002.safetensors")}),
        having({"model.safetensors": None, "model.safetensors.index.json": _index("../../other/model.safetensors")}),
        having({"model.safetensors": None, "model.safetensors.index.json": _index("/elsewhere/model.safetensors")}),
        having({"model.safetensors": None, "model.safetensors.index.json": "{}"}),
        having({"model.safetensors": None, "model.safetensors.index.json": "{"}),
        _without_head,
        having({"tokenizer.json": None}),
        having({"tokenizer.json": "{"}),
        having({"tokenizer.json": POINTER}),
        having({"tokenizer_config.json": "["}),
        changed(model_type="gpt2"),
        changed(model_type="none-such"),
        changed(model_type=None),
        changed(architectures=["BertForTokenClassification"]),
        changed(problem_type="regression"),
        changed(id2label=other, label2id={name: int(i) for i, name in other.items()}),
        changed(id2label={"0": "entailment", "1": "neutral"}, label2id={"entailment": 0, "neutral": 1}),
        changed(num_hidden_layers=9),
        changed(hidden_size=31),
        changed(hidden_size="wide"),
        changed(vocab_size=10),
        _small_vocabulary,
        _not_numbers,
        changed(max_position_embeddings=4),
        changed(auto_map={"AutoConfig": "evil.Config"}),
        changed(quantization_config={"bits": 4}),
        changed(is_decoder=True),
    ):
        yield BadInput("Checkpoints", MEASURE, {} if make is None else {"checkpoint": make})
    yield BadInput("Checkpoints", "run --model checkpoint", {"checkpoint": having({"model.safetensors": POINTER})})
    yield BadInput("Checkpoints", "measure --model checkpoint --task mini-wikiann --size 2", HEADLESS)
    yield BadInput("Checkpoints", "measure --model 'no such/model/anywhere' --task mini-xnli")
    yield BadInput("Checkpoints", f"measure --model {'x' * 300} --task mini-xnli")


TABLE = tuple(_typed())
"""All of them, in the order of the sections."""


def answered() -> dict[str, list[tuple[BadInput, str]]]:
    """By section, each bad input and the line that it is answered with."""
    import tempfile

    found: dict[str, list[tuple[BadInput, str]]] = {}
    for bad in TABLE:
        with tempfile.TemporaryDirectory() as folder:
            _, _, said = answer(bad, Path(folder))
        found.setdefault(bad.section, []).append((bad, said.removeprefix("xlgen: ").strip()))
    return found
