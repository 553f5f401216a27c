"""The store: whole results or none, whoever is killed or comes second."""

import json
import math
import subprocess
import sys
import threading
from importlib import metadata

import pytest
import torch
from filelock import FileLock, Timeout

from xlgen.core.files import StoreError, atomic, read_json, read_tensors, write_json, write_tensors
from xlgen.core.result import MANIFEST, git_commit, manifest
from xlgen.core.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def put(store, name, text="x", kind="run", created="2020"):
    with store.write(name) as folder:
        (folder / "result").write_text(text)
        write_json(folder / MANIFEST, {"kind": kind, "created": created})


def test_what_is_written_is_found(store):
    assert store.get("abc") is None
    put(store, "abc", "hello")
    assert (store.get("abc").folder / "result").read_text() == "hello"
    assert [path.name for path in store.root.iterdir()] == ["abc"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_nothing_remains_of_an_interrupted_write(store, error):
    with pytest.raises(error), store.write("abc") as folder:
        (folder / "result").write_text("half")
        write_json(folder / MANIFEST, {})
        raise error
    assert store.get("abc") is None
    assert list(store.root.iterdir()) == []


def test_one_at_a_time_works_on_a_result(store):
    with store.alone("abc"):
        with pytest.raises(Timeout):
            FileLock(store.root / ".locks" / "abc", timeout=0).acquire()
        with store.alone("abd"):
            pass
    with store.alone("abc"):
        pass
    assert store.get("abc") is None and store.entries("run") == []


def test_who_was_killed_is_waited_for_by_nobody(store):
    holds = "import os\nfrom pathlib import Path\nfrom xlgen.core.store import Store\n"
    holds += f"with Store(Path({str(store.root)!r})).alone('abc'):\n    os._exit(1)\n"
    assert subprocess.run([sys.executable, "-c", holds]).returncode == 1
    FileLock(store.root / ".locks" / "abc", timeout=0).acquire()


def test_nobody_sees_a_result_that_is_being_written(store):
    with store.write("abc") as folder:
        write_json(folder / MANIFEST, {"kind": "run", "created": "now"})
        assert store.get("abc") is None
        assert store.entries("run") == []
    assert store.get("abc") is not None


def test_the_first_of_two_writers_wins_and_the_second_is_not_told(store):
    inside, go, told = threading.Event(), threading.Event(), []

    def slow():
        with store.write("abc") as folder:
            (folder / "result").write_text("second")
            write_json(folder / MANIFEST, {})
            inside.set()
            go.wait(10)

    def second():
        try:
            slow()
        except Exception as error:
            told.append(error)

    thread = threading.Thread(target=second)
    thread.start()
    inside.wait(10)
    put(store, "abc", "first")
    go.set()
    thread.join()
    assert told == []
    assert (store.get("abc").folder / "result").read_text() == "first"
    assert [path.name for path in store.root.iterdir()] == ["abc"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, error):
    path = tmp_path / "new" / "file.txt"
    for text in ("first", "second"):
        with atomic(path) as temporary:
            temporary.write_text(text)
            assert not path.exists() or path.read_text() == "first"
        assert path.read_text() == text
    with pytest.raises(error), atomic(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "second" and list(path.parent.iterdir()) == [path]


def test_an_incomplete_result_is_an_error_that_says_what_to_do(store):
    (store.root / "abc").mkdir(parents=True)
    with pytest.raises(StoreError, match="delete it and run again"):
        store.get("abc")
    with pytest.raises(ValueError, match="manifest"), store.write("def"):
        pass
    assert store.get("def") is None


def test_results_are_found_by_the_beginning_of_their_name(store):
    put(store, "abc1", created="2021")
    put(store, "abd2", created="2020")
    put(store, "abe3", kind="measure")
    assert store.entries("run") == ["abd2", "abc1"]
    assert store.find("abd") == "abd2"
    with pytest.raises(StoreError, match="beginning of 2 results"):
        store.find("ab")
    for absent in ("abe", "x", ""):
        with pytest.raises(StoreError, match="no run"):
            store.find(absent)


def test_json_is_lossless_and_standard(tmp_path):
    value = {
        "a": [1, 2.5, 0.1 + 0.2, True, None, "nan"],
        "b": {"c": math.inf, "d": -math.inf},
        "e": torch.tensor([1.0]),
    }
    write_json(tmp_path / "x.json", value)
    again = read_json(tmp_path / "x.json")
    assert again == {**value, "e": [1.0]}
    write_json(tmp_path / "x.json", [math.nan])
    assert math.isnan(read_json(tmp_path / "x.json")[0])

    def refuse(name):
        raise AssertionError(name)

    json.loads((tmp_path / "x.json").read_text(), parse_constant=refuse)
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(StoreError, match=r"x\.json cannot be read"):
        read_json(tmp_path / "x.json")


def test_tensors_come_back_bit_for_bit_and_are_replaced_atomically(tmp_path):
    path = tmp_path / "new" / "state.safetensors"
    tensors = {"w": torch.randn(3, 4).t(), "step": torch.tensor(7.0), "empty": torch.zeros(0)}
    write_tensors(path, tensors, {"step": 7, "loss": [0.1, math.nan]})
    again, meta = read_tensors(path)
    assert all(torch.equal(tensors[name], again[name]) for name in tensors)
    assert meta["step"] == 7 and math.isnan(meta["loss"][1])

    with pytest.raises(TypeError):
        write_tensors(path, tensors, {"bad": object()})
    assert read_tensors(path)[1]["step"] == 7
    assert [p.name for p in path.parent.iterdir()] == ["state.safetensors"]

    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreError, match="delete it"):
        read_tensors(path)


@pytest.mark.parametrize("wheel", [None, "2.13.0", "2.13.0+cpu", "2.13.0+cu130"])
def test_the_manifest_says_what_a_result_was_made_with(monkeypatch, wheel):
    if wheel:  # PyPI's wheel is 2.13.0, and calls itself 2.13.0+cu130 when it is imported
        installed = metadata.version
        monkeypatch.setattr(metadata, "version", lambda name: wheel if name == "torch" else installed(name))
        monkeypatch.setattr(torch, "__version__", "2.13.0+cu130")
    facts = manifest("run", seed=3)
    assert facts["kind"] == "run" and facts["seed"] == 3
    assert facts["versions"]["torch"] == (wheel or metadata.version("torch"))
    assert set(facts) >= {"created", "versions", "platform", "commit"}


def test_the_commit_is_that_of_the_source_tree_and_of_no_other(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", "-C", tmp_path, *identity, *arguments], check=True, capture_output=True)

    assert git_commit(tmp_path) is None
    git("init")
    assert git_commit(tmp_path) is None
    (tmp_path / "file").write_text("1")
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "1.json").write_text("1")
    git("add", ".")
    git("commit", "-m", "one")
    clean = git_commit(tmp_path)
    assert len(clean) == 40
    (tmp_path / "records" / "1.json").write_text("made again")  # is a result, and no source
    assert git_commit(tmp_path) == clean
    (tmp_path / "file").write_text("2")
    assert git_commit(tmp_path) == clean + "+"
    (tmp_path / "inside").mkdir()
    assert git_commit(tmp_path / "inside") is None
