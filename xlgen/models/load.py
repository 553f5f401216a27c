"""Load and save classifiers.

Weights are read from safetensors and nothing else, and no code that comes with a model is run: a model is data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from xlgen.core.device import seed_of
from xlgen.core.errors import ConfigError, ModelError, XlgenError, first_line
from xlgen.core.files import read_json, written
from xlgen.models import tuning as tunings
from xlgen.models.classes import class_names
from xlgen.models.configuration import AGAIN, configuration
from xlgen.models.families import kind_of
from xlgen.models.locate import locate
from xlgen.models.messages import quiet

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


def load_classifier(
    name: str,
    n_labels: int,
    *,
    seed: int,
    eager: bool = False,
    dropout: float | None = None,
    kind: str = "sequence",
    tuning: str = "full",
    tuning_hyper: Mapping[str, Any] | None = None,
) -> PreTrainedModel:
    """A pretrained encoder with a new classification head, in ``eval()`` mode, float32, on the CPU.

    Args:
        name: ``"mini"``, a folder, or a hub id.
        n_labels: classes of the head.
        seed: of the new weights (head, the pooler where the checkpoint has none, and those that the tuning inserts);
            torch's global generator is neither read nor moved.
        eager: use attention that can be differentiated twice, rather than the fused kernels.
        dropout: probability of every dropout of the model; ``None`` keeps its own.
        kind: ``"sequence"`` labels texts (B, C), ``"token"`` their sub-words (B, T, C).
        tuning: what is trained, a name in :data:`xlgen.models.tuning.TUNINGS`; the head and all other new weights
            always are.
        tuning_hyper: the tuning's hyper-parameters.

    Raises:
        ModelError: as :func:`locate`; or it is not an encoder that can classify, or the tuning does not apply to it.
        UnknownName: no such tuning or hyper-parameter.
    """
    method = tunings.create(tuning, tuning_hyper)
    model, fresh = _load(name, n_labels, seed=seed, kind=kind, eager=eager, dropout=dropout)
    if method.inserts and tunings.of(model).inserts:
        raise ModelError(
            f"{name!r} was tuned with {model.config.xlgen_tuning['name']!r} before; go on with tuning 'full' or "
            "'bitfit', or start from the pretrained model."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("tuning", seed))
        model = method.apply(model)
    for key, p in model.named_parameters():
        if key in fresh:
            p.requires_grad = True
    if method.inserts:
        model.config.xlgen_tuning = {"name": tuning, **asdict(method)}
    return model


def load_finetuned(name: str, n_labels: int, *, eager: bool = True, kind: str = "sequence") -> PreTrainedModel:
    """A fine-tuned classifier, whatever its tuning, in ``eval()`` mode, float32, on the CPU.

    Raises:
        ModelError: as :func:`load_classifier`; or weights are missing, such as the head's, or the head has another
            number of classes.
    """
    model, fresh = _load(name, n_labels, seed=0, kind=kind, eager=eager)
    if fresh:
        written = read_json(locate(name) / "config.json", AGAIN)
        made, stored = type(model).__name__, written.get("architectures") or ()
        classes = class_names(written, name) or [*(written.get("id2label") or {}).values()]
        lacks = f"lacks {len(fresh)} weights of a classifier with {n_labels} classes ({min(fresh)}, …)"
        if stored and made not in stored:
            lacks = f"has the head of {', '.join(stored)}, and no {made}"
        elif classes and len(classes) != n_labels:
            few = f"{', '.join(map(str, classes[:9]))}{', …' * (len(classes) > 9)}"
            lacks = f"has a head of {len(classes)} classes ({few}), and the task {n_labels}"
        raise ModelError(f"{name!r} {lacks}; expected a checkpoint fine-tuned on the task.")
    return model


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a Hugging Face folder that :func:`load_finetuned` and :func:`load_tokenizer` read.

    Other programs can read it too; but where the tuning has inserted modules they leave those out (transformers warns
    of weights that are not used), and compute something else.
    """
    with quiet(), written(folder):
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def pretrained(kind: type, name: str, what: str, check: Callable[[PretrainedConfig], None]) -> tuple[Any, dict]:
    """A pretrained model as it is, float32, on the CPU, and what transformers says of its weights.

    Args:
        kind: a class of transformers such as ``AutoModel``.
        name: ``"mini"``, a packaged encoder, a folder or a hub id.
        what: is expected, in words.
        check: refuses a configuration by a :class:`~xlgen.core.errors.ModelError`.

    Raises:
        ModelError: as :func:`xlgen.models.locate` and ``check``; or the model cannot be loaded as such.
    """
    folder = locate(name)
    try:
        with quiet(), torch.random.fork_rng(devices=[]):
            config, _ = configuration(folder, name)
            check(config)
            return kind.from_pretrained(
                folder,
                config=config,
                attn_implementation=None,  # not what config.json may name: all compute the same function
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except (OSError, ValueError, ImportError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{name!r} cannot be loaded as {what}: {first_line(error)}") from None
    except XlgenError:
        raise
    except Exception as error:  # what a strange value raises has no base class below
        raise _strange(folder, error) from None


def pretrained_weights(name: str, model: nn.Module) -> dict[str, Tensor]:
    """The weights that fine-tuning started from, by the parameter names of ``model``.

    Args:
        name: the pretrained model, as in :func:`load_classifier`.
        model: the fine-tuned classifier.

    Returns:
        Tensors on the CPU. Parameters that the pretrained checkpoint lacks, such as the new head's and those that a
        tuning has inserted, are absent.

    Raises:
        ModelError: as :func:`load_classifier`; or no parameter has the same name and shape in both.
    """
    before, fresh = _load(name, model.config.num_labels, seed=0, kind=kind_of(model), head=False)
    shapes = {key: weight.shape for key, weight in model.named_parameters()}
    weights = {
        key: weight.detach()
        for key, weight in before.named_parameters()
        if key not in fresh and shapes.get(key) == weight.shape
    }
    if not weights:
        raise ModelError(f"no weight of {name!r} has the name and shape of one of the fine-tuned model.")
    return weights


def _load(
    name: str,
    n_labels: int,
    *,
    seed: int,
    kind: str,
    eager: bool = False,
    dropout: float | None = None,
    head: bool = True,
) -> tuple[PreTrainedModel, set[str]]:
    """The classifier as it was stored, tuning included, and the names of its parameters that the checkpoint lacks.

    Its configuration names the classes of a stored head as config.json does, and those of a new one LABEL_0… Without
    ``head`` a stored one is of no interest, whatever it is for.
    """
    from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

    heads = {"sequence": AutoModelForSequenceClassification, "token": AutoModelForTokenClassification}
    if kind not in heads:
        raise ConfigError(f"kind is {kind!r}; expected 'sequence' or 'token'.")
    folder = locate(name)
    try:
        with quiet(), torch.random.fork_rng(devices=[]):
            config, written = configuration(folder, name, num_labels=n_labels)
            if getattr(config, "pad_token_id", None) is None:
                config.pad_token_id = _padding(folder)
            config.problem_type = None  # a loss is never asked of the model; see _check_head for the logits
            if dropout is not None:
                _set_dropout(config, dropout)
            torch.manual_seed(seed)
            model, info = heads[kind].from_pretrained(
                folder,
                config=config,
                attn_implementation="eager" if eager else None,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
            names = {key for key, _ in model.named_parameters()}
            fresh = names & ({*info["missing_keys"]} | {key for key, *_ in info["mismatched_keys"]})
            fresh |= _restore(tunings.of(model).apply(model), names, folder)
    except SafetensorError as error:
        raise ModelError(
            f"the weights of {name!r} are damaged or not complete ({first_line(error)}); download the model again."
        ) from None
    except (OSError, ValueError, ImportError, KeyError, RuntimeError) as error:
        raise ModelError(f"{name!r} cannot be loaded as a classifier: {first_line(error)}") from None
    except XlgenError:
        raise
    except Exception as error:  # what a strange value raises has no base class below
        raise _strange(folder, error) from None
    if len(fresh) > len(names) / 2:
        raise ModelError(
            f"the checkpoint of {name!r} has only {len(names) - len(fresh)} of {len(names)} weights "
            "that its config.json describes; correct model_type and sizes there."
        )
    check_encoder(f"{model.base_model_prefix}.", names, info, name)
    classes = None
    if head and fresh.isdisjoint(key for key, _ in tunings.head(model)):
        classes = class_names(written, name)
        _check_head(model, written, classes, name)
    config = model.config
    config.id2label = dict(enumerate(classes or (f"LABEL_{i}" for i in range(n_labels))))
    config.label2id = {label: i for i, label in config.id2label.items()}
    return model, fresh


def _padding(folder: Path) -> int | None:
    """The number of the tokenizer's padding, or ``None``.

    Classifiers that read the last place of a text look for it; added to a decoder's tokenizer it is often not in
    config.json.
    """
    from tokenizers import Tokenizer

    stated = read_json(path, AGAIN) if (path := folder / "tokenizer_config.json").is_file() else {}
    token = stated.get("pad_token")
    token = token.get("content") if isinstance(token, dict) else token
    if not token or not (file := folder / "tokenizer.json").is_file():
        return None
    return Tokenizer.from_file(str(file)).token_to_id(token)


def _strange(folder: Path, error: Exception) -> ModelError:
    return ModelError(
        f"{folder / 'config.json'} has a value that transformers cannot use ({first_line(error)}); correct it as the "
        "model was saved."
    )


def check_encoder(prefix: str, names: set[str], info: Mapping[str, Any], name: str) -> None:
    """Refuse an encoder whose weights are not those that its config.json describes; a pooler may be new.

    Args:
        prefix: of the encoder's parameters.
        names: of the model's parameters, before a tuning has inserted any.
        info: transformers' report.
        name: what the user called the model.

    Raises:
        ModelError: weights are missing, left over, or of another size: transformers would draw new ones, or leave
            whole layers out.
    """
    kinds = {re.sub(r"\.\d+\.", ".*.", key) for key in names}
    new = {*info["missing_keys"]} | {key for key, *_ in info["mismatched_keys"]}
    new = {key for key in new & names if key.startswith(prefix) and "pooler" not in key}
    bare = not any("*" in kind for kind in kinds)  # no layers, where the checkpoint has some
    left = {
        key
        for key, kind in ((key, re.sub(r"\.\d+\.", ".*.", key)) for key in info["unexpected_keys"])
        if kind in kinds or (bare and "*" in kind)
    }
    if new or left:
        what = "lacks, or has in another size" if new else "has in layers that config.json does not have"
        raise ModelError(
            f"config.json and the weights of {name!r} are of different encoders: {len(new or left)} weights "
            f"({min(new or left)}, …) that the checkpoint {what}; correct the sizes in config.json."
        )


def _check_head(model: nn.Module, written: Mapping[str, Any], classes: list[str] | None, name: str) -> None:
    """Refuse a stored head that is not one for classes, of texts or of words as the model's kind is.

    Raises:
        ModelError: it was trained for something else, or has another number of classes than names.
    """
    made, problem = type(model).__name__, written.get("problem_type") or "single_label_classification"
    if problem != "single_label_classification":
        raise ModelError(f"the head of {name!r} is for {problem}; expected one for one class of several.")
    if (stored := written.get("architectures")) and made not in stored:
        raise ModelError(f"the head of {name!r} is that of {', '.join(stored)}; expected {made}.")
    if classes is not None and len(classes) != model.config.num_labels:
        raise ModelError(
            f"the config.json of {name!r} names {len(classes)} classes ({', '.join(classes)}), its head has "
            f"{model.config.num_labels}; correct id2label and label2id."
        )


@torch.no_grad()
def _restore(model: nn.Module, names: set[str], folder: Path) -> set[str]:
    """Read the parameters that a stored tuning has added to those of ``names``; return what is not there."""
    added = {key: p for key, p in model.named_parameters() if key not in names}
    for path in folder.glob("*.safetensors") if added else ():
        with safe_open(path, framework="pt") as file:
            for key in added.keys() & set(file.keys()):
                added.pop(key).copy_(file.get_tensor(key))
    return {*added}


def _set_dropout(config, p: float) -> None:
    for key, value in config.to_dict().items():
        if "dropout" in key and (value is None or (isinstance(value, int | float) and not isinstance(value, bool))):
            setattr(config, key, p)
