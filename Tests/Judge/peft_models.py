#!/usr/bin/env python3
"""What PEFT's LoRA computes: peft_models.py make FOLDER writes networks as transformers_models.py does, with an adapter of each
(FOLDER/NAME/adapter); peft_models.py open FOLDER opens the adapters that were written to FOLDER/NAME/ours on the networks in
FOLDER/NAME/state.safetensors and writes FOLDER/NAME/opened.safetensors."""
import sys

import transformers_models

import peft
import torch
from safetensors.torch import load_file, save_file

TARGETS = {"bert": ["query", "value", "output.dense"], "gpt2": ["c_attn", "mlp.c_fc"]}


def output(model, tokens):
    with torch.no_grad():
        found = model(tokens)
    return (found.logits if "logits" in found else found.last_hidden_state).contiguous()


def make(name, folder, seed):
    base = transformers_models.network(name)
    transformers_models.save(base, folder)
    tokens = torch.randint(1, 97, (2, 20))
    plain = output(base, tokens)
    model = peft.get_peft_model(base, peft.LoraConfig(
        r=4, lora_alpha=12, target_modules=TARGETS[name], fan_in_fan_out=name == "gpt2")).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "lora_" in key:
                parameter.normal_(std=0.2)
    model.save_pretrained(f"{folder}/adapter")
    save_file(
        {"input": tokens, "plain": plain, "output": output(model, tokens), "seed": torch.tensor(seed)},
        f"{folder}/results.safetensors")


def reopen(name, folder, _):
    base = transformers_models.network(name)
    base.load_state_dict(load_file(f"{folder}/state.safetensors"), strict=False)
    base.tie_weights()
    tokens = load_file(f"{folder}/results.safetensors")["input"]
    model = peft.PeftModel.from_pretrained(base, f"{folder}/ours").eval()
    save_file({"output": output(model, tokens)}, f"{folder}/opened.safetensors")


if __name__ == "__main__":
    transformers_models.main({"make": make, "open": reopen}[sys.argv[1]], TARGETS)
