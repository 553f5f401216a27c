"""The Fréchet distance: a metric's theorems, a matrix square root as oracle, the measure, and distances of text."""

import csv
import math
from contextlib import nullcontext

import numpy as np
import pytest
import scipy.linalg
import torch
from tiny import ToyTask, config, options, save_family

from xlgen import cli, models
from xlgen.analysis.reliability import in_common
from xlgen.core.errors import ConfigError, DataError, ModelError, UnknownName
from xlgen.core.store import Store
from xlgen.data.batch import Batch
from xlgen.data.catalogue import TASKS
from xlgen.data.text import read
from xlgen.fisher import frechet, mlm, of_text
from xlgen.fisher.frechet import distances
from xlgen.fisher.of_text import Settings
from xlgen.measures import Subject, measure, measuring
from xlgen.training import runs

torch.set_num_threads(1)


def diagonals(*shapes, seed=0, power=4.0):
    """Entries over many orders of magnitude, as those of a Fisher information."""
    draw = torch.Generator().manual_seed(seed)
    return {f"p{i}": 10 ** (-power * torch.rand(shape, generator=draw) ** 2) for i, shape in enumerate(shapes)}


def d2(*each):
    return distances({str(i): [one] for i, one in enumerate(each)}).d2


def test_it_is_the_frechet_distance_of_the_normalised_matrices():
    one, two = diagonals((3,), (2, 2), seed=1), diagonals((3,), (2, 2), seed=2)
    f, g = (np.diag(torch.cat([x.flatten() for x in each.values()]).double().numpy()) for each in (one, two))
    f, g = f / np.trace(f), g / np.trace(g)
    expected = np.trace(f + g - 2 * scipy.linalg.sqrtm(f @ g)) / 2
    assert d2(one, two)[0, 1].item() == pytest.approx(expected.real, abs=1e-12)


def test_a_fisher_information_is_at_no_distance_from_itself_or_a_multiple():
    one = diagonals((50, 7), (33,))
    found = d2(one, one, {name: 1e-7 * f.double() for name, f in one.items()})
    assert found.abs().max() < 1e-14
    assert (found.diagonal() == 0).all()


def test_it_is_symmetric_and_in_the_unit_interval():
    found = d2(*(diagonals((40, 5), seed=seed, power=20) for seed in range(5)))
    assert torch.equal(found, found.T)
    assert ((found >= 0) & (found <= 1)).all() and found[0, 1:].min() > 0.01


def test_disjoint_supports_are_at_distance_one_and_the_scale_does_not_matter():
    one, two = diagonals((10,)), diagonals((10,), seed=1)
    one["p0"][5:], two["p0"][:5] = 0, 0
    assert d2(one, two)[0, 1] == 1
    two["p0"][0] = 0.5
    assert d2(one, two)[0, 1] < 1
    scaled = {name: 2**30 * f for name, f in two.items()}
    assert d2(one, two)[0, 1].item() == pytest.approx(d2(one, scaled)[0, 1].item(), abs=1e-12)


def test_many_tiny_entries_count():
    """10⁸ weights of 1e-20 to 1e-19, far below float32's resolution of their sum and of the root of a product."""
    n = 100_000_000
    one, two = torch.full((n,), 1e-20), torch.full((n,), 1e-20)
    two[: n // 4] = 9e-20  # affinity (3/4 + 3/4) / √(1 · 3) = √3 / 2
    assert d2({"w": one}, {"w": two})[0, 1].item() == pytest.approx(1 - math.sqrt(3) / 2, abs=1e-7)


def test_folds_say_how_far_apart_they_are_and_the_source_moves_all_languages():
    """English counts other weights than the rest, who count the same: half of each squared error is English's own."""
    base, models = torch.linspace(0.1, 2, 2_000, dtype=torch.float64), []
    for seed in range(4):
        draw = torch.Generator().manual_seed(seed)
        own = {"en": base.roll(900)} | dict.fromkeys(["de", "fr", "sw", "ur", "zh", "hi"], base)
        folds = {
            code: [{"w": F * torch.rand(len(F), generator=draw, dtype=torch.float64)} for _ in range(60)]
            for code, F in own.items()
        }
        found = distances(folds)
        d = found.blocks["d2"]
        torch.testing.assert_close(d.square().sum(dim=0).div(60 * 59).sqrt(), found.stderr, rtol=1e-12, atol=1e-15)
        torch.testing.assert_close(d.mean(dim=0), torch.zeros_like(found.stderr), rtol=0, atol=1e-13)
        models.append((d[:, 0, 1:].T.numpy(), found.stderr[0, 1:].numpy()))
    assert in_common(models) == pytest.approx(0.5, abs=0.1)
    assert not distances({code: fold[:1] for code, fold in folds.items()}).blocks
    assert found.blocks.keys() == {"d2", *found.stderr_of_parts}


def test_layers_are_normalised_by_themselves():
    names = ["bert.embeddings.word.weight", "bert.layer.0.weight", "bert.layer.0.bias", "bert.layer.11.bias", "pool"]
    one, two = (dict(zip(names, diagonals(*[(6,)] * 5, seed=seed).values(), strict=True)) for seed in (1, 2))
    found = distances({"en": [one], "xx": [two]}, tables={names[0]})
    assert list(found.by_layer) == ["embeddings", "bert.layer.0", "bert.layer.11", "rest"]
    for layer, own in zip(found.by_layer, (names[:1], names[1:3], names[3:4], names[4:]), strict=True):
        alone = d2({name: one[name] for name in own}, {name: two[name] for name in own})
        torch.testing.assert_close(found.by_layer[layer], alone, rtol=0, atol=1e-14)
    blocks = d2({name: one[name] for name in names[1:]}, {name: two[name] for name in names[1:]})
    torch.testing.assert_close(found.without_embeddings, blocks, rtol=0, atol=1e-14)
    assert found.trace[0].item() == pytest.approx(sum(f.double().sum().item() for f in one.values()), rel=1e-12)


def test_the_sum_does_not_depend_on_its_chunks(monkeypatch):
    each = [diagonals((101, 3), seed=seed) for seed in range(3)]
    whole = d2(*each)
    monkeypatch.setattr(frechet, "CHUNK", 7)
    torch.testing.assert_close(d2(*each), whole, rtol=0, atol=1e-14)


def test_folds_are_the_jackknife():
    """Against the definition, with folds of different sizes."""
    folds = {language: [diagonals((30,), seed=10 * i + k) for k in range(4)] for i, language in enumerate(("en", "xx"))}
    counts = {"en": [5, 5, 5, 4], "xx": [5, 5, 5, 4]}

    def mean(language, but=None):
        kept = [(n, f["p0"].double()) for k, (n, f) in enumerate(zip(counts[language], folds[language], strict=True))]
        kept = [pair for k, pair in enumerate(kept) if k != but]
        return {"p0": sum(n * f for n, f in kept) / sum(n for n, _ in kept)}

    found = distances(folds, counts=counts)
    assert found.d2[0, 1].item() == pytest.approx(d2(mean("en"), mean("xx"))[0, 1].item(), abs=1e-14)
    dropped = np.array([d2(mean("en", k), mean("xx", k))[0, 1].item() for k in range(4)])
    assert found.stderr[0, 1].item() == pytest.approx(math.sqrt(3 / 4 * ((dropped - dropped.mean()) ** 2).sum()))
    assert found.bias[0, 1].item() == pytest.approx(3 * (dropped.mean() - found.d2[0, 1].item()), abs=1e-14)
    assert found.trace[1].item() == pytest.approx(mean("xx")["p0"].sum().item(), rel=1e-12)


def test_each_part_has_the_errors_of_its_own_jackknife():
    names = ["bert.embeddings.word.weight", "bert.layer.0.weight", "pool"]
    folds = {
        code: [dict(zip(names, diagonals(*[(6,)] * 3, seed=9 * i + k).values(), strict=True)) for k in range(3)]
        for i, code in enumerate(("en", "xx"))
    }
    found = distances(folds, tables={names[0]})
    assert set(found.stderr_of_parts) == {"without_embeddings", *found.by_layer}
    for part, own in {"embeddings": names[:1], "bert.layer.0": names[1:2], "without_embeddings": names[1:]}.items():
        alone = distances({code: [{name: fold[name] for name in own} for fold in each] for code, each in folds.items()})
        torch.testing.assert_close(found.stderr_of_parts[part], alone.stderr, rtol=0, atol=1e-14)
        assert found.stderr_of_parts[part][0, 1] > 0
    once = distances({code: each[:1] for code, each in folds.items()}, tables={names[0]})
    assert once.stderr is None and not once.stderr_of_parts


@pytest.mark.parametrize(
    ("one", "two", "message"),
    [
        ({"w": torch.ones(3)}, {"w": torch.zeros(3)}, "'xx' is 0.0"),
        ({"w": torch.ones(3)}, {"w": torch.tensor([1.0, -1.0, 1.0])}, "nan"),
        ({"w": torch.ones(3)}, {"w": torch.tensor([1.0, math.inf, 1.0])}, "inf"),
        ({"w": torch.ones(3)}, {"v": torch.ones(3)}, "other folds or parameters"),
    ],
)
def test_what_is_no_fisher_information_is_refused(one, two, message):
    with pytest.raises(ModelError, match=message):
        distances({"en": [one], "xx": [two]})


# --- the measure ----------------------------------------------------------------------------------------------------


def examples(n=12, seed=0, language=0):
    draw = torch.Generator().manual_seed(seed)
    ids = torch.randint(5 + 12 * language, 17 + 12 * language, (n, 6), generator=draw)
    positions = torch.arange(6).repeat(n, 1)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": 0 * ids}
    return Batch({**inputs, "position_ids": positions}, torch.arange(n) % 3, torch.arange(n))


@pytest.fixture
def subject(encoder):
    model = models.load_classifier(str(encoder), 3, seed=0).double()
    batches = {"en": examples(), "xx": examples(seed=1, language=1)}
    return Subject(model, {k: [v.rows(slice(0, 5)), v.rows(slice(5, None))] for k, v in batches.items()})


def naive(model, batch):
    """The mean over examples of the squared gradient of log p(y|x), by automatic differentiation."""
    total = {name: torch.zeros_like(w) for name, w in model.named_parameters()}
    for i in range(len(batch)):
        one = batch.rows(slice(i, i + 1))
        model.zero_grad()
        torch.nn.functional.cross_entropy(model(**one.inputs).logits, one.labels).backward()
        for name, w in model.named_parameters():
            total[name] += w.grad.square() / len(batch)
    model.zero_grad()
    return total


def test_the_measure_is_the_distance_of_the_naive_loops(subject):
    model = subject.model
    found = measure(subject, ["frechet"], {"frechet": {"parameters": "all"}})["frechet"]
    one, two = (naive(model, batch) for batch in (examples(), examples(seed=1, language=1)))
    assert found["xx"].value == pytest.approx(d2(one, two)[0, 1].item(), abs=1e-10)
    assert found["en"].value == 0 and found["xx"].extra["row"] == {"en": found["xx"].value, "xx": 0}
    assert found["xx"].n == 12 and 0 < found["xx"].stderr < found["xx"].value
    for language, fisher in (("en", one), ("xx", two)):
        assert found[language].extra["trace"] == pytest.approx(sum(f.sum().item() for f in fisher.values()))
    encoder = {name: w for name, w in one.items() if name.startswith("bert.")}
    other = {name: two[name] for name in encoder}
    assert set(one) - set(encoder) == {"classifier.weight", "classifier.bias"}
    inside = measure(subject, ["frechet"])["frechet"]["xx"]
    assert inside.value == pytest.approx(d2(encoder, other)[0, 1].item(), abs=1e-10)
    blocks = measure(subject, ["frechet"], {"frechet": {"parameters": "blocks"}})["frechet"]["xx"]
    tables = [name for name in encoder if "_embeddings" in name]
    assert len(tables) == 3
    rest = d2(*({name: f for name, f in each.items() if name not in tables} for each in (encoder, other)))
    assert blocks.value == pytest.approx(rest[0, 1].item(), abs=1e-10)
    assert blocks.value == inside.extra["without_embeddings"] < inside.value
    assert inside.extra["by_layer"]["embeddings"] > 0.3


def test_it_does_not_depend_on_the_batches_and_leaves_the_model_alone(subject):
    before = {name: w.clone() for name, w in subject.model.named_parameters()}
    whole = measure(subject, ["frechet"], {"frechet": {"labels": "model"}})["frechet"]["xx"]
    cut = {
        k: [examples(seed=i, language=i).rows(slice(j, j + 1)) for j in range(12)] for i, k in enumerate(["en", "xx"])
    }
    single = measure(Subject(subject.model, cut), ["frechet"], {"frechet": {"labels": "model"}})["frechet"]["xx"]
    assert single.value == pytest.approx(whole.value, abs=1e-12)
    assert single.stderr == pytest.approx(whole.stderr, abs=1e-12)
    assert all(torch.equal(w, before[name]) and w.grad is None for name, w in subject.model.named_parameters())


def test_without_folds_there_is_no_standard_error_and_the_value_is_the_same(subject):
    five, one = (measure(subject, ["frechet"], {"frechet": {"folds": k}})["frechet"]["xx"] for k in (5, 1))
    assert one.stderr is None and "bias" not in one.extra
    assert one.value == pytest.approx(five.value, abs=1e-12)
    few = measure(subject, ["frechet"], {"frechet": {"examples": 6, "folds": 2}})["frechet"]["xx"]
    assert few.n == 6 and few.value != one.value


def test_sampled_labels_are_drawn_from_the_seed(subject):
    draws = [measure(subject, ["frechet"], {"frechet": {"labels": "sample", "seed": i}})["frechet"] for i in (0, 0, 1)]
    values = [found["xx"].value for found in draws]
    assert values[0] == values[1] != values[2]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"parameters": "heads"}, UnknownName, "encoder"),
        ({"source": "fr"}, ConfigError, "'fr' among the languages"),
        ({"folds": 0}, ConfigError, "folds is 0"),
        ({"folds": 13}, ConfigError, "fewer folds"),
        ({"labels": "best"}, ConfigError, "'true'"),
    ],
)
def test_bad_settings_are_refused(subject, settings, error, message):
    with pytest.raises(error, match=message):
        measure(subject, ["frechet"], {"frechet": settings})


def test_a_stored_run_is_measured(encoder, tmp_path, monkeypatch):
    monkeypatch.setitem(TASKS._entries, "toy", ToyTask())
    run = measuring.run(config(encoder, epochs=1), options(tmp_path))
    wanted = measuring.MeasureConfig(names=("frechet",), settings={"frechet": {"folds": 3}})
    found = measuring.measure(run, wanted, options(tmp_path))["frechet"]
    assert 0 < found["xx"].value < 1 and found["en"].value == 0
    assert "true labels" in found["xx"].on and found["xx"].n == 18


# --- text -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def text_dir(tmp_path):
    draw = torch.Generator().manual_seed(0)
    folder = tmp_path / "text"
    folder.mkdir()
    for number, language in enumerate(("en", "xx")):
        words = torch.randint(12 * number, 12 * number + 12, (30, 9), generator=draw).tolist()
        lines = [" ".join(f"w{word}" for word in line) for line in words]
        (folder / f"{language}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_the_fisher_information_of_text_is_the_naive_loops_and_computed_once(encoder, tmp_path, text_dir, monkeypatch):
    opts, text = options(tmp_path, text_dir=text_dir), read(["en"], 7, text_dir=text_dir)
    stored = of_text.of_text(str(encoder), text, Settings(max_length=8), opts)
    found = stored.diagonal()
    model, tokenizer = mlm.load(str(encoder)), models.load_tokenizer(str(encoder))
    expected = {name: torch.zeros_like(w) for name, w in model.named_parameters()}
    for batch in mlm.batches(model, tokenizer, text.paragraphs, max_length=8, batch_size=1):
        model.zero_grad()
        logits = model(**batch.inputs).logits
        torch.nn.functional.cross_entropy(logits.transpose(1, 2), batch.labels, reduction="sum").backward()
        for name, w in model.named_parameters():
            expected[name] += w.grad.square() / 7
    assert found.keys() == {name for name in expected if name.startswith("bert.")}
    for name, f in found.items():
        torch.testing.assert_close(f, expected[name], rtol=1e-4, atol=1e-9)
    facts = stored.facts
    assert facts["trace"] == pytest.approx(sum(f.double().sum().item() for f in found.values()))
    assert facts["mean"] == pytest.approx(facts["trace"] / sum(f.numel() for f in found.values()))
    assert (facts["kind"], facts["examples"], facts["languages"], facts["labels"]) == ("fisher", 7, ["en"], "true")
    assert facts["model"] == models.fingerprint(str(encoder)) and facts["text"] == text.fingerprint
    assert facts["source"] == "text/en.txt" and str(tmp_path) not in str(facts)
    assert Store(opts.store).entries("fisher") == [stored.folder.name]
    monkeypatch.setattr(mlm, "load", lambda name: pytest.fail("computed again"))
    assert of_text.of_text(str(encoder), text, Settings(max_length=8), opts).folder == stored.folder


def test_what_changes_a_fisher_information_is_another_entry(encoder, tmp_path, text_dir):
    opts = options(tmp_path, text_dir=text_dir)
    en, more, xx = (read([k], n, text_dir=text_dir) for k, n in (("en", 5), ("en", 6), ("xx", 5)))
    wanted = [(en, {}), (more, {}), (xx, {}), (en, {"labels": "sample"}), (en, {"seed": 1}), (en, {"max_length": 9})]
    stored = [of_text.of_text(str(encoder), text, Settings(**changes), opts) for text, changes in wanted]
    assert len({one.folder for one in stored}) == len({one.facts["trace"] for one in stored}) == len(wanted)


def test_sampled_words_are_drawn_from_the_seed(encoder, tmp_path, text_dir, monkeypatch):
    seeds, opts, text = [], options(tmp_path), read(["en"], 2, text_dir=text_dir)
    diagonal = of_text.diagonal

    def recorded(*args, generator, **kwargs):
        seeds.append(generator.initial_seed())
        return diagonal(*args, generator=generator, **kwargs)

    monkeypatch.setattr(of_text, "diagonal", recorded)
    for seed in (0, 1):
        of_text.of_text(str(encoder), text, Settings(labels="sample", seed=seed), opts)
    assert len(set(seeds)) == 2


def test_mixed_text_has_the_mean_of_the_fisher_informations(encoder, tmp_path, text_dir):
    opts = options(tmp_path)
    parts = [read([k], 4, text_dir=text_dir) for k in ("en", "xx")]
    one, two = (of_text.of_text(str(encoder), text, Settings(), opts).diagonal() for text in parts)
    mixed = of_text.of_text(str(encoder), read(["en", "xx"], 8, text_dir=text_dir), Settings(), opts).diagonal()
    for name, f in mixed.items():
        torch.testing.assert_close(f, (one[name] + two[name]) / 2, rtol=1e-4, atol=1e-10)


def test_distances_of_text_come_from_the_stored_fishers(encoder, tmp_path, text_dir):
    opts = options(tmp_path, text_dir=text_dir)
    found = of_text.of_languages(str(encoder), ["en", "xx"], 12, 1, Settings(), opts)
    stored = [of_text.of_text(str(encoder), read([k], 12, text_dir=text_dir), Settings(), opts) for k in ("en", "xx")]
    assert len(Store(opts.store).entries("fisher")) == 2 and found.stderr is None
    torch.testing.assert_close(found.d2, d2(*(one.diagonal() for one in stored)), rtol=0, atol=1e-14)
    assert found.without_embeddings[0, 1] < found.d2[0, 1] < 1
    folded = of_text.of_languages(str(encoder), ["en", "xx"], 12, 3, Settings(), opts)
    torch.testing.assert_close(folded.d2, found.d2, rtol=0, atol=1e-5)
    assert folded.stderr[0, 1] > 0 and len(Store(opts.store).entries("fisher")) == 2 + 6


def test_text_of_too_few_languages_or_paragraphs_is_refused(encoder, tmp_path, text_dir):
    opts = options(tmp_path, text_dir=text_dir)
    for languages, folds in ((["en"], 1), (["en", "en"], 1), (["en", "xx"], 0), (["en", "xx"], 11)):
        with pytest.raises(ConfigError):
            of_text.of_languages(str(encoder), languages, 10, folds, Settings(), opts)


def test_a_language_without_text_is_told_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(of_text, "of_text", lambda *given: pytest.fail("computed"))
    with pytest.raises((DataError, UnknownName), match="'xx'"):
        of_text.of_languages("mini", ["en", "xx"], 10, 1, Settings(), options(tmp_path))


def test_one_file_is_no_text_of_several_languages(encoder, tmp_path, text_dir, toy_tasks):
    """Each language would have the same text, and be at distance 0."""
    opts = options(tmp_path, text_dir=text_dir / "en.txt")
    with pytest.raises(DataError, match="one file, but text in en, xx"):
        of_text.of_languages(str(encoder), ["en", "xx"], 10, 1, Settings(), opts)
    for text, several in (("fr+en", True), ("mix fr-en", True), ("fr", False)):
        wanted = config(encoder, objective="ewc", hyper={"text": text, "examples": 10})
        with pytest.raises(DataError, match="one file, but text in fr, en") if several else nullcontext():
            runs.resolve(wanted, opts)


@pytest.mark.parametrize("family", ["roberta", "xlm-roberta", "xlm"])
def test_other_families_have_fisher_informations_of_text_that_fit_their_classifiers(family, tmp_path, text_dir):
    name, opts = str(save_family(tmp_path / family, family)), options(tmp_path, text_dir=text_dir)
    found = of_text.of_text(name, read(["en"], 3, text_dir=text_dir), Settings(max_length=64), opts).diagonal()
    shapes = {key: w.shape for key, w in models.load_classifier(name, 3, seed=0).named_parameters()}
    assert len(found) > 20 and all(f.shape == shapes[key] for key, f in found.items())
    assert all(f.sum() > 0 for key, f in found.items() if key.endswith("weight"))


def test_the_command_line_shows_and_writes_the_distances(encoder, tmp_path, text_dir, capsys):
    out = tmp_path / "distances.csv"
    line = ["frechet", "--model", str(encoder), "--languages", "en,xx", "--examples", "8", "--folds", "2"]
    line += ["--text-dir", str(text_dir), "--store", str(tmp_path / "runs"), "--device", "cpu", "--out", str(out)]
    assert cli.main(line) == 0
    found = of_text.of_languages(str(encoder), ["en", "xx"], 8, 2, Settings(), options(tmp_path, text_dir=text_dir))
    shown = capsys.readouterr().out
    assert f"{found.d2[0, 1].item():.5g}" in shown and f"{found.without_embeddings[0, 1].item():.5g}" in shown
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * (2 + len(found.by_layer))
    (row,) = [r for r in rows if (r["source"], r["language"], r["measure"]) == ("xx", "en", "d2")]
    assert (float(row["value"]), float(row["stderr"])) == (found.d2[1, 0].item(), found.stderr[1, 0].item())
    (row,) = [r for r in rows if (r["source"], r["language"], r["measure"]) == ("xx", "en", "without_embeddings")]
    assert float(row["stderr"]) == found.stderr_of_parts["without_embeddings"][1, 0].item() > 0
    assert cli.main([*line[:3], "--languages", "en,yy", *line[5:]]) == 2
    assert "no text in 'yy'" in capsys.readouterr().err
