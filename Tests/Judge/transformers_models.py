#!/usr/bin/env python3
"""What Hugging Face's networks compute: transformers_models.py FOLDER writes, of every network, FOLDER/NAME/config.json,
FOLDER/NAME/state.safetensors (a random state dict) and FOLDER/NAME/results.safetensors (input, mask where there is one, and the
output in double precision)."""
import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
# Not asked for: one that was built for another torch would keep transformers from starting.
sys.modules["torchvision"] = None
import torch
import transformers as hf
from safetensors.torch import save_file

VOCAB = 97
BERT = dict(
    vocab_size=VOCAB, hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=80,
    max_position_embeddings=40, num_labels=3)
T5 = dict(vocab_size=VOCAB, d_model=48, d_kv=16, d_ff=80, num_layers=2, num_heads=4)
LLAMA = dict(
    vocab_size=VOCAB, hidden_size=48, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=4, intermediate_size=80,
    max_position_embeddings=2048, rope_theta=10000.0)
LLAMA3 = dict(
    rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=64)


def scaled(**scaling):
    """The configuration's names before and since version 5 of transformers."""
    if "rope_parameters" in hf.LlamaConfig().to_dict():
        return {"rope_parameters": {"rope_theta": 10000.0, **scaling}}
    return {"rope_scaling": scaling}


NETWORKS = {
    "bert": (hf.BertModel, hf.BertConfig, BERT),
    "bert_mlm": (hf.BertForMaskedLM, hf.BertConfig, BERT),
    "bert_classifier": (hf.BertForSequenceClassification, hf.BertConfig, BERT),
    "gpt2": (hf.GPT2LMHeadModel, hf.GPT2Config, dict(vocab_size=VOCAB, n_positions=160, n_embd=48, n_layer=3, n_head=4)),
    "t5": (hf.T5ForConditionalGeneration, hf.T5Config, T5),
    "t5_gated": (hf.T5ForConditionalGeneration, hf.T5Config, T5 | dict(
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, num_decoder_layers=3)),
    "llama": (hf.LlamaForCausalLM, hf.LlamaConfig, LLAMA),
    "llama_grouped": (hf.LlamaForCausalLM, hf.LlamaConfig, LLAMA | dict(
        num_key_value_heads=2, attention_bias=True, mlp_bias=True, head_dim=16) | scaled(**LLAMA3)),
    "llama_linear": (hf.LlamaForCausalLM, hf.LlamaConfig, LLAMA | scaled(rope_type="linear", factor=3.0)),
    "llama_yarn": (hf.LlamaForCausalLM, hf.LlamaConfig, LLAMA | scaled(**YARN)),
    "qwen2": (hf.Qwen2ForCausalLM, hf.Qwen2Config, LLAMA | dict(num_key_value_heads=1)),
    "qwen3": (hf.Qwen3ForCausalLM, hf.Qwen3Config, LLAMA | dict(
        num_key_value_heads=2, head_dim=16, tie_word_embeddings=True)),
}


def network(name):
    """With random weights under which neither scores nor logits are nearly equal, and no dropout."""
    make, config, sizes = NETWORKS[name]
    model = make(config(**sizes)).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.dim() < 2:
                is_scale = "weight" in key and ("norm" in key.lower() or "ln_" in key)
                parameter.uniform_(0.5, 1.5) if is_scale else parameter.normal_(std=0.1)
            else:
                parameter.normal_(std=0.1 if name.startswith("t5") else 0.25)
    return model


def save(model, folder):
    """As published files are: tied weights once."""
    state, seen = {}, set()
    for key, value in model.state_dict().items():
        if value.data_ptr() not in seen:
            state[key] = value.clone().contiguous()
        seen.add(value.data_ptr())
    save_file(state, f"{folder}/state.safetensors")
    with open(f"{folder}/config.json", "w") as file:
        json.dump(model.config.to_dict(), file)


def answer(name, folder, seed):
    model = network(name)
    save(model, folder)
    wide = model.double()
    results = {"seed": torch.tensor(seed)}
    if name.startswith("bert"):
        tokens, types = torch.randint(1, VOCAB, (3, 21)), torch.randint(0, 2, (3, 21))
        mask = torch.arange(21)[None] < torch.tensor([21, 9, 14])[:, None]
        with torch.no_grad():
            found = wide(tokens, attention_mask=mask.long(), token_type_ids=types)
        results |= {"input": tokens, "types": types, "mask": mask.long()}
        results |= {key: found[key] for key in ("last_hidden_state", "pooler_output", "logits") if key in found}
    elif name.startswith("t5"):
        tokens, outputs = torch.randint(1, VOCAB, (2, 150)), torch.randint(1, VOCAB, (2, 140))
        mask = torch.arange(150)[None] < torch.tensor([150, 60])[:, None]
        with torch.no_grad():
            found = wide(tokens, attention_mask=mask.long(), decoder_input_ids=outputs)
        results |= {"input": tokens, "mask": mask.long(), "outputs": outputs, "logits": found.logits}
    else:
        tokens = torch.randint(0, VOCAB, (2, 150))
        with torch.no_grad():
            results |= {"input": tokens, "logits": wide(tokens).logits}
    save_file({key: value.clone().contiguous() for key, value in results.items()}, f"{folder}/results.safetensors")


def main(write=answer, names=NETWORKS):
    for name in names:
        folder = os.path.join(sys.argv[-1], name)
        os.makedirs(folder, exist_ok=True)
        seed = int.from_bytes(os.urandom(4), "little")
        torch.manual_seed(seed)
        write(name, folder, seed)


if __name__ == "__main__":
    main()
