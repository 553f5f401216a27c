"""The Fisher information of finding translations: against differentiation of the definition, pair by pair."""

import math
from pathlib import Path

import pytest
import torch
from tiny import config, options, save_sentences

from xlgen import cli, models
from xlgen.core import code
from xlgen.core.errors import DataError, ModelError
from xlgen.core.store import Store
from xlgen.data.parallel import read
from xlgen.fisher import contrastive, diagonal, of_text
from xlgen.fisher.forgetting import Forgetting, inner
from xlgen.fisher.of_text import Settings
from xlgen.measures import measuring
from xlgen.models.layers import encoder as encoder_of
from xlgen.models.packaged import PACKAGED
from xlgen.models.sentences import Sentences
from xlgen.objectives import create
from xlgen.training import runs
from xlgen.training.anchors import anchors_for

torch.set_num_threads(1)

REAL = Path(__file__).parents[3] / "shared" / "data"
FAMILIES = ("bert", "roberta", "xlm-roberta", "xlm")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_sentences(tmp_path_factory.mktemp("sentences") / "model")


@pytest.fixture(scope="module")
def text_dir(tmp_path_factory):
    root, draw = tmp_path_factory.mktemp("text"), torch.Generator().manual_seed(0)
    for language in ("fr", "de"):
        rows = torch.randint(24, (30, 2, 9), generator=draw).tolist()
        lines = [
            "\t".join(" ".join(f"w{w}" for w in words[: 4 + i % 5]) for words in row) for i, row in enumerate(rows)
        ]
        (root / f"en-{language}.tsv").write_text("\n".join(lines), encoding="utf-8")
    return root


def pairs_of(text_dir, n=7):
    return read(["fr"], n, text_dir=text_dir).paragraphs


def ready(folder, pairs, dtype=torch.float64, batch_size=3):
    model, tokenizer = contrastive.load(str(folder)), models.load_tokenizer(str(folder))
    model = model.to(dtype)
    return model, contrastive.batches(model, tokenizer, pairs, max_length=24, batch_size=batch_size)


def vector(model, folder, text):
    """The vector of one text alone, unpadded."""
    inputs = models.load_tokenizer(str(folder))(text, return_tensors="pt", truncation=True, max_length=24)
    inputs = {key: value for key, value in inputs.items() if key in ("input_ids", "attention_mask")}
    mean = model.encoder(**inputs).last_hidden_state[0].mean(0)
    return mean / mean.norm()


def log_likelihoods(model, folder, pairs, tau, prefix="", through=False):
    """log p(own translation | sentence) of each, by the definition."""
    there = [vector(model, folder, prefix + other) for _, other in pairs]
    there = torch.stack(there) if through else torch.stack(there).detach()
    for i, (sentence, _) in enumerate(pairs):
        yield (there @ vector(model, folder, prefix + sentence) / tau).log_softmax(-1)[i]


def naive(model, folder, pairs, tau=0.05, through=False):
    total = {name: torch.zeros_like(w) for name, w in model.named_parameters()}
    for log_p in log_likelihoods(model, folder, pairs, tau, through=through):
        gradients = torch.autograd.grad(log_p, model.parameters(), retain_graph=True, allow_unused=True)
        for name, gradient in zip(total, gradients, strict=True):
            total[name] += 0 if gradient is None else gradient.square() / len(pairs)
    return total


@pytest.mark.parametrize("family", FAMILIES)
def test_the_diagonal_is_the_naive_loops_in_double_precision(tmp_path, family, text_dir):
    folder, pairs = save_sentences(tmp_path / "model", family), pairs_of(text_dir)
    model, batches = ready(folder, pairs)
    found, expected = diagonal(model, batches, "true"), naive(model, folder, pairs)
    assert len(found) > 20 and found.keys() == expected.keys()
    for name, f in found.items():
        torch.testing.assert_close(f, expected[name], rtol=1e-7, atol=1e-14)
    assert all(f.sum() > 0 for name, f in found.items() if name.endswith("LayerNorm.weight"))


def test_the_candidates_stand_still(folder, text_dir):
    pairs = pairs_of(text_dir)
    model, batches = ready(folder, pairs)
    found, other = diagonal(model, batches, "true"), naive(model, folder, pairs, through=True)
    name = "bert.encoder.layer.1.output.dense.weight"
    assert (found[name] - other[name]).abs().max() > 0.1 * found[name].abs().max()


def test_the_models_own_labels_give_the_fisher_information_itself(folder, text_dir):
    """E over y ~ p of the squared gradient: the sum over candidates, by the definition; and what is sampled has it."""
    pairs = pairs_of(text_dir, 4)
    model, batches = ready(folder, pairs)
    found = diagonal(model, batches, "model")
    there = torch.stack([vector(model, folder, other) for _, other in pairs]).detach()
    expected = {name: torch.zeros_like(w) for name, w in model.named_parameters()}
    for sentence, _ in pairs:
        log_p = (there @ vector(model, folder, sentence) / 0.05).log_softmax(-1)
        for each in log_p:
            gradients = torch.autograd.grad(each, model.parameters(), retain_graph=True)
            for name, gradient in zip(expected, gradients, strict=True):
                expected[name] += each.exp().detach() * gradient.square() / len(pairs)
    for name, f in found.items():
        torch.testing.assert_close(f, expected[name], rtol=1e-7, atol=1e-14)


def test_the_logits_are_those_of_the_definition_however_it_is_cut(folder, text_dir):
    pairs = pairs_of(text_dir, 9)
    expected = torch.stack([*log_likelihoods(contrastive.load(str(folder)).double(), folder, pairs, 0.05)])
    for batch_size in (1, 4, 16):
        model, batches = ready(folder, pairs, batch_size=batch_size)
        found = {}
        for batch in batches:
            log_p = model(**batch.inputs).logits.log_softmax(-1)
            found |= {int(i): p[y] for i, p, y in zip(batch.index, log_p, batch.labels, strict=True)}
        torch.testing.assert_close(torch.stack([found[i] for i in range(9)]), expected, rtol=1e-9, atol=1e-12)


def test_texts_begin_with_the_prefix_and_cosines_are_divided_by_tau(folder, text_dir, monkeypatch):
    pairs = pairs_of(text_dir, 5)
    monkeypatch.setattr(contrastive, "sentences_of", lambda name: Sentences("w3 w4 ", 0.01))
    model, batches = ready(folder, pairs, batch_size=5)
    (batch,) = batches
    log_p = model(**batch.inputs).logits.log_softmax(-1)[torch.arange(5), batch.labels][batch.index.argsort()]
    expected = torch.stack([*log_likelihoods(model, folder, pairs, 0.01, prefix="w3 w4 ")])
    torch.testing.assert_close(log_p, expected, rtol=1e-9, atol=1e-12)


def test_groups_are_consecutive_of_nearly_one_size_and_none_is_alone(folder, text_dir, monkeypatch):
    monkeypatch.setattr(contrastive, "CANDIDATES", 4)
    pairs = pairs_of(text_dir, 9)
    model, batches = ready(folder, pairs)
    sizes = {int(i): batch.inputs["candidates"].shape[1] for batch in batches for i in batch.index}
    assert [sizes[i] for i in range(9)] == [3] * 9
    found, parts = diagonal(model, batches, "true"), [naive(model, folder, pairs[k : k + 3]) for k in (0, 3, 6)]
    for name, f in found.items():
        torch.testing.assert_close(f, sum(part[name] for part in parts) / 3, rtol=1e-7, atol=1e-14)
    with pytest.raises(DataError, match="nothing to tell it from"):
        ready(folder, pairs[:1])


def test_plain_text_is_refused(folder):
    with pytest.raises(DataError, match="needs translations"):
        ready(folder, ["w1 w2", "w3 w4"])


def test_a_guess_has_the_logarithm_of_the_candidates(folder, text_dir):
    """An encoder whose vectors are all the same guesses, and no weight of it moves the loss to first order in τ = ∞."""
    pairs = pairs_of(text_dir, 6)
    model, batches = ready(folder, pairs)
    model.sentences = Sentences("", 1e9)
    for batch in batches:
        log_p = model(**batch.inputs).logits.log_softmax(-1)
        torch.testing.assert_close(log_p, torch.full_like(log_p, -math.log(6)), rtol=1e-6, atol=0)
    assert sum(f.sum() for f in diagonal(model, batches, "true").values()) < 1e-12


def test_what_is_forgotten_is_the_half_quadratic_form_of_the_labels_drawn(folder, text_dir):
    """Over a random direction of all weights, D(t Δ) / t² → ½ Δᵀ F Δ, F in full by differentiating all K guesses."""
    pairs = {"fr": pairs_of(text_dir)}
    forgetting = Forgetting(str(folder), pairs, max_length=24, batch_size=3)
    forgetting.model.double()
    forgetting.origin = {name: w.detach().clone() for name, w in forgetting.model.named_parameters()}
    _, forgetting.batches["fr"] = ready(folder, pairs["fr"])
    forgetting.before = {"fr": forgetting._guesses(forgetting.batches["fr"])}
    draw = torch.Generator().manual_seed(0)
    delta = {
        name: torch.randn(forgetting.origin[key].shape, generator=draw, dtype=torch.float64)
        for key, name in forgetting.names.items()
    }
    expected = 0.0
    weights = {name: w for key, w in forgetting.model.named_parameters() if (name := forgetting.names.get(key))}
    for batch in forgetting.batches["fr"]:
        log_p = forgetting.model(**batch.inputs).logits.log_softmax(-1)
        for row in log_p:
            for guess in row:
                found = torch.autograd.grad(guess, [*weights.values()], retain_graph=True, allow_unused=True)
                slope = {n: torch.zeros_like(w) if g is None else g for (n, w), g in zip(weights.items(), found)}  # noqa: B905
                expected += guess.exp().item() * inner(delta, slope) ** 2 / 2 / len(pairs["fr"])
    assert forgetting(delta, 1e-5)["fr"] / 1e-10 == pytest.approx(expected, rel=1e-3)


def test_rows_that_are_translations_become_pairs_or_paragraphs(folder):
    rows = {"en": ["a", "b", "b", "c"], "fr": ["A", "B", "D", "C"], "de": ["AA", "BB", "EE", "CC"]}
    assert of_text.of_rows("mini", "fr", rows, "here").paragraphs == ("A", "B", "D", "C")
    assert of_text.of_rows(str(folder), "fr", rows, "here").paragraphs == (("A", "a"), ("B", "b"), ("C", "c"))
    assert of_text.of_rows(str(folder), "en", rows, "here").paragraphs == (("a", "A"), ("b", "BB"), ("c", "C"))


def test_what_is_no_encoder_of_sentences_is_refused(tmp_path, folder):
    with pytest.raises(ModelError, match="has a decoder"):
        contrastive.load(str(save_sentences(tmp_path / "mt5", "mt5")))
    broken = save_sentences(tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(ModelError, match="cannot be loaded as an encoder"):
        contrastive.load(str(broken))


# --- stored, and used ------------------------------------------------------------------------------------------------


def test_the_stored_one_is_the_encoders_by_the_classifiers_names_and_computed_once(
    folder, tmp_path, text_dir, monkeypatch
):
    opts = options(tmp_path, text_dir=text_dir)
    text = of_text.read(str(folder), ["fr"], 7, opts)
    stored = of_text.of_text(str(folder), text, Settings(max_length=24), opts)
    found = stored.diagonal()
    model, batches = ready(folder, text.paragraphs, torch.float32)
    expected = naive(model, folder, text.paragraphs)
    for name, f in found.items():
        torch.testing.assert_close(f, expected[name], rtol=2e-3, atol=1e-7)
    classifier = models.load_classifier(str(folder), 3, seed=0)
    pooler = {name for name, _ in classifier.named_parameters() if "pooler" in name}
    assert found.keys() == {name for name in encoder_of(classifier).values()} - pooler
    facts = stored.facts
    assert (facts["loss"], facts["examples"], facts["guesses"], facts["labels"]) == ("contrastive", 7, 7, "true")
    monkeypatch.setattr(contrastive, "load", lambda name: pytest.fail("computed again"))
    assert of_text.of_text(str(folder), text, Settings(max_length=24), opts).folder == stored.folder


def test_ewc_holds_the_encoder_by_it_and_the_run_rests_on_it(folder, tmp_path, text_dir, toy_tasks):
    opts = options(tmp_path, text_dir=text_dir)
    chosen = config(folder, objective="ewc", hyper={"examples": 6, "text": "fr+en", "normalise": "raw"}, epochs=1)
    model = models.load_classifier(str(folder), 3, seed=0)
    french, english = anchors_for(chosen, create("ewc", chosen.hyper), model, opts)
    text = of_text.read(str(folder), ["fr"], 6, opts)
    stored = of_text.of_text(str(folder), text, Settings(chosen.max_length), opts).diagonal()
    assert french.weight.keys() == stored.keys() and all(torch.equal(f, stored[k]) for k, f in french.weight.items())
    assert any(not torch.equal(f, english.weight[name]) for name, f in french.weight.items())
    run = runs.run(chosen, opts)
    assert run.log[-1]["penalty"] > 0 and "contrastive" in run.config.code
    wanted = measuring.MeasureConfig(("frechet",), settings={"frechet": {"folds": 2}})
    assert 0 < measuring.measure(run, wanted, opts)["frechet"]["xx"].value < 1


def test_a_masked_language_model_s_names_do_not_rest_on_it(encoder, tmp_path, text_dir, toy_tasks):
    (tmp_path / "fr.txt").write_text("w1 w2\nw3 w4\n" * 5)
    chosen = config(encoder, objective="ewc", hyper={"examples": 6})
    resolved = runs.resolve(chosen, options(tmp_path, text_dir=tmp_path))
    assert "contrastive" not in resolved.code and resolved.code["text"] == code.of_text()["text"]
    assert set(code.of_text("contrastive")) == {*code.of_text(), "contrastive"}


def test_the_command_line_has_the_distances_and_says_what_is_missing(folder, tmp_path, text_dir, capsys):
    line = ["frechet", "--model", str(folder), "--languages", "en,fr", "--examples", "8", "--folds", "2"]
    line += ["--store", str(tmp_path / "runs"), "--device", "cpu"]
    assert cli.main([*line, "--text-dir", str(text_dir)]) == 0
    shown = capsys.readouterr().out
    found = of_text.of_languages(str(folder), ["en", "fr"], 8, 2, Settings(), options(tmp_path, text_dir=text_dir))
    assert f"{found.d2[0, 1].item():.5g}" in shown and len(Store(tmp_path / "runs").entries("fisher")) == 4
    for given in (["--data-dir", str(tmp_path)], ["--text-dir", str(tmp_path)]):
        assert cli.main([*line, *given]) == 2
        assert "en-<language>.tsv" in capsys.readouterr().err
    run = ["run", "--model", str(folder), "--task", "mini-xnli", "--objective", "ewc", "--set", "train_size=32"]
    run += ["--store", str(tmp_path / "runs"), "--text-dir", str(tmp_path), "--no-progress"]
    assert cli.main(run) == 2
    assert "no translations in 'fr'" in capsys.readouterr().err


@pytest.mark.skipif(not REAL.is_dir(), reason="no real data")
def test_e5_finds_translations():
    try:
        models.locate("e5-small")
    except ModelError:
        pytest.skip(f"needs {PACKAGED['e5-small'].package}")
    pairs = read(["fr"], 16, data_dir=REAL).paragraphs
    model = contrastive.load("e5-small")
    tokenizer = models.load_tokenizer("e5-small")
    (batch,) = contrastive.batches(model, tokenizer, pairs, max_length=64, batch_size=16)
    with torch.no_grad():
        log_p = model(**batch.inputs).logits.log_softmax(-1)
    assert -log_p[torch.arange(16), batch.labels].mean() < 0.5 < math.log(16)
