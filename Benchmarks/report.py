#!/usr/bin/env python3
"""The table in README.md from results.json: `report.py` writes it anew. compare.py --update records what it measures and does the same."""
import json
import os

from torch_workloads import SECONDS, UNITS

FOLDER = os.path.dirname(os.path.abspath(__file__))
RESULTS, README = os.path.join(FOLDER, "results.json"), os.path.join(FOLDER, "README.md")
BEGIN, END = "<!-- the table: python3 Benchmarks/report.py -->", "<!-- the end of the table -->"
LOWER_IS_BETTER = {*SECONDS, "MB"}
# The ratios that this project asks of itself; part of a name stands for all that contain it.
AIMS = {
    "gemm_f32_512": 0.95, "gemm_f32_1024": 0.95, "gemm_f32_2048": 0.95, "gemm_bf16_1024": 4, "gemv_": 1, "ew_add_16M": 2,
    "ew_chain_16M": 5, "ew_chain_1M": 3, "ew_exp_1M": 1, "ew_tanh_1M": 1, "sum_all_16M": 1, "sum_last_4096x4096": 1,
    "sum_first_4096x4096": 1.5, "softmax_4096x1024": 1.4, "layernorm_fwd_": 1.05, "layernorm_fwdbwd_": 1.3,
    "xent_fwdbwd_4096x32000": 5, "overhead_": 4, "conv3x3_32x64x56x56_64_fwdbwd": 1.5, "conv3x3_32x64x56x56_64_fwd": 1.8,
    "conv7x7s2_8x3x224x224_64_fwdbwd": 1.2, "conv7x7s2_8x3x224x224_64_fwd": 1.05, "convdw3x3_": 2, "mlp_train": 1.6,
    "lenet_train": 2, "rss_gpt_baby_train": 2, "gpt_baby_train": 1.25, "rss_resnet18": None, "resnet18_train_b8": 1.3,
    "resnet18_infer_b1": 1.4, "sdpa_causal_8x6x256x64": 1.7, "sdpa_4x8x1024x64": 1.4, "conv1d_": 1, "convt4x4s2_": 1, "groupnorm_": 1,
    "bilinear2x_": 1, "lstm_": 1, "sort_1M": 1, "topk": 1, "gather_": 1, "scatter_add_": 1, "index_select_": 1, "gpt2_prefill256": 1.2,
    "bert_base_infer_8x128": 1.1, "gpt2_decode_bf16": 1.8, "gpt2_decode": 1.1, "load_minilm_safetensors": 1, "load_minilm_pth": 2,
}


def aim(name):
    return next((value for part, value in AIMS.items() if part in name), None)


def ratio(unit, ours, theirs):
    """Above 1 where Flambeau is ahead; nil where a side is missing."""
    if ours is None or theirs is None:
        return None
    return theirs / ours if unit in LOWER_IS_BETTER else ours / theirs


def number(value):
    return "" if value is None else f"{value:.4g}" if value < 1000 else f"{value:.0f}"


def read():
    if not os.path.exists(RESULTS):
        return {}
    with open(RESULTS) as file:
        return json.load(file)


def record(name, threads, medians, fraction, rounds):
    """Keeps what was measured: `medians` has a column's title → a median."""
    results = read()
    kept = results.setdefault(name, {}).setdefault(str(threads), {})
    kept |= {title: value for title, value in medians.items() if value is not None} | {"rounds": rounds}
    if fraction is not None:
        kept["of limit"] = fraction
    with open(RESULTS + ".new", "w") as file:
        json.dump({name: results[name] for name in UNITS if name in results}, file, indent=1)
        file.write("\n")
    os.replace(RESULTS + ".new", RESULTS)


def table(results):
    titles = ["workload", "unit", "Flambeau", "torch", "ratio", "aim", "one thread", "tuned malloc", "of limit"]
    lines = [f"| {' | '.join(titles)} |", "|---|---|" + "---:|" * (len(titles) - 2)]
    for name, unit in UNITS.items():
        two, one = (results.get(name, {}).get(threads, {}) for threads in ("2", "1"))
        ours = two.get("Flambeau")
        ratios = [ratio(unit, ours, two.get("torch")), ratio(unit, one.get("Flambeau"), one.get("torch")),
                  ratio(unit, ours, two.get("torch, tuned malloc"))]
        first, alone, tuned = ("" if value is None else f"{value:.2f}" for value in ratios)
        wanted, share = aim(name), two.get("of limit")
        cells = [name, unit, number(ours), number(two.get("torch")), first, "" if wanted is None else f"{wanted:g}", alone, tuned,
                 "" if share is None else f"{share:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def missed(results):
    """Names, ratios and aims of what falls short at two threads."""
    found = []
    for name, unit in UNITS.items():
        two = results.get(name, {}).get("2", {})
        reached, wanted = ratio(unit, two.get("Flambeau"), two.get("torch")), aim(name)
        if reached is not None and wanted is not None and reached < wanted:
            found.append(f"{name} ({reached:.2f} of {wanted:g})")
    return found


def write():
    results = read()
    short = missed(results)
    summary = f"Short of the aim: {', '.join(short)}." if short else "Every aim is met."
    with open(README) as file:
        text = file.read()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    with open(README, "w") as file:
        file.write(f"{before}{BEGIN}\n{summary}\n\n{table(results)}\n{END}{after}")


if __name__ == "__main__":
    write()
