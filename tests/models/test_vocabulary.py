"""A vocabulary cut to the sub-words at hand computes what the whole one does: logits, runs, and every measure."""

from dataclasses import replace

import pytest
import torch
from tiny import TaggedToy, ToyTask, config, options, resumed, save_family
from torch import nn

from xlgen import models
from xlgen.core.errors import ModelError
from xlgen.core.store import Store
from xlgen.data.catalogue import TASKS
from xlgen.data.segment import Segmenter
from xlgen.fisher import trace
from xlgen.measures import MEASURES, measure, measuring
from xlgen.models import vocabulary
from xlgen.models.perturb import gaussian, gaussian_left_out, weights
from xlgen.models.vocabulary import CutEmbedding
from xlgen.objectives import OBJECTIVES
from xlgen.training import setup, train
from xlgen.training.runs import run

torch.set_num_threads(1)
TABLE = "bert.embeddings.word_embeddings.weight"


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    """The toy tasks; and tables that are large from one row on, of which few rows are always kept."""
    monkeypatch.setitem(TASKS._entries, "toy", ToyTask())
    monkeypatch.setitem(TASKS._entries, "tagged", TaggedToy())
    monkeypatch.setattr(vocabulary, "ALWAYS", 5)
    monkeypatch.setattr(vocabulary, "LARGE", 1)


@pytest.fixture
def whole(monkeypatch):
    """Ask for the same without the cut."""

    def ask(function, *args, **kwargs):
        with monkeypatch.context() as patch:
            patch.setattr(vocabulary, "LARGE", 10**9)
            return function(*args, **kwargs)

    return ask


def ids(model, n=12):
    torch.manual_seed(0)
    return torch.randint(5, 20, (3, n))


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta", "xlm", "mt5"])
def test_logits_and_gradients_are_the_same_bits(tmp_path, family):
    folder = str(save_family(tmp_path / family, family))
    one, two = (models.load_classifier(folder, 3, seed=0) for _ in range(2))
    before = one.get_input_embeddings().weight.detach().clone()
    inputs = ids(one)
    inputs[:, -1] = getattr(one.config, "eos_token_id", None) or 2  # mT5 reads its sentence off there
    vocabulary.cut(two, [inputs, torch.tensor([one.config.pad_token_id or 0])])
    table = two.get_input_embeddings()
    assert isinstance(table, CutEmbedding) and table.num_embeddings < len(before)
    assert [name for name, _ in one.named_parameters()] == [name for name, _ in two.named_parameters()]
    a, b = one(input_ids=inputs).logits, two(input_ids=inputs).logits
    assert torch.equal(a, b)
    for model, logits in ((one, a), (two, b)):
        logits.logsumexp(dim=1).sum().backward()
        assert len(model.get_input_embeddings().weight.grad)
    for (_, p), (_, q) in zip(one.named_parameters(), two.named_parameters(), strict=True):
        whole = p.grad if p.grad is None or p.shape == q.shape else vocabulary.kept(q, p.grad)
        assert whole is q.grad is None or torch.equal(whole, q.grad)
    vocabulary.restore(two)
    assert torch.equal(two.get_input_embeddings().weight, before)
    assert two.get_input_embeddings().padding_idx == one.get_input_embeddings().padding_idx
    assert torch.equal(two(input_ids=inputs).logits, a)


def test_a_sub_word_that_was_left_out_is_an_error(encoder):
    model = models.load_classifier(str(encoder), 3, seed=0)
    vocabulary.cut(model, [torch.tensor([7, 9])])
    model(input_ids=torch.tensor([[2, 7, 9, 3]]))
    with pytest.raises(ModelError, match="the sub-word 8 is in none of the texts that the vocabulary was cut to"):
        model(input_ids=torch.tensor([[2, 7, 8, 3]]))


def test_small_tables_and_tied_ones_stay_whole(encoder, monkeypatch):
    from transformers import BertForMaskedLM

    tied = BertForMaskedLM.from_pretrained(encoder)
    vocabulary.cut(tied, [torch.tensor([7])])
    monkeypatch.setattr(vocabulary, "LARGE", 2**16)
    small = models.load_classifier(str(encoder), 3, seed=0)
    vocabulary.cut(small, [torch.tensor([7])])
    for model in (tied, small):
        assert type(model.get_input_embeddings()) is nn.Embedding


def trained(encoder, where, **changes):
    found = train.train(config(encoder, epochs=1, **changes), where)
    return {name: w.detach().clone() for name, w in found.model.named_parameters()}, found


SETTINGS = [{"objective": name} for name in sorted(OBJECTIVES) if name != "ewc"]
SETTINGS += [{"objective": "mvr", "task": "tagged"}, {"task": "tagged"}, {"tuning": "bitfit"}, {"tuning": "prompt"}]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: "-".join(s.values()))
def test_a_run_is_the_same_and_stores_the_whole_table(encoder, tmp_path, whole, settings):
    cuts = []
    create = CutEmbedding.__init__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CutEmbedding, "__init__", lambda self, *a: (create(self, *a), cuts.append(self.weight.shape))[0])
        mine, found = trained(encoder, options(tmp_path), clip=0.0, **settings)
    other, expected = whole(trained, encoder, options(tmp_path), clip=0.0, **settings)
    assert len(cuts) == 1 and cuts[0][0] < 75
    assert {name: w.shape for name, w in mine.items()} == {name: w.shape for name, w in other.items()}
    for name in mine:
        torch.testing.assert_close(mine[name], other[name], rtol=1e-5, atol=1e-6)
    assert found.log[-1]["loss"] == pytest.approx(expected.log[-1]["loss"], rel=1e-6)
    if settings.get("tuning") != "prompt":
        start = models.load_classifier(str(encoder), 3, seed=0).bert.embeddings.word_embeddings.weight
        unseen = torch.tensor([40, 50])  # the letters l and v: in no text, however it is segmented
        assert torch.equal(mine[TABLE][unseen], start[unseen])


def test_ewc_scales_by_the_whole_fisher_information(encoder, tmp_path, whole):
    """The text has words of the other language, whose rows are left out: they count in the mean, not in the pull."""
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "fr.txt").write_text("".join(f"w{i} w{i + 3} w{(7 * i) % 24}\n" for i in range(20)))
    where = options(tmp_path, text_dir=tmp_path / "text")
    settings = dict(objective="ewc", hyper={"lam": 1.0, "examples": 20}, clip=0.0)
    mine, found = trained(encoder, where, **settings)
    other, expected = whole(trained, encoder, where, **settings)
    assert found.log[-1]["penalty"] == pytest.approx(expected.log[-1]["penalty"], rel=1e-5)
    for name in mine:
        torch.testing.assert_close(mine[name], other[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("settings", [{"weight_decay": 0.1}, {"optimizer": "adafactor"}])
def test_where_unused_rows_move_nothing_is_cut(encoder, tmp_path, settings):
    loop, _ = setup.prepare(config(encoder, **settings), options(tmp_path), train.accelerator_for("cpu"))
    assert type(loop.model.get_input_embeddings()) is nn.Embedding


@pytest.mark.parametrize("objective", ["l2", "ewc"])
def test_a_second_stage_is_pulled_back_also_where_its_own_text_has_no_word(encoder, tmp_path, whole, objective):
    """The first stage has moved rows that occur in no text of the second: an anchor pulls them back."""
    (tmp_path / "fr.txt").write_text("".join(f"w{i} w{i + 3} w{(7 * i) % 24}\n" for i in range(20)))
    where = options(tmp_path, text_dir=tmp_path / "fr.txt")
    first = run(config(encoder, epochs=2), where)
    hyper = {"lam": 1.0} | ({"examples": 20} if objective == "ewc" else {})
    settings = dict(objective=objective, hyper=hyper, start=first.key, language="xx", clip=0.0)
    mine, found = trained(encoder, where, **settings)
    other, expected = whole(trained, encoder, where, **settings)
    moved = models.load_finetuned(first.model, 3).get_input_embeddings().weight
    assert (other[TABLE][5:17] != moved[5:17]).any()
    torch.testing.assert_close(mine[TABLE], other[TABLE], rtol=1e-5, atol=1e-6)
    assert found.log[-1]["penalty"] == pytest.approx(expected.log[-1]["penalty"], rel=1e-5)


def test_without_calibration_no_labelled_text_of_the_source_is_asked_for(encoder, tmp_path, monkeypatch):
    source = run(config(encoder, epochs=1), options(tmp_path))
    monkeypatch.setattr("xlgen.measures.subjects.source_rows", lambda *_: pytest.fail("asked for"))
    measuring.subject(source, measuring.MeasureConfig(("accuracy", "margin"), ("xx",)), options(tmp_path))
    with pytest.raises(pytest.fail.Exception, match="asked for"):
        measuring.subject(source, measuring.MeasureConfig(("accuracy", "doc"), ("xx",)), options(tmp_path))


def test_an_interrupted_run_ends_in_the_same_bits(encoder, tmp_path, monkeypatch):
    wanted = config(encoder)
    whole_run = train.train(wanted, options(tmp_path))
    again = resumed(monkeypatch, wanted, options(tmp_path, checkpoint_every=2), [5, 12])
    for (_, a), (_, b) in zip(whole_run.model.named_parameters(), again.model.named_parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_second_stage_in_another_language_has_its_words(encoder, tmp_path):
    first = run(config(encoder, epochs=1), options(tmp_path))
    second = run(config(encoder, epochs=1, start=first.key, language="xx"), options(tmp_path))
    rows = [models.load_finetuned(r.model, 3).get_input_embeddings().weight for r in (first, second)]
    assert rows[0].shape == rows[1].shape
    moved = (rows[0] != rows[1]).any(dim=1)
    assert moved[5 + 12 : 5 + 24].any() and not moved[40:].any()


def test_the_name_of_a_run_and_its_measures_say_nothing_of_the_cut(encoder, tmp_path, whole):
    one = run(config(encoder, epochs=1), options(tmp_path))
    assert whole(run, config(encoder, epochs=1), options(tmp_path)).key == one.key
    assert len(Store(options(tmp_path).store).entries("run")) == 1


MEASURED = {
    "frechet": {"folds": 2},
    "fisher_trace": {},
    "frobenius": {},
    "hessian_eigenvalue": {"iterations": 40, "tolerance": 1e-4},
    "sharpness_adaptive": {"steps": 3},
    "sharpness_alpha": {"alpha_min": 1e-5, "alpha_max": 1.0, "steps": 3},
    "sharpness_difference": {"noise_scale": 0.02, "lam": 0.05},  # the projection binds
}


def numbers(value, path=()):
    """Every number of a value, by its place."""
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in numbers(item, (*path, key)).items()}
    if isinstance(value, list | tuple):
        return {k: v for i, item in enumerate(value) for k, v in numbers(item, (*path, i)).items()}
    return {path: value} if isinstance(value, int | float) else {}


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_every_measure_is_that_of_the_whole_model(encoder, tmp_path, whole, name):
    if name == "typological_distance":
        pytest.importorskip("urielplus")
    task = "tagged" if name == "f1" else "toy"
    source = run(config(encoder, epochs=2, task=task), options(tmp_path))
    asked = measuring.MeasureConfig(names=(name,), size=12)
    cut, plain = (ask(measuring.subject, source, _languages(asked), options(tmp_path)) for ask in (_now, whole))
    assert isinstance(cut.model.get_input_embeddings(), CutEmbedding)
    settings = {name: MEASURED.get(name, {})}
    mine, expected = (measure(subject, [name], settings)[name] for subject in (cut, plain))
    assert {*mine} == {*expected}
    for language, value in mine.items():
        a, b = (
            numbers({"value": v.value, "stderr": v.stderr, "extra": dict(v.extra)}) for v in (value, expected[language])
        )
        assert {*a} == {*b} and value.on == expected[language].on
        for place in a:
            if "residual" not in str(place):  # of Lanczos: what is left when it stops
                assert a[place] == pytest.approx(b[place], rel=2e-3, abs=1e-6, nan_ok=True), place


def _now(function, *args):
    return function(*args)


def _languages(asked):
    return replace(asked, languages=("en", "xx"))


def test_the_noise_is_the_whole_model_s(encoder):
    plain, smaller = (models.load_classifier(str(encoder), 3, seed=0) for _ in range(2))
    vocabulary.cut(smaller, [torch.arange(5, 30)])
    a, b = (gaussian(weights(m), 0.5, torch.Generator().manual_seed(3)) for m in (plain, smaller))
    live = torch.zeros(75, dtype=torch.bool)
    live[:30] = True
    for name in a:
        assert torch.equal(a[name][live] if name == TABLE else a[name], b[name])
    w, e = plain.bert.embeddings.word_embeddings.weight.detach()[~live].double(), a[TABLE][~live].double() / 0.5
    expected = [(w * w).sum().item(), (w * e).sum().item(), (e * e).sum().item()]
    found = gaussian_left_out(weights(smaller), torch.Generator().manual_seed(3))
    assert found == pytest.approx(expected, rel=1e-6)
    assert gaussian_left_out(weights(plain), torch.Generator()) == (0, 0, 0)


def test_the_trace_of_the_fisher_information_is_exact(encoder, tmp_path, whole):
    source = run(config(encoder, epochs=1), options(tmp_path))
    asked = _languages(measuring.MeasureConfig(size=6))
    cut, plain = (ask(measuring.subject, source, asked, options(tmp_path)) for ask in (_now, whole))
    a, b = (trace(s.model, s.batches["xx"], "model") for s in (cut, plain))
    torch.testing.assert_close(a.values, b.values, rtol=1e-10, atol=0)


@pytest.mark.parametrize("family, p", [("bert", 0.3), ("xlm-roberta", 0.3), ("xlm-roberta", 0.0)])
def test_no_sampled_segmentation_leaves_what_is_reachable(tmp_path, family, p):
    segmenter = Segmenter.for_tokenizer(models.load_tokenizer(str(save_family(tmp_path, family))), p)
    text = "w12 w113 w7 q w1"
    drawn = {id for seed in range(300) for id in segmenter.segment(text, seed)}
    assert drawn <= segmenter.reachable(text)
