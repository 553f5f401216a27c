r"""Soft prompts: trained vectors in front of the embedded text [lester2021prompt].

.. math:: [e_1, \ldots, e_T] \leftarrow [p_1, \ldots, p_P, e_1, \ldots, e_T]

The vectors are PEFT's ``PromptEmbedding``, and where its wrapper is right the logits are the same. Its wrapper itself
is not used. It leaves the heads of XLM and mT5 frozen, cannot wrap mT5's classifier, drops explicit positions with a
warning at every call (and the rows of positions that are then broadcast break every method that looks at the gradient
of one example), returns logits for the prompt's places in tagging, and renames every parameter.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from xlgen.core.coerce import settle
from xlgen.models.tuning.base import TUNINGS, does_not_apply, freeze


@TUNINGS.register("prompt")
@dataclass(frozen=True)
class Prompt:
    """Train vectors in front of the embedded text, and the head; the rest is frozen.

    The text keeps its segments and moves up by ``tokens`` places; the prompt has segment 0 and is never masked. As in
    PEFT the prompt comes before everything, also before [CLS]: a head that reads the first place reads the first
    vector's. In mT5 the prompt goes to the encoder, and the decoder attends to it.

    Attributes:
        tokens: number P of vectors, >= 1; 20 in the L2/EWC paper (table 16, with learning rate 0.01). The longest
            text that the model can take is shorter by as much.
        from_vocabulary: start from the embeddings of sub-words drawn from the vocabulary, as lester2021prompt
            recommend, rather than from standard normal numbers, which are far from any embedding.
    """

    inserts: ClassVar[bool] = True
    lr: ClassVar[float | None] = 1e-2

    tokens: Annotated[int, Field(ge=1, description="a number of vectors >= 1, such as 20")] = 20
    from_vocabulary: bool = True

    def __post_init__(self):
        settle(self)

    @property
    def positions(self) -> int:
        return self.tokens

    def apply(self, model: nn.Module) -> nn.Module:
        freeze(model)
        stack, decoder = _stacks(model)
        if "inputs_embeds" not in inspect.signature(stack.forward).parameters:
            raise does_not_apply("prompt", model, "its encoder does not take embedded texts")
        stack.soft_prompt = self._vectors(stack.get_input_embeddings()).train(stack.training)
        stack.register_forward_pre_hook(_prepend, with_kwargs=True)
        if decoder is not None:
            decoder.register_forward_pre_hook(_attend, with_kwargs=True)
        model.register_forward_hook(_drop, with_kwargs=True)
        return model

    def _vectors(self, words: nn.Embedding) -> nn.Module:
        from peft import PromptEmbedding, PromptTuningConfig

        config = PromptTuningConfig(
            num_virtual_tokens=self.tokens,
            token_dim=words.embedding_dim,
            num_transformer_submodules=1,
            prompt_tuning_init="SAMPLE_VOCAB" if self.from_vocabulary else "RANDOM",
        )
        return PromptEmbedding(config, words)


def _stacks(model: nn.Module) -> tuple[nn.Module, nn.Module | None]:
    """The module that embeds the text, and the decoder that attends to its output, if there is one."""
    from transformers import PreTrainedModel

    base = model.base_model
    # an encoder-decoder embeds in its two stacks, models of BERT's kind in the base itself
    encoder, decoder = getattr(base, "encoder", None), getattr(base, "decoder", None)
    if not isinstance(encoder, PreTrainedModel):
        return base, None
    return encoder, decoder


def _prepend(stack: nn.Module, args: tuple, kwargs: Mapping[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """Embed the text, put the prompt in front of it, and make everything else that comes with the text as long."""
    (ids,) = args or (kwargs["input_ids"],)
    inputs, prompt = {key: value for key, value in kwargs.items() if key != "input_ids"}, stack.soft_prompt
    size = prompt.embedding.num_embeddings
    places = torch.arange(size, device=ids.device).repeat(len(ids), 1)  # (B, P)
    inputs["inputs_embeds"] = torch.cat([prompt(places), stack.get_input_embeddings()(ids)], dim=1)
    for key, value in (("attention_mask", 1), ("token_type_ids", 0)):
        if inputs.get(key) is not None:
            inputs[key] = F.pad(inputs[key], (size, 0), value=value)
    if inputs.get("position_ids") is not None:
        inputs["position_ids"] = torch.cat([places, inputs["position_ids"] + size], dim=1)
    return (), inputs


def _attend(_decoder: nn.Module, args: tuple, kwargs: Mapping[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """Let the decoder see the prompt's places of the encoder's output."""
    inputs = dict(kwargs)
    if inputs.get("encoder_attention_mask") is not None:
        size = inputs["encoder_hidden_states"].shape[1] - inputs["encoder_attention_mask"].shape[1]
        inputs["encoder_attention_mask"] = F.pad(inputs["encoder_attention_mask"], (size, 0), value=1)
    return args, inputs


def _drop(_model: nn.Module, _args: tuple, kwargs: Mapping[str, Any], output: Any) -> Any:
    """In tagging, leave out the logits of the prompt's places."""
    if output.logits.ndim == 3:
        output.logits = output.logits[:, -kwargs["input_ids"].shape[1] :]
    return output
