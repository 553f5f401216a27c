"""Settings as users type them: one meaning is one value, whatever it comes from, and everything else is refused."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import pytest
import yaml
from pydantic import Field
from tiny import ToyTask, config, options

from paper.protocols import PROTOCOLS
from xlgen import measures
from xlgen.core import coerce
from xlgen.core.coerce import AtLeast0, AtLeast1, Different, NotNegative, Positive, Setting
from xlgen.core.config import RunConfig, RunOptions, digest
from xlgen.core.errors import ConfigError, UnknownName, XlgenError
from xlgen.data.catalogue import TASKS
from xlgen.measures import MEASURES, measure, measuring, typed
from xlgen.measures.measuring import MeasureConfig
from xlgen.models.tuning import TUNINGS
from xlgen.objectives import OBJECTIVES, create
from xlgen.training.presets import build

KINDS = {
    "count": AtLeast1,
    "size": AtLeast0,
    "rate": Positive,
    "weight": NotNegative,
    "maybe": float | None,
    "seeds": Annotated[Sequence[int], *Different],
    "scales": Annotated[Sequence[NotNegative], *Different],
    "labels": Literal["model", "sample", "true"],
    "flag": bool,
    "word": str,
    "hyper": Mapping[str, object],
    "share": Annotated[float, Field(ge=0, lt=1)],
    "described": Annotated[float, Field(gt=0, description="a temperature")],
}


def read(kind: str, value: object) -> object:
    return Setting(kind, KINDS[kind]).read(value)


@pytest.mark.parametrize(
    ("kind", "spellings", "meaning"),
    [
        ("count", (3, 3.0, "3", " 3 ", "3.0", "3e0"), 3),
        ("size", (0, "0", "-0", 0.0), 0),
        ("rate", (1, 1.0, "1", "1.0", "1e0", "+1"), 1.0),
        ("rate", (0.001, "1e-3", "0.001", ".001"), 0.001),
        ("weight", (0, -0.0, "-0", "0.0"), 0.0),
        ("maybe", (None, "none", "None", "null", " NULL "), None),
        ("maybe", (1, "1"), 1.0),
        ("seeds", ("0,1", "0, 1,", "[0, 1]", "(0, 1)", [0, 1], (0.0, "1"), range(2)), (0, 1)),
        ("seeds", (4, "4", 4.0, [4], "[4]"), (4,)),
        ("scales", ("1e-3,1", [0.001, 1], "[0.001, 1]"), (0.001, 1.0)),
        ("labels", ("true", True, " true"), "true"),
        ("flag", (True, "true", "True", "yes", "on", 1, "1"), True),
        ("flag", (False, "false", "no", "off", 0, "0"), False),
        ("word", ("en", " en "), "en"),
        ("hyper", ({"rho": 0.1}, '{"rho": 0.1}', "{'rho': 0.1}"), {"rho": 0.1}),
    ],
)
def test_one_meaning_is_one_value(kind, spellings, meaning):
    for spelling in spellings:
        found = read(kind, spelling)
        # the text, because 1 == 1.0 == True and 0.0 == -0.0, and because names in the store are made of it
        assert repr(found) == repr(meaning), spelling


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("count", (0, -1, 2.5, "2.5", "", "²", "x", True, None, [1], "nan", "inf", math.inf)),
        ("rate", (0, -1, "nan", "inf", math.nan, True, None, "1,5", "x", [1])),
        ("maybe", ("", "x", True, "nan")),
        ("seeds", ("", [], "0,0", [0, 0.0], "0.5", None, True, "0;1", "[0", "[[0]]", {"a": 1})),
        ("scales", ("-1", [0.1, -1])),
        ("labels", ("True!", "tru", False, 3, None, "")),
        ("flag", ("maybe", 2, None, "")),
        ("word", (True, 3, None, ["en"])),
        ("hyper", ("rho", "rho=1", [1], None, 3, "__import__('os')", "[" * 9999)),
        ("share", (1, "1.0", -0.1)),
    ],
)
def test_what_means_something_else_is_refused_in_one_line(kind, wrong):
    for value in wrong:
        with pytest.raises(ConfigError) as raised:
            read(kind, value)
        assert f"{kind} is " in str(raised.value) and "; expected " in str(raised.value)
        assert "\n" not in str(raised.value) and "pydantic" not in str(raised.value)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        (Setting("steps", AtLeast1, 5), "2.5", "steps is '2.5'; expected a whole number >= 1, such as 5."),
        (Setting("steps", AtLeast1, 5), None, "steps is none; expected a whole number >= 1, such as 5."),
        (Setting("on", AtLeast1), True, "on is true; expected a whole number >= 1."),
        (Setting("p", KINDS["share"]), 1, "p is 1; expected a number >= 0 and < 1."),
        (Setting("t", KINDS["described"], 1.0), 0, "t is 0; expected a temperature."),
        (Setting("seeds", KINDS["seeds"], (0, 1)), "a", "different whole numbers separated by commas, such as 0, 1."),
        (Setting("scales", KINDS["scales"]), "-1", "expected different numbers >= 0 separated by commas."),
        (Setting("m", float | None), "x", "m is 'x'; expected a number, or none."),
        (Setting("labels", KINDS["labels"]), "modl", "expected 'model', 'sample' or 'true'. Did you mean 'model'?"),
    ],
)  # fmt: skip
def test_errors_say_what_was_typed_and_what_was_expected(setting, value, message):
    with pytest.raises(ConfigError) as raised:
        setting.read(value)
    assert message in str(raised.value)


# Measures


@pytest.mark.parametrize("name", [*MEASURES])
def test_a_measures_defaults_are_of_the_types_that_it_declares(name):
    defaults = measures.settings_of(name)
    found = typed(name, {})
    assert [*found] == [*defaults]
    assert json.dumps(found) == json.dumps(defaults)
    assert json.dumps(typed(name, {k: str(v) for k, v in defaults.items()})) == json.dumps(defaults)


@pytest.mark.parametrize(
    ("name", "text", "settings"),
    [
        ("sharpness_difference", "{noise_scale: 1e-3, noise_seeds: 0}", {"noise_scale": 0.001, "noise_seeds": (0,)}),
        ("sharpness_difference", "{n: 1, lam: '1', project: no}", {"n": 1.0, "lam": 1.0, "project": False}),
        ("fisher_trace", "{labels: true, examples: 8}", {"labels": "true", "examples": 8}),
        ("sharpness_difference", "{noise_seeds: [1, 2.0]}", {"noise_seeds": (1, 2)}),
    ],
)
def test_settings_from_yaml_mean_what_they_say(name, text, settings):
    found = typed(name, yaml.safe_load(text))
    assert {key: found[key] for key in settings} == settings


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("sharpness_alpha", "{steps: 2.5}", "sharpness_alpha.steps is 2.5; expected a whole number >= 1, such as 5."),
        ("sharpness_alpha", "{steps: null}", "sharpness_alpha.steps is none"),
        ("sharpness_alpha", "{steps: yes}", "sharpness_alpha.steps is true"),
        ("sharpness_difference", "{noise_seeds: [0, 0]}", "sharpness_difference.noise_seeds is [0, 0]"),
        ("sharpness_difference", "{noise_scale: -1e-3}", "sharpness_difference.noise_scale is '-1e-3'"),
        ("sharpness_alpha", "{criterion: los_deviation}", "Did you mean 'loss_deviation'?"),
        ("sharpness_alpha", "{step: 3}", "Did you mean 'steps'?"),
        ("margin", "{step: 3}", "'margin' has no settings; 'step' was given."),
        ("frechet", "{source: no}", "frechet.source is false; expected a word"),
    ],
)
def test_wrong_settings_of_a_measure_are_refused_before_anything_is_computed(name, text, message):
    with pytest.raises(XlgenError) as raised:
        measure(None, ["accuracy", name], {name: yaml.safe_load(text)})
    assert message in str(raised.value)


def test_the_same_settings_have_the_same_name_in_the_store_however_they_are_spelled(tmp_path, monkeypatch):
    monkeypatch.setitem(TASKS._entries, "toy", ToyTask())
    checkpoint = measuring.Checkpoint("mini", "toy")

    def key(**settings):
        asked = MeasureConfig(("sharpness_difference",), ("en",), settings={"sharpness_difference": settings})
        (name,) = measuring.names(checkpoint, asked, options(tmp_path)).values()
        return name

    assert key() == key(n="0.05", noise_seeds="0,1,2") == key(noise_scale="1e-3", noise_seeds=[0.0, 1, 2])
    assert key(n=1) == key(n=1.0) == key(n="1") != key()


def test_protocols_spell_every_setting_in_the_way_that_it_is_stored():
    for make in PROTOCOLS:
        for asked in {id(one): one for some in PROTOCOLS[make]("mini").measures.values() for one in some}.values():
            for name in asked.names:
                given = asked.settings.get(name, {})
                assert digest(typed(name, given)) == digest(measures.settings_of(name) | dict(given)), (make, name)


def test_a_list_of_measures_or_languages_may_be_typed_as_one():
    asked = MeasureConfig.from_dict({"names": "accuracy", "languages": "de, fr", "size": "8"})
    assert (asked.names, asked.languages, asked.size) == (("accuracy",), ("de", "fr"), 8)
    for wrong in ({"settings": None}, {"settings": {"margin": None}}, {"settings": [1]}, {"names": None}):
        with pytest.raises(ConfigError):
            MeasureConfig.from_dict(wrong)


# Runs, objectives, tunings


def test_a_run_is_named_by_what_its_settings_mean():
    plain = config("mini", lr=1e-3, clip=1.0, epochs=2)
    assert plain.hash == config("mini", lr="1e-3", clip=1, epochs=2.0).hash
    assert plain.hash == RunConfig.from_dict(json.loads(json.dumps(plain.to_dict()))).hash
    assert plain.hash == build({key: str(value) for key, value in plain.to_dict().items()}).hash
    assert plain.with_(lr="0.002").lr == 0.002
    for wrong in (
        {"seed": -1},
        {"micro_batch_size": 99},
        {"dropout": 1},
        {"task": False},
        {"hyper": [1]},
        {"lr": None},
    ):
        with pytest.raises(ConfigError, match=f"^{next(iter(wrong))} is"):
            plain.with_(**wrong)


def test_options_are_read_alike():
    assert RunOptions(threads="2").threads == 2
    with pytest.raises(ConfigError, match="threads is -1; expected a whole number >= 0"):
        RunOptions(threads=-1)


@pytest.mark.parametrize("registry", [OBJECTIVES, TUNINGS], ids=["objectives", "tunings"])
def test_hyper_parameters_are_checked_wherever_they_come_from(registry):
    for kind in (registry[name] for name in registry):
        for name, setting in coerce.settings_of(kind).items():
            assert repr(getattr(kind(), name)) == repr(setting.default)
            with pytest.raises(ConfigError, match=f"^{name} is none"):
                kind(**{name: None})
    assert repr(create("sam", {"rho": 1})) == repr(create("sam", {"rho": "1"}))


def test_unknown_choices_are_both_kinds_of_error():
    for error in (ConfigError, UnknownName):
        with pytest.raises(error, match="Did you mean 'symmetric'"):
            create("rdrop", {"direction": "symetric"})
