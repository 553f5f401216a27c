"""What the chapters share: parameters as papermill hands them over, rows, sentences, tables."""

import ast
import html
import logging
import math
import re
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import papermill
import pytest
import tiny

from paper import chapters, ledger, notebook, protocols, published, records
from xlgen import analysis
from xlgen.analysis import AnalysisError, Interval, correlate
from xlgen.core.errors import ConfigError, UnknownName
from xlgen.data.catalogue import TASKS
from xlgen.data.read_tagged import TaggedRows
from xlgen.measures import MEASURES, measuring, settings_of
from xlgen.training.presets import PRESETS

ROOT = Path(__file__).resolve().parents[2]
XNLI = TASKS["mini-xnli"]
LANGUAGES = ["en", "ar", "bg", "de", "el", "es"]
WHO = ("sam", 0)


def row(measure, language, value, status="ok", **more):
    who = {"objective": "sam", "seed": 0, "language": language, "measure": measure}
    return who | {"value": value, "stderr": 0.01, "n": 50, "status": status} | more


def rows_of(**measures):
    return [
        row(name, language, value)
        for name, values in measures.items()
        for language, value in zip(LANGUAGES, values, strict=True)
    ]


ACCURACY = [0.9, 0.5, 0.6, 0.55, 0.7, 0.65]
OTHER = [0.1, 0.3, 0.2, 0.5, 0.1, 0.4]


# Parameters


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (["en", "de"], str, ["en", "de"]),
        ("en, de,", str, ["en", "de"]),
        ("", str, []),
        ([], int, []),
        ("0,1", int, [0, 1]),
        (3, int, [3]),
        (0.01, float, [0.01]),
        ((0, 1), int, [0, 1]),
    ],
)
def test_a_list_is_read_in_every_form_that_papermill_hands_over(value, kind, expected):
    assert chapters.words(value, kind) == expected


def test_what_is_no_list_is_refused_in_one_line():
    with pytest.raises(ConfigError, match="a list is '0, one'; expected whole numbers separated by commas"):
        chapters.words("0, one", int)


def test_only_parameters_that_were_set_override_the_preset():
    assert chapters.given(rho=None, model="", train_size=0, p=0.0, task="x") == {"train_size": 0, "p": 0.0, "task": "x"}


def test_a_chapter_runs_on_its_own_store_and_reads_the_hub_unless_told_otherwise(tmp_path):
    plain = chapters.options_for()
    assert (plain.store, plain.data_dir, plain.text_dir) == (ROOT / "runs", None, None)
    assert (plain.threads, plain.progress) == (1, False)
    options = chapters.options_for("~/x", f"{tmp_path}", "texts", 3)
    assert options.store == Path.home() / "x"
    assert (options.data_dir, options.text_dir, options.threads) == (tmp_path, Path("texts"), 3)


def test_evidence_goes_to_the_book_only_while_the_book_is_built(tmp_path, monkeypatch):
    monkeypatch.delenv(notebook.LEDGER, raising=False)
    assert chapters.ledger_folder() == ROOT / "runs" / "ledger"
    assert chapters.ledger_folder(tmp_path) == tmp_path / "ledger"
    monkeypatch.setenv(notebook.LEDGER, str(tmp_path / "book"))
    assert chapters.ledger_folder() == chapters.ledger_folder(tmp_path) == tmp_path / "book"


def test_only_the_papers_own_setting_has_its_scale():
    assert [chapters.scale_of(name, {}) for name in ("mini", "small", "paper")] == ["miniature", "real data", "paper"]
    assert chapters.scale_of("paper", {"epochs": 1}) == "real data" and set(ledger.SCALES) == {
        chapters.scale_of(name, {}) for name in PRESETS
    }


def test_languages_are_those_asked_for_in_the_tasks_order_and_the_source():
    assert chapters.spoken(XNLI) == XNLI.languages
    assert chapters.spoken(XNLI, ["zh", "ar", "bg", "de", "el"]) == ("en", "ar", "bg", "de", "el", "zh")
    assert chapters.spoken(XNLI, ["en", "zh", "ar", "bg", "de", "el"])[0] == "en"


def test_unknown_and_too_few_languages_are_refused_before_anything_is_trained():
    with pytest.raises(UnknownName, match="unknown language of mini-xnli 'dee'. Did you mean 'de'"):
        chapters.spoken(XNLI, ["dee"])
    with pytest.raises(ConfigError, match="names 2 besides 'en'; expected at least 5"):
        chapters.spoken(XNLI, ["de", "en", "sw"])


def test_the_fewest_languages_are_enough_for_every_coefficient():
    some = rows_of(accuracy=ACCURACY, dev_loss=OTHER, x=[1, 2, 3, 5, 4, 0])
    assert len(LANGUAGES) - 1 == chapters.MIN_TARGETS
    between = chapters.partial(some, "x", "dev_loss", WHO, ("en",))
    assert between.n == 5 and between.low < between.value < between.high
    with pytest.raises(AnalysisError):
        analysis.partial_correlation([1, 2, 4, 3], [2, 1, 3, 4], [1, 3, 2, 4])


@pytest.mark.parametrize("source", sorted((ROOT / "notebooks").glob("*.py")), ids=lambda path: path.stem)
def test_papermill_understands_every_parameter(source, caplog):
    """A comment with an equals sign hides a parameter from papermill: it would say that it does not know it."""
    (cell,) = [cell for cell in notebook.read(source).cells if "parameters" in cell.metadata.get("tags", [])]
    with caplog.at_level(logging.WARNING):
        found = papermill.inspect_notebook(notebook.read(source))
    assert list(found) == [statement.target.id for statement in ast.parse(cell.source).body]
    assert "Unable to parse" not in caplog.text


# What is measured


def test_the_measures_and_settings_exist():
    configs = chapters.study_measures(size=100, noise_scale=0.01, noise_seeds=[5], alpha_size=7, threshold=0.2)
    assert [config.split for config in configs] == ["dev", "test", "test"]
    assert [config.size for config in configs] == [100, 100, 200]
    for config in configs:
        for name in config.names:
            assert name in MEASURES and set(config.settings.get(name, {})) <= set(settings_of(name))
    assert configs[2].settings["sharpness_difference"] == {"noise_scale": 0.01, "noise_seeds": (5,)}
    assert configs[2].settings["sharpness_alpha"]["examples"] == 7
    assert configs[2].settings["sharpness_alpha"]["threshold"] == 0.2


def test_every_named_measure_is_one_that_is_collected():
    test = {name for config in chapters.study_measures() for name in config.names}
    dev = {f"dev_{name}" for name in chapters.PREDICTED}
    correct = {f"{name}_correct" for name in test | dev if "margin" in name}
    assert set(chapters.NAMES) <= test | dev | correct


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """Rows of two seeds of a tiny model, and what they were measured from."""
    folder = tmp_path_factory.mktemp("chapters")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS._entries, "toy", tiny.ToyTask())
        encoder, options = tiny.save_encoder(folder / "encoder"), tiny.options(folder)
        models = {("baseline", seed): tiny.config(encoder, epochs=1, seed=seed) for seed in (0, 1)}
        configs = chapters.study_measures(sharpness_size=6, alpha_size=3, noise_seeds=(0,))
        protocol = protocols.uniform(models, *configs, names=("objective", "seed"))
        found = records.obtain(protocol, options, workers=1, live=2, folder=folder / "records")
        measured = [measuring.measure(found.runs["baseline", 1], config, options) for config in configs]
    return found.rows(), measured


def test_rows_are_the_measured_values_development_apart_from_test(collected):
    rows, (dev, test, sharp) = collected
    who = ("baseline", 1)
    for measured, prefix in ((dev, "dev_"), (test, ""), (sharp, "")):
        for name, values in measured.items():
            found = chapters.column(rows, prefix + name, who)
            assert list(found) == list(values)
            for language, value in values.items():
                kept = {key: found[language][key] for key in ("value", "stderr", "n", "on", "status", "extra")}
                assert kept == {key: getattr(value, key) for key in kept}
    assert list(chapters.column(rows, "accuracy", who, ("en",))) == ["xx"]
    assert {row["n"] for row in chapters.column(rows, "accuracy", who).values()} == {18}
    assert {row["n"] for row in chapters.column(rows, "dev_accuracy", who).values()} == {21}
    assert {row["n"] for row in chapters.column(rows, "sharpness_difference", who).values()} == {6}
    assert {row["n"] for row in chapters.column(rows, "sharpness_alpha", who).values()} == {3}


def test_the_margin_of_correct_examples_has_rows_of_its_own(collected):
    rows, (dev, *_) = collected
    found = chapters.column(rows, "dev_margin_correct", ("baseline", 1))
    for language, value in dev["margin"].items():
        assert found[language]["value"] == value.extra["correct_only"] or math.isnan(value.extra["correct_only"])
        assert found[language]["n"] == value.extra["n_correct"] == round(21 * dev["accuracy"][language].value)
        assert found[language]["on"].endswith("correctly classified")


def test_a_language_with_nothing_correct_has_a_status_that_keeps_it_out():
    extra = {"correct_only": math.nan, "correct_only_stderr": None, "n_correct": 0}
    assert records.correct_only(row("margin", "de", -1.0, on="test", extra=extra))["status"] == "none_correct"


# Words


def test_partial_is_the_correlation_at_a_fixed_value_and_none_where_there_is_none():
    some = rows_of(accuracy=ACCURACY, margin=OTHER, dev_loss=[1, 2, 3, 5, 4, 0], dev_accuracy=ACCURACY)
    expected = analysis.partial_correlation(OTHER[1:], ACCURACY[1:], [2, 3, 5, 4, 0])
    assert chapters.partial(some, "margin", "dev_loss", WHO, ("en",)) == expected
    assert chapters.partial(some, "margin", "dev_accuracy", WHO) is None
    saturated = [
        r | {"status": "hit_upper"} if r["measure"] == "dev_loss" and r["language"] == "de" else r for r in some
    ]
    assert chapters.partial(saturated, "margin", "dev_loss", WHO) is None


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        (Interval(0.5, 0.1, 0.8, 14), "is shown: the interval excludes 0 (partial r = 0.500 [0.100, 0.800])"),
        (Interval(0.5, -0.1, 0.8, 14), "is not shown: the interval includes 0"),
        (None, "cannot be said"),
    ],
)
def test_what_a_measure_adds_is_said_by_the_interval(interval, words):
    assert chapters.adds(interval).startswith(words)


def test_the_papers_margin_is_that_of_the_development_split():
    assert chapters.published("mini-xnli", "dev_margin", "sam").printed == "0.874"
    assert chapters.published("xnli", "sharpness_difference", "sam").printed == "-0.584"
    assert chapters.published("xnli", "sharpness_alpha", "sam").printed == "-0.166"
    for measure, objective in (("margin", "sam"), ("dev_margin_p10", "sam"), ("dev_margin", "mine")):
        assert chapters.published("xnli", measure, objective) is None


def test_the_sentence_beside_the_paper_names_the_cell_or_says_that_there_is_none():
    ours = correlate(ACCURACY, OTHER)
    cell = published.cell(1, "mBERT+SAM", "Margin")
    sentence = chapters.beside("mini-xnli", "dev_margin", "sam", ours)
    assert sentence.startswith("margin (dev), sam (Table 1, mBERT+SAM). ")
    assert sentence.endswith(cell.beside(ours)) and str(cell.verdict(ours))[1:] in sentence
    none = chapters.beside("mini-pawsx", "dev_margin", "sam", ours)
    assert none == f"margin (dev), sam: the paper prints no correlation for pawsx. Ours: {ours}."


# Tables and boxes


def text(shown) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", shown.data))


def test_the_correlation_table_carries_interval_p_value_and_ranks():
    ours, none = correlate(ACCURACY, OTHER, status=["ok"] * 5 + ["hit_lower"]), correlate([1] * 6, OTHER)
    shown = text(chapters.correlation_table({"one": ours, "two": none}, "caption"))
    r = ours.pearson
    for number in (r.value, r.low, r.high, *r.bootstrap, ours.spearman.value, ours.kendall.value):
        assert analysis.signed(number) in shown
    assert "5 (1 left out)" in shown and f"{r.p:.2g}" in shown and "undefined: x constant" in shown


def test_the_box_counts_saturated_searches_and_names_their_languages():
    statuses = ["ok", "hit_lower", "ok", "hit_lower", "hit_upper", "ok"]
    rows = [row("sharpness_alpha", code, 1.0, word) for code, word in zip(LANGUAGES, statuses, strict=True)]
    shown = chapters.saturation([*rows, row("margin", "zh", 0.1, "none_correct")])
    assert 'class="admonition warning"' in shown.data and "In 3 of 6 cases" in shown.data
    assert re.search(r"2 with status hit_lower \(no α [^)]*at least the value\): ar, de", text(shown))
    assert re.search(r"1 with status hit_upper \(every α [^)]*at most the value\): el", text(shown))
    quiet = chapters.saturation([r | {"status": "ok"} for r in rows])
    assert 'class="admonition note"' in quiet.data and "all 6 cases" in quiet.data


def test_tables_and_boxes_are_text_not_markup():
    shown = chapters.table(("", "<b>"), [("a & b", 1.5)], "5 < 6")
    assert '<th scope="col">&lt;b&gt;</th>' in shown.data and "<caption>5 &lt; 6</caption>" in shown.data
    assert '<th scope="row">a &amp; b</th><td>1.5</td>' in shown.data
    interval = chapters.table(("", "x"), [("a", "0.5 [0.1, 0.9]")], "x")
    assert "<td>0.5 [0.1,\N{NO-BREAK SPACE}0.9]</td>" in interval.data  # a line ends before it, not within
    assert 'class="dataframe"' in shown.data
    assert 'class="dataframe dense"' in chapters.table(("", "x"), [], "x", dense=True).data
    assert "<p>1 &lt; 2</p>" in chapters.box("note", "title", "1 < 2").data


def test_the_commonest_answer_is_counted_among_the_examples_that_are_measured():
    labels = XNLI.rows("de", "test", None).labels[:7]
    assert chapters.commonest(XNLI, "de", "test", 7) == max(map(labels.count, labels)) / 7
    words = [tag for sentence in TASKS["mini-udpos"].rows("en", "dev", None).labels for tag in sentence]
    assert chapters.commonest(TASKS["mini-udpos"], "en", "dev") == max(map(words.count, set(words))) / len(words)


def test_the_best_constant_answer_is_the_best_of_all_of_them():
    assert chapters.best_constant(XNLI, "de", "test", 7) == chapters.commonest(XNLI, "de", "test", 7)
    task = TASKS["mini-wikiann"]
    sentences = task.rows("de", "test", None).take(40).labels
    scores = []
    for answer in range(len(task.labels)):
        guessed, true = (
            {(i, *chunk) for i, labels in enumerate(some) for chunk in entities([task.labels[one] for one in labels])}
            for some in ([[answer] * len(labels) for labels in sentences], sentences)
        )
        scores.append(2 * len(guessed & true) / (len(guessed) + len(true)))
    assert chapters.best_constant(task, "de", "test", 40) == pytest.approx(max(scores)) and max(scores) > 0


def entities(tags):
    """Begin, end and type of the entities of a sentence, as CoNLL's evaluation reads IOB2 tags."""
    begin, kind = None, ""
    for place, tag in enumerate([*tags, "O"]):
        if begin is not None and tag != f"I-{kind}":
            yield begin, place, kind
            begin = None
        if tag != "O" and begin is None:
            begin, kind = place, tag[2:]


def test_what_a_paper_says_against_itself_is_that_of_the_tables_of_the_page():
    shown = text(chapters.own_contradictions("anonymous2021frustratingly", {10}))
    rows = {row.id: row for row in published.contradictions()}
    assert all(re.sub(r"\s+", " ", rows[name].sentence) in html.unescape(shown) for name in ("panx", "settings-differ"))
    assert rows["korean"].sentence not in html.unescape(shown) and "printed 60" not in shown
    assert "printed 60" in text(chapters.own_contradictions("anonymous2021frustratingly", {3}))
    assert "Table" not in text(chapters.own_contradictions("stickland2021regularising", {3}))


def test_a_constant_tag_is_scored_as_any_tagger():
    task = TASKS["mini-wikiann"]
    name = task.labels.index("B-PER")
    rows = TaggedRows((("a", "b", "c"), ("d",)), ((name, 0, 0), (name,)))
    assert task.labels[0] == "O" and chapters.constant_tag(task, rows, 0) == {"f1": 0.0, "accuracy": 50.0}
    # four names of one word, two of them right, of two
    assert chapters.constant_tag(task, rows, name) == {"f1": pytest.approx(200 / 3), "accuracy": 50.0}


def test_a_page_warns_where_no_model_is_better_than_the_commonest_answer():
    low, high = Interval(0.6, 0.52, 0.68, 100), Interval(0.7, 0.62, 0.78, 100)
    assert chapters.unlearnt([low, high], 0.55, "en") is None
    warning = chapters.unlearnt([low], 0.55, "en (vanilla)")
    assert 'class="admonition warning"' in warning.data and "highest accuracy is 60.0%" in text(warning)
    assert "better in en (vanilla) than to give the commonest answer always, right in 55.0%" in text(warning)


def test_scores_are_accuracy_of_sentences_and_f1_of_words():
    def of(task, **values):
        names = {"task": task, "seed": 0}
        return [names | {"measure": m, "language": "de", "value": v, "stderr": v / 10} for m, v in values.items()]

    rows = [*of("mini-xnli", accuracy=0.7, loss=2.0), *of("mini-wikiann", accuracy=0.9, f1=0.4)]
    found = SimpleNamespace(frame=pd.DataFrame(rows), names=("task", "seed"))
    table = chapters.score_table(found)
    assert table.loc[("mini-xnli", 0), "de"] == 0.7 and table.loc[("mini-wikiann", 0), "de"] == 0.4
    assert chapters.score_table(found, "stderr").loc[("mini-wikiann", 0), "de"] == 0.04


def test_numbers_of_the_prose_have_chosen_digits(monkeypatch):
    named = {}
    monkeypatch.setattr(chapters.say, "glue", lambda name, text, display: named.update({name: text}))
    chapters.Say("xnli")(n_models=4, best="sam")
    assert named == {"xnli-n-models": "4", "xnli-best": "sam"}
    with pytest.raises(ConfigError, match="share is 0.5; expected a text"):
        chapters.Say("xnli")(share=0.5)


def test_evidence_says_what_was_found_what_could_not_be_and_what_was_left_out(tmp_path):
    run = SimpleNamespace(key="a" * 16, config=SimpleNamespace(seed=3), manifest={"train_pairs": 3000})
    found = SimpleNamespace(runs={"one": run, "two": run}, live=frozenset({"one"}))

    def fails():
        raise AnalysisError("too few points.")

    with chapters.Evidence("tagging", found, store=tmp_path, missing="not asked for") as evidence:
        first, second, *rest = evidence.claims
        record = evidence.settle(first, fails)
        assert record.reason == "too few points."
    stored = {record.claim: record for record in ledger.load(tmp_path / "ledger")}
    assert stored.keys() == evidence.claims.keys()
    assert all(stored[claim].reason == "not asked for" for claim in (second, *rest))
    assert "not run" in evidence.tally
    with pytest.raises(ZeroDivisionError), chapters.Evidence("tagging", found, store=tmp_path) as evidence:
        evidence.settle(first, 1 / 0)
    assert not ledger.load(tmp_path / "ledger")  # an error says nothing of the other claims


def test_evidence_names_its_runs_and_seeds(tmp_path):
    run = SimpleNamespace(key="a" * 16, config=SimpleNamespace(seed=3), manifest={"train_pairs": 3000})
    found = SimpleNamespace(runs={"one": run, "two": run}, live=frozenset({"one"}))
    evidence = chapters.Evidence("objectives", found, "mini", {}, store=tmp_path)
    claim = next(name for name, one in evidence.claims.items() if one.kind == "correlation")
    record = evidence.settle(claim, Interval(0.5, 0.1, 0.8, 14))
    assert (record.seeds, record.pairs, record.live) == ((3,), (3000,), False)
    assert record.run_keys == ("a" * 16, "a" * 16)
    assert evidence.settle(claim, Interval(0.5, 0.1, 0.8, 14), ["one"]).live
    assert [row.claim.id for row in evidence.rows() if row.ours] == [claim]


def test_error_bars_contain_the_error_over_examples_and_not_only_that_over_noise():
    noisy = {
        "measure": "sharpness_difference",
        "stderr": 0.03,
        "stderr_kind": "noise",
        "extra": {"stderr_examples": 0.4},
    }
    one_draw = noisy | {"stderr": 0.4, "stderr_kind": "examples"}
    other = {"measure": "accuracy", "stderr": 0.02, "stderr_kind": "examples", "extra": {}}
    both, *same = chapters.with_both_errors([noisy, one_draw, other])
    assert both["stderr"] ** 2 == pytest.approx(0.03**2 + 0.4**2) and both["stderr_kind"] == "both"
    assert same == [one_draw, other] and noisy["stderr"] == 0.03


def recorded(seeds, size=10_000):
    """Rows as of records.recorded: two languages of each of these models."""
    about = [{"key": f"{seed:016x}", "seed": seed, "train_size": size} for seed in seeds for _ in range(2)]
    return pd.DataFrame(about, columns=["key", "seed", "train_size"])


def test_records_of_real_models_are_a_row_of_their_own_beside_that_of_the_miniature(tmp_path):
    run = SimpleNamespace(key="a" * 16, config=SimpleNamespace(seed=3), manifest={"train_pairs": 3000})
    found = SimpleNamespace(runs={"one": run}, live=frozenset({"one"}))
    with chapters.Evidence("objectives", found, "mini", {}, store=tmp_path) as evidence:
        both, real, *_ = (name for name, one in evidence.claims.items() if one.kind == "correlation")
        evidence.settle(both, Interval(0.5, 0.1, 0.8, 14))
        evidence.settle_recorded(both, Interval(0.7, 0.4, 0.9, 14), recorded([1, 0]))
        evidence.settle_recorded(real, ledger.of(Interval(0.6, 0.2, 0.9, 14)), recorded([0]))
        with pytest.raises(ledger.LedgerError, match="no recorded rows"):
            evidence.settle_recorded(real, Interval(0.6, 0.2, 0.9, 14), recorded([]))
        with pytest.raises(ledger.LedgerError, match="run by the chapter"):
            evidence.settle_recorded("l2-t2-ewc", ledger.share([0.5]), recorded([0]))
    kept = [r for r in ledger.load(tmp_path / "ledger") if not r.reason]
    assert [(r.claim, r.scale, r.value, r.seeds, r.pairs, r.live) for r in kept] == [
        (both, "miniature", 0.5, (3,), (3000,), True),
        (both, "real data", 0.7, (0, 1), (10_000,), False),
        (real, "real data", 0.6, (0,), (10_000,), False),
    ]
    assert kept[1].run_keys == ("0" * 16, "0" * 15 + "1")
    assert [(row.claim.id, row.scale) for row in evidence.rows() if row.ours] == [(r.claim, r.scale) for r in kept]
    assert '<th scope="col">scale</th>' in evidence.table().data and "<td>real data</td>" in evidence.table().data
    joints = {joint.id: joint for joint in ledger.joined(ledger.rows(ledger.load(tmp_path / "ledger")))}
    assert joints[f"{both}-real-data"].row.ours == "0.700 [0.400, 0.900]" and joints[f"{both}-miniature"].scale


def test_what_was_run_is_read_from_the_first_model():
    config = SimpleNamespace(model="a/b", epochs=3, lr=1e-3, clip=1.0, seed=3)
    run = SimpleNamespace(config=config, manifest={"train_pairs": 3000, "steps": 282})
    other = SimpleNamespace(config=SimpleNamespace(seed=1), manifest={})
    found = SimpleNamespace(runs={"one": run, "two": other}, live=frozenset({"one"}))
    shown = text(chapters.run_table(found, EWC_own="fr, sw"))
    for cell in (
        "encoder a/b",
        "3,000 examples, 3 epochs, 282 steps",
        "learning rate 0.001",
        "seeds 1, 3",
        "EWC own fr, sw",
    ):
        assert cell in shown
    assert "2 models, 1 of them live" in shown


def test_the_pairs_of_an_ordering_are_settled_by_name(tmp_path):
    about = {"config": SimpleNamespace(seed=3), "manifest": {"train_pairs": 3000}}
    runs = {name: SimpleNamespace(key=name * 16, **about) for name in "abc"}
    found = SimpleNamespace(runs=runs, live=frozenset("ab"))
    evidence = chapters.Evidence("frozen", found, "mini", {}, store=tmp_path)
    size = {"baseline": 9, "adapter": 5, "bitfit": 3, "prompt": 2}

    def difference(first, second):
        gap = size[first] - size[second]
        return Interval(gap, gap - 1, gap + 1, 3)

    model = {"baseline": "a", "adapter": "b"}
    record = evidence.settle_pairs("l2-t6-xnli-en", difference, lambda name: [model.get(name, "c")])
    assert record.value == {"baseline > adapter": 4, "baseline > bitfit": 6, "baseline > prompt": 7}
    assert record.low["baseline > prompt"] == 6 and record.n == 3
    assert record.run_keys == tuple(name * 16 for name in "abc") and not record.live
    with pytest.raises(UnknownName, match="unknown claim of frozen 'l2-t6-xnl'"):
        evidence.settle_pairs("l2-t6-xnl", difference, lambda name: [])


def test_a_claim_is_judged_by_the_ledger_once_it_is_settled(tmp_path):
    run = SimpleNamespace(key="a" * 16, config=SimpleNamespace(seed=3), manifest={"train_pairs": 3000})
    found = SimpleNamespace(runs={"one": run}, live=frozenset({"one"}))
    evidence = chapters.Evidence("fisher", found, store=tmp_path)
    claim = "stickland-f1-accuracy"
    assert evidence.verdict(claim).outcome == ledger.NOT_RUN
    evidence.settle(claim, Interval(-0.8, -0.9, -0.6, 12))
    assert evidence.verdict(claim) == ledger.verdict(evidence.claims[claim], evidence.records[claim])
    assert evidence.verdict(claim).outcome == ledger.AGREES


def test_contradictions_are_said_with_what_is_chosen():
    rows = {row.id: row for row in published.contradictions()}
    names = [*rows][1::-1]  # in the order asked for
    assert chapters.conflicts(*names) == [f"{rows[n].sentence} Here: {rows[n].choice}" for n in names]
    with pytest.raises(UnknownName, match=f"unknown contradiction .*Did you mean '{names[0]}'"):
        chapters.conflicts(names[0][:-1])


def test_a_column_held_fixed_leaves_the_partial_correlation_or_none():
    assert chapters.held_fixed(OTHER, ACCURACY, [1, 2, 3, 5, 4, 0]) == analysis.partial_correlation(
        OTHER, ACCURACY, [1, 2, 3, 5, 4, 0]
    )
    assert chapters.held_fixed(OTHER, ACCURACY, OTHER) is None
