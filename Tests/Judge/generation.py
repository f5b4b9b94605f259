#!/usr/bin/env python3
"""What Hugging Face's `generate` and its filters of logits do: generation.py FOLDER writes networks as transformers_models.py does,
with what they generate as results, and as FOLDER/filters logits and what is left of them."""
import transformers_models

import torch
import transformers as hf
from safetensors.torch import save_file

NEW = 30


def filters():
    logits, seen = torch.randn(3, 50) * 4, torch.randint(0, 50, (3, 12))
    process = hf.generation.logits_process
    found = {
        "repetition": process.RepetitionPenaltyLogitsProcessor(1.7)(seen, logits.clone()),
        "temperature": process.TemperatureLogitsWarper(0.6)(seen, logits.clone()),
        "topK": process.TopKLogitsWarper(7)(seen, logits.clone()),
        "topP": process.TopPLogitsWarper(0.8)(seen, logits.clone()),
        "minP": process.MinPLogitsWarper(0.05)(seen, logits.clone()),
    }
    everything = hf.LogitsProcessorList([
        process.RepetitionPenaltyLogitsProcessor(1.2), process.TemperatureLogitsWarper(0.9), process.TopKLogitsWarper(20),
        process.TopPLogitsWarper(0.95), process.MinPLogitsWarper(0.02)])
    return found | {"all": everything(seen, logits.clone()), "logits": logits, "seen": seen}


def generated(model):
    prompt = torch.randint(1, 97, (1, 11))
    lengths = [11, 4, 7]
    batch, mask = torch.zeros(3, 11, dtype=torch.long), torch.zeros(3, 11, dtype=torch.long)
    for row, length in enumerate(lengths):
        batch[row, 11 - length:], mask[row, 11 - length:] = torch.randint(1, 97, (length,)), 1
    quiet = dict(max_new_tokens=NEW, pad_token_id=0, eos_token_id=None)

    def call(tokens, mask, **options):
        with torch.no_grad():
            return model.generate(tokens, attention_mask=mask, **(quiet | options))[:, tokens.size(1):].clone()

    ones = torch.ones_like(prompt)
    greedy = call(prompt, ones, do_sample=False)
    # A token that comes late for the first time.
    first = {int(token): place for place, token in reversed(list(enumerate(greedy[0])))}
    stop = max(first, key=first.get)
    found = {
        "prompt": prompt, "batch": batch, "lengths": torch.tensor(lengths), "greedy": greedy,
        "penalised": call(prompt, ones, do_sample=False, repetition_penalty=1.3),
        "greedy_batch": call(batch, mask, do_sample=False),
        "stop": torch.tensor([stop]), "stopped": call(prompt, ones, do_sample=False, eos_token_id=stop),
    }
    torch.manual_seed(7)
    found["sampled"] = call(batch, mask, do_sample=True, temperature=0.8, top_k=30, top_p=0.9)
    torch.manual_seed(8)
    found["sampled_min_p"] = call(prompt, ones, do_sample=True, temperature=1.3, top_k=0, min_p=0.03)
    return found


def answer(name, folder, seed):
    if name == "filters":
        results = filters()
    else:
        model = transformers_models.network(name)
        transformers_models.save(model, folder)
        results = generated(model)
    results["seed"] = torch.tensor(seed)
    save_file({key: value.clone().contiguous() for key, value in results.items()}, f"{folder}/results.safetensors")


if __name__ == "__main__":
    transformers_models.main(answer, ["filters", "gpt2", "llama_grouped", "qwen3"])
