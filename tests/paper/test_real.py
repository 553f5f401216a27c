"""What is recorded of real encoders, beside a chapter: found by its settings, told with its origin, never mixed up."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from recorded import CODES, L2, VANILLA, obtained, score, value

from paper import chapters, ledger, protocols, records
from paper.chapters.real import NOT_AS_PUBLISHED, compared, real_order, real_relations, real_setups
from paper.published import scores
from xlgen.measures.measuring import MeasureConfig


def shown(html):
    return html.data if html is not None else ""


def test_a_record_is_found_by_what_it_was_trained_with_and_defaults_are_filled_in(monkeypatch):
    """SAM's record has its hyper-parameters, the protocol asks by name; 0 are all rows that there are."""
    protocol = protocols.seeds("real", objectives=["sam"], seeds=[0])
    (asked,) = protocol.configs.values()
    source = SimpleNamespace(name="a" * 16, read={"manifest": {"train_pairs": 8_000}}.__getitem__)
    whole = {"rho": 0.05, "adaptive": False, "eta": 0.01, "same_dropout": True}
    recorded = asked.with_(hyper=whole, data="0123", dev_size=7)
    results = [SimpleNamespace(read=facts.__getitem__) for facts in _results()]

    def found(config):
        monkeypatch.setattr(records, "each", lambda folder: [(config, source, results)])
        return records.committed(protocol)

    (run,) = found(recorded).runs.values()
    assert run.key == "a" * 16 and not found(recorded).live and not found(recorded).comparison
    assert found(recorded.with_(train_size=0)).runs and not found(recorded.with_(train_size=500)).runs
    for other in ({"hyper": whole | {"rho": 0.1}}, {"seed": 1}, {"lr": 1e-3}, {"objective": "baseline", "hyper": {}}):
        assert not found(recorded.with_(**other)).runs, other
    assert found(recorded).runs
    assert records.names_of_committed()(asked) == "a" * 16 and not records.names_of_committed()(asked.with_(seed=1))
    source.read = {"manifest": {"train_pairs": 20_000}}.__getitem__
    assert not found(recorded.with_(train_size=0)).runs


def _results():
    """Two sizes of one measure, two noise scales of another, and one of the other split."""
    values = {code: vars(value(place / 10)) for place, code in enumerate(CODES)}
    low = {code: one | {"value": 0.0, "n": 64} for code, one in values.items()}
    usual = {"noise_scale": 0.001, "noise_seeds": [0, 1, 2], "lam": 0.05}
    for name, split, size, settings, numbers in (
        ("accuracy", "test", 0, {}, values),
        ("accuracy", "test", 64, {}, low),
        ("accuracy", "dev", 500, {}, low),
        ("sharpness_difference", "test", 64, usual, values),
        ("sharpness_difference", "test", 64, usual | {"noise_scale": 0.1}, low),
    ):
        config = {"names": [name], "split": split, "size": size, "settings": {name: settings}}
        yield {"config": config, "values": numbers}


def test_of_each_measure_it_has_what_was_asked_for_of_most_examples(monkeypatch):
    protocol = protocols.seeds("real", objectives=["baseline"], seeds=[0])
    (asked,) = protocol.configs.values()
    results = [SimpleNamespace(read=facts.__getitem__) for facts in _results()]
    source = SimpleNamespace(name="b" * 16, read={"manifest": {"train_pairs": 10_000}}.__getitem__)
    monkeypatch.setattr(records, "each", lambda folder: [(asked, source, results)])
    test, dev, quick, slow = records.committed(protocol).measured["baseline", 0]
    assert [*test] == ["accuracy"] and test["accuracy"]["fr"].value == 0.2 and dev["accuracy"]["fr"].value == 0.0
    assert [*quick] == ["sharpness_difference"] and quick["sharpness_difference"]["fr"].value == 0.2 and slow == {}


def test_of_two_records_with_these_settings_the_newest_counts(monkeypatch):
    protocol = protocols.seeds("real", objectives=["baseline"], seeds=[0])
    (asked,) = protocol.configs.values()
    both = []
    for name, day in (("a", "2026-11-21"), ("b", "2026-11-20")):
        manifest = {"created": f"{day}T00:00:00", "train_pairs": 10_000}
        source = SimpleNamespace(name=name, read={"manifest": manifest}.__getitem__)
        both.append((asked.with_(data=name), source, []))
    for order in (both, both[::-1]):
        monkeypatch.setattr(records, "each", lambda folder, order=order: order)
        (run,) = records.committed(protocol).runs.values()
        assert run.key == run.config.data == "a"


def test_without_a_protocol_a_measure_has_one_number_that_of_its_defaults_and_of_most_examples(monkeypatch):
    (asked,) = protocols.seeds("real", objectives=["baseline"], seeds=[0]).configs.values()
    manifest = {"created": "2026-11-20T00:00:00", "train_pairs": 10_000}
    source = SimpleNamespace(name="c" * 16, read={"manifest": manifest}.__getitem__)
    *rest, usual, loud = (SimpleNamespace(read=facts.__getitem__) for facts in _results())
    for order in ([*rest, usual, loud], [loud, usual, *rest[::-1]]):
        monkeypatch.setattr(records, "each", lambda folder, order=order: [(asked, source, order)])
        frame = records.recorded().set_index(["measure", "language"])
        assert frame.index.is_unique and len(frame) == 3 * len(CODES)
        assert frame.value["accuracy", "fr"] == frame.value["sharpness_difference", "fr"] == 0.2


def test_the_committed_records_of_real_models_are_found_whole():
    """Every number that the protocol asks for is that of the record, read without any protocol."""
    found = records.committed(protocols.seeds("real", seeds=chapters.SEEDS))
    every = records.recorded(task="xnli", model=chapters.ENCODER)
    assert {("baseline", 0), ("sam", 0), ("mvr", 0), ("fisher", 0)} <= found.runs.keys()
    which = ["key", "measure", "language"]
    ours = chapters.rows_of(found, [("sam", 0)]).set_index(which)
    theirs = every[every.key == found.runs["sam", 0].key].set_index(which)
    assert ours.index.is_unique and len(ours) == len(theirs)
    assert ours[["value", "created", "train_size"]].equals(theirs.loc[ours.index, ["value", "created", "train_size"]])


def test_the_box_tells_when_and_of_which_data_or_how_to_get_them():
    text = shown(chapters.real_box(obtained(("xnli", VANILLA, 0), ("xnli", VANILLA, 1)), obtained(("pawsx", L2, 2))))
    assert "Trained 2026-11-20 to 2026-11-22" in text and "data data0, data1" in text and "pawsx: 1 model of" in text
    assert "GRID=real" in shown(chapters.real_box(obtained())) and "not run" in shown(chapters.real_box(obtained()))


def test_the_box_says_what_of_the_recorded_data_is_not_as_published():
    """Of each recorded model, so that a grid of other data has to say what they are."""
    real = [config for config, *_ in records.each() if not config.task.startswith("mini")]
    assert real and all(config.data in NOT_AS_PUBLISHED[config.task][0] for config in real)
    found = records.committed(protocols.seeds("real", task="pawsx", objectives=["baseline"], seeds=[0]))
    assert "these are of PAWS-Wiki" in shown(chapters.real_box(found))
    assert "Not as published" not in shown(chapters.real_box(obtained(("pawsx", L2, 2))))


def test_scores_are_means_over_the_seeds_of_a_setup():
    found = obtained(("xnli", VANILLA, 0), ("xnli", VANILLA, 1), ("xnli", L2, 0))
    text = shown(chapters.real_table(found, "c", lambda key: key[1][0]))
    targets = [np.mean([100 * score(VANILLA, seed, place) for seed in (0, 1)]) for place in range(1, len(CODES))]
    assert f"<td>2</td><td>50.0</td><td>{np.mean(targets):.1f}</td><td>{targets[0]:.1f} (de)" in text
    assert "xnli: L2" in text and chapters.real_table(obtained(), "c", str) is None


def test_scores_are_of_the_test_split_wherever_it_stands():
    """The protocol of penalties measures English of the development split first."""
    found = obtained(("xnli", VANILLA, 0))
    (key,) = found.runs
    dev = MeasureConfig(("accuracy",), ("en",), "dev", 0)
    first = {"accuracy": {"en": value(0.9)}}
    other = replace(found, measures={key: (dev, *found.measures[key])}, measured={key: (first, *found.measured[key])})
    shown_of = [shown(chapters.real_table(one, "c", lambda key: key[1][0])) for one in (found, other)]
    assert shown_of[0] == shown_of[1]


def test_relations_are_over_languages_with_bounds_left_out():
    found = obtained(("xnli", VANILLA, 0), ("xnli", VANILLA, 1))
    asked = {"φ": "sharpness_difference", "noise": ("sharpness_difference", "phi_noise"), "α": "sharpness_alpha"}
    text = shown(real_relations(found, asked, "c", lambda key: key[1][0], resamples=199))
    n = len(CODES) - 2  # without English and the bound
    assert f"<td>2</td><td>{n}</td><td>−1.00 [−1.00" in text and f"<td>{n}</td><td>1.00 [1.00" in text
    assert "α" not in text
    assert real_relations(found, {"α": "sharpness_alpha"}, "c", str) is None
    found.measured["xnli", VANILLA, 0][1]["sharpness_difference"]["zh"] = value(99.0, "hit_lower")
    assert shown(real_relations(found, asked, "c", lambda key: key[1][0], resamples=199)) == text


def test_setups_are_compared_over_the_seeds_that_both_have_and_go_into_the_ledger(tmp_path):
    found = obtained(("xnli", VANILLA, 0), ("xnli", VANILLA, 1), ("xnli", L2, 1), ("pawsx", VANILLA, 0))
    parts, names = {"vanilla": VANILLA, "l2": L2, "ewc": ("EWC fr", 0.01)}, {"vanilla": "vanilla", "l2": "L2"}
    (one,) = compared(found, parts, "anonymous2021frustratingly", names)
    assert one.task == "xnli" and len(one.ours["l2"]) == 1
    assert one.of("vanilla", ["de"])[0, 0] == pytest.approx(100 * score(VANILLA, 1, 1))
    evidence = chapters.Evidence("l2_ewc", found, "mini", {}, store=tmp_path)
    rest = "anonymous2021frustratingly", lambda key: key[1][0]
    _, means = map(shown, real_setups(evidence, found, parts, names, *rest))
    assert "cannot say" in means and "agree" not in means, "one seed settles nothing, as in the ledger"
    kept = {r.claim: r for r in ledger.load(tmp_path / "ledger")}
    assert kept.keys() == {"l2-t1-xnli-l2", "l2-t2-l2"} and {r.scale for r in kept.values()} == {"real data"}
    shared = [place for place, code in enumerate(CODES) if code in scores(rest[0], "xnli")["vanilla"] and code != "en"]
    assert kept["l2-t1-xnli-l2"].value == pytest.approx(np.mean([100 * 0.01 * (1 + place) for place in shared]))
    assert kept["l2-t2-l2"].value == 1 and kept["l2-t2-l2"].seeds == (1,)
    own = chapters.Evidence("l2_ewc", found, "small", {}, store=tmp_path / "own")
    real_setups(own, found, parts, names, *rest)
    assert not own.real, "a chapter at this scale answers with its own models"
    assert real_setups(evidence, obtained(), parts, names, *rest) == []


def test_an_order_is_over_the_seeds_that_all_of_its_setups_have(tmp_path):
    found = obtained(("xnli", VANILLA, 0), ("xnli", L2, 0), ("xnli", VANILLA, 1), ("xnli", L2, 1), ("xnli", L2, 2))
    evidence = chapters.Evidence("l2_ewc", found, "mini", {}, store=tmp_path)
    called = {"none": VANILLA, "best": L2, "smallest": L2, "largest": L2}
    real_order(evidence, found, "xnli", "l2-f1-zero-shot", called)
    real_order(evidence, found, "xnli", "l2-f1-english", called | {"largest": VANILLA}, ["en"])
    real_order(evidence, found, "xnli", "l2-t6-xnli", called)  # another chapter's
    real_order(evidence, found, "pawsx", "l2-f1-english", called)
    zero, english = ledger.load(tmp_path / "ledger")
    shared = [place for place, code in enumerate(CODES) if code in scores("anonymous2021frustratingly", "xnli")["l2"]]
    gain = np.mean([100 * 0.01 * (1 + place) for place in shared if place])
    assert zero.value["best > none"] == pytest.approx(gain) and zero.seeds == (0, 1) and zero.n == 2
    assert zero.value["best > largest"] == 0 and english.value == {"smallest > largest": pytest.approx(1.0)}
