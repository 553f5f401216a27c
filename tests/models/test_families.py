"""Every objective with every tuning, and every measure, on a tiny model of every class.

Objectives, tunings and measures are read from their registries: a new one is in the matrix as soon as it is there. What
does not apply has to say so, with the alternatives, and is listed here.
"""

import importlib.util
import re
from dataclasses import replace
from functools import cache

import pytest
import torch
from tiny import FAMILIES, WORDS, TaggedToy, ToyTask, config, options, save_family

from xlgen import models
from xlgen.core.device import accelerator_for
from xlgen.core.errors import ConfigError, ModelError, XlgenError
from xlgen.data.catalogue import TASKS
from xlgen.measures import MEASURES, Subject, measuring
from xlgen.measures import measure as compute
from xlgen.models.tuning import TUNINGS
from xlgen.objectives import OBJECTIVES, Step
from xlgen.training import setup

torch.set_num_threads(1)

KINDS = ("sequence", "token")
TUNING_HYPER = {"adapter": {"bottleneck": 3}, "prompt": {"tokens": 4}}
HYPER = {"ewc": {"examples": 6}, "fisher": {"every_k": 1}}
SETTINGS = {
    "frechet": {"folds": 2},
    "hessian_eigenvalue": {"iterations": 4},
    "sharpness_alpha": {"bisections": 2, "restarts": 1, "steps": 2},
}
"""What makes a measure cheap, where its defaults do not."""

TOYS = {"sequence": ToyTask(), "token": TaggedToy()}


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    for task in TOYS.values():
        monkeypatch.setitem(TASKS._entries, task.name, task)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("families")


@pytest.fixture(scope="module")
def folder(root):
    (root / "text").mkdir()
    for number, language in enumerate(("en", "fr")):
        lines = [" ".join(WORDS[(i * j + number) % 24] for j in range(6)) for i in range(8)]
        (root / "text" / f"{language}.txt").write_text("\n".join(lines), encoding="utf-8")
    return cache(lambda family: save_family(root / family, family))


@pytest.fixture
def loop(root, folder):
    """A run at its first step, with weights that are not those it was loaded with."""

    def loop(family, objective="baseline", tuning="full", kind="sequence"):
        chosen = config(
            folder(family),
            task=TOYS[kind].name,
            objective=objective,
            hyper=HYPER.get(objective, {}),
            tuning=tuning,
            tuning_hyper=TUNING_HYPER.get(tuning, {}),
            optimizer="adafactor" if family == "mt5" else "adamw",
            train_size=8,
            dev_size=6,
            micro_batch_size=4,
        )
        where = options(root, text_dir=root / "text")
        made, _ = setup.prepare(chosen, where, accelerator_for("cpu"))
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():  # away from the zeros of a fresh adapter, whose other half would get no gradient
            for p in made.model.parameters():
                p.add_(torch.randn(p.shape, generator=generator) / 10)
        return made

    return loop


def copies(model):
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def changed(model, before):
    return {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}


def step(loop):
    """One optimizer step as the training loop takes it."""
    loop.model.train()
    torch.manual_seed(0)
    (batches, *_) = loop.train.epoch(8, 4, seed=0, epoch=0, views=loop.views)
    assert len(batches) == 2
    given = Step(0, torch.Generator().manual_seed(0), anchors=loop.anchors)
    logs = loop.objective.gradient(loop.model, batches, given)
    assert torch.tensor([*logs.values()]).isfinite().all()
    loop.optimizer.step()


def tied(model):
    """The names of parameters that are another by a second name."""
    return {name for name, p in model.named_parameters(remove_duplicate=False)} - {
        n for n, _ in model.named_parameters()
    }


def check_a_step(loop):
    model, before = loop.model, copies(loop.model)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained
    step(loop)
    moved = changed(model, before)
    assert moved <= trained
    # the attention does not depend on the bias of the keys, whose gradient is rounding, or nothing at all
    assert all("k_lin.bias" in name or "key.bias" in name for name in trained - moved)
    assert all(p.grad is None for name, p in model.named_parameters() if name not in trained)
    return tied(model)


REFUSED = {
    # (family, objective, tuning): what is said
    ("mt5", None, "bitfit"): (ModelError, "no bias terms; use one of adapter, full, prompt"),
    ("roberta", "mvr", None): (ConfigError, "BPE tokenizer; use a model with WordPiece"),
    ("xlm", "mvr", None): (ConfigError, r"slow \(Python\) tokenizer; use a model with WordPiece"),
    ("mt5", "ewc", None): (ModelError, "no masked language model.*use an encoder such as mBERT"),
    (None, "l2", "prompt"): (ConfigError, "nothing for 'l2' to hold back; use the objective 'baseline'"),
    (None, "ewc", "prompt"): (ConfigError, "nothing for 'ewc' to hold back; use the objective 'baseline'"),
}


def refusals(family, objective, tuning):
    """What has to be said, of several reasons one."""
    return [
        said
        for case, said in REFUSED.items()
        if all(asked in (None, given) for asked, given in zip(case, (family, objective, tuning), strict=True))
    ]


def check(loop, family, objective, tuning, kind):
    if not (said := refusals(family, objective, tuning)):
        return check_a_step(loop(family, objective, tuning, kind))
    with pytest.raises(tuple(error for error, _ in said)) as caught:
        loop(family, objective, tuning, kind)
    assert any(re.search(message, str(caught.value)) for _, message in said), str(caught.value)
    return set()


@pytest.mark.parametrize("tuning", TUNINGS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_trains_what_every_tuning_asks_for(loop, objective, tuning):
    check(loop, "bert", objective, tuning, "sequence")


@pytest.mark.parametrize("tuning", TUNINGS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_tuning_trains_what_it_should_in_every_family(loop, family, tuning, kind):
    found = check(loop, family, "baseline", tuning, kind)
    if family == "mt5" and not refusals(family, "baseline", tuning):
        assert "transformer.encoder.embed_tokens.weight" in found


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_objective_trains_every_family(loop, family, objective):
    number = FAMILIES.index(family) + [*OBJECTIVES].index(objective)
    check(loop, family, objective, "full", KINDS[number % 2])


@pytest.fixture(scope="module")
def subject(root, folder):
    """What is measured: one model for all measures, which each leaves as it was; its predictions are yet to be made."""

    @cache
    def built(family, tuning, kind):
        model = models.load_classifier(
            str(folder(family)), 3, seed=0, kind=kind, eager=True, tuning=tuning, tuning_hyper=TUNING_HYPER.get(tuning)
        )
        task, tokenizer = TOYS[kind], models.load_tokenizer(str(folder(family)))
        positions = models.takes_position_ids(model)
        texts = {language: task.rows(language, "dev").take(6) for language in task.languages}
        batches = {
            language: setup.tokens(rows, tokenizer, 24, options(root), positions).batches(4)
            for language, rows in texts.items()
        }
        reference = models.pretrained_weights(str(folder(family)), model)
        with torch.no_grad():
            for name, p in model.named_parameters():
                p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(len(name))) / 20)
        more = {"source": lambda: batches["en"], "texts": texts, "tokenizer": tokenizer, "encoder": "xlm-roberta-base"}
        return Subject(model, batches, "dev", reference, task.labels, kind, **more)

    return lambda family, tuning="full", kind="sequence": replace(built(family, tuning, kind))


@pytest.mark.parametrize(
    ("family", "tuning", "kind"),
    [
        ("bert", "prompt", "token"),
        ("roberta", "bitfit", "sequence"),
        ("xlm-roberta", "adapter", "token"),
        ("xlm", "full", "token"),
        ("xlm", "prompt", "sequence"),
        ("mt5", "full", "sequence"),
        ("mt5", "adapter", "token"),
    ],
)
def test_a_run_is_trained_stored_found_and_measured(tmp_path, folder, family, tuning, kind):
    """With a prompt that leaves room for 10 sub-words, so that texts have to be cut in training and in measuring."""
    hyper = {"tokens": 22, "from_vocabulary": True} if tuning == "prompt" else TUNING_HYPER.get(tuning, {})
    chosen = config(folder(family), task=TOYS[kind].name, tuning=tuning, tuning_hyper=hyper, epochs=1, max_length=128)
    run = measuring.run(chosen, options(tmp_path))
    assert run.config.tuning_hyper == hyper and run.max_length == 128
    measures = measuring.MeasureConfig(names=("accuracy", "frobenius"), split="dev")
    values = measuring.measure(run, measures, options(tmp_path))
    assert values["accuracy"]["en"].value == pytest.approx(run.summary["dev_accuracy"])
    distance = values["frobenius"]["all"].value
    assert distance == 0 if tuning == "prompt" else 0 < distance < 10


UNMEASURED = {("f1", "sequence"): "tag"}
"""Measures of one kind of task only, and what they say of the other."""
if importlib.util.find_spec("urielplus") is None:
    UNMEASURED |= dict.fromkeys((("typological_distance", kind) for kind in KINDS), "urielplus")


def check_measure(subject, name):
    model = subject.model
    before, flags = copies(model), [(p, p.requires_grad) for p in model.parameters()]
    modes, storage = [(m, m.training) for m in model.modules()], {n: p.data_ptr() for n, p in model.named_parameters()}
    generator, names = torch.get_rng_state(), tied(model)
    try:
        values = compute(subject, [name], {name: SETTINGS.get(name, {})})[name]
    except XlgenError as error:
        assert UNMEASURED[name, subject.kind] in str(error)
    else:
        assert (name, subject.kind) not in UNMEASURED
        assert values
        for value in values.values():
            assert torch.tensor(value.value).isfinite() or value.status != "ok"
    assert changed(model, before) == set()
    assert all(p.requires_grad == flag and p.grad is None for p, flag in flags)
    assert all(module.training == mode for module, mode in modes)
    assert storage == {n: p.data_ptr() for n, p in model.named_parameters()} and names == tied(model)
    assert torch.equal(torch.get_rng_state(), generator)


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_measure_of_every_family_leaves_the_weights_as_they_were(subject, family, name):
    number = FAMILIES.index(family) + [*MEASURES].index(name)
    for tuning, kind in (("full", KINDS[number % 2]), ("adapter", KINDS[1 - number % 2])):
        check_measure(subject(family, tuning, kind), name)


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("tuning", ["bitfit", "prompt"])
def test_every_measure_of_the_other_tunings_leaves_the_weights_as_they_were(subject, tuning, name):
    check_measure(subject("bert", tuning, KINDS[len(name) % 2]), name)
    if tuning == "prompt":
        check_measure(subject("mt5", tuning, "sequence"), name)
