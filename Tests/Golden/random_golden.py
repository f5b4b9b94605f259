"""Draws from torch's CPU generator. A case is a seed and steps played in order on one generator; `after` is the int64 that
`random_()` yields next, so a test sees that each step consumed what torch's does."""
import torch
from torch import nn
from golden_io import bits, described, dtype_name, write

SEEDS = [0, 42, 2**40 + 7]
F32, F64, F16, BF16 = torch.float32, torch.float64, torch.float16, torch.bfloat16

LAYOUTS = {
    "contiguous": lambda shape, dtype: torch.empty(shape, dtype=dtype),
    "transposed": lambda shape, dtype: torch.empty(shape[::-1], dtype=dtype).permute(*reversed(range(len(shape)))),
    "every_second": lambda shape, dtype: torch.empty(shape[:-1] + [2 * shape[-1]], dtype=dtype)[..., ::2],
    "channels_last": lambda shape, dtype: torch.empty(shape, dtype=dtype, memory_format=torch.channels_last),
}


def filled(step, fill):
    tensor = LAYOUTS[step.get("layout", "contiguous")](step["shape"], getattr(torch, step["dtype"]))
    return fill(tensor)


def made(step):
    return {"size": step["shape"], "dtype": getattr(torch, step["dtype"])}


OPS = {
    "rand": lambda s: torch.rand(**made(s)),
    "randn": lambda s: torch.randn(**made(s)),
    "randint": lambda s: torch.randint(s["low"], s["high"], **made(s)),
    "randperm": lambda s: torch.randperm(s["n"]),
    "random_": lambda s: filled(s, lambda t: t.random_()),
    "uniform_": lambda s: filled(s, lambda t: t.uniform_(s["from"], s["to"])),
    "normal_": lambda s: filled(s, lambda t: t.normal_(s["mean"], s["std"])),
    "bernoulli_": lambda s: filled(s, lambda t: t.bernoulli_(s["p"])),
    "exponential_": lambda s: filled(s, lambda t: t.exponential_(s["lambda"])),
    "bernoulli": lambda s: torch.bernoulli(torch.tensor(s["probabilities"], dtype=getattr(torch, s["dtype"]))),
    "dropout": lambda s: nn.functional.dropout(torch.ones(**made(s)), s["p"]),
    "dropout2d": lambda s: nn.functional.dropout2d(torch.ones(**made(s)), s["p"]),
    "multinomial": lambda s: torch.multinomial(
        torch.tensor(s["weights"], dtype=F32), s["n"], replacement=s["replacement"]),
    "manual_seed": lambda s: torch.manual_seed(s["seed"]) and torch.empty(0),
}


def step(op, shape=None, dtype=F32, **arguments):
    described = {"op": op, **arguments}
    if shape is not None:
        described |= {"shape": shape, "dtype": dtype_name(dtype)}
    return described


def play(name, seed, steps):
    torch.manual_seed(seed)
    played = [s | {"result": described(OPS[s["op"]](s))} for s in steps]
    return {"name": name, "seed": seed, "steps": played, "after": torch.empty((), dtype=torch.int64).random_().item()}


def scripts():
    for dtype in (F32, F64, F16, BF16):
        yield f"rand {dtype_name(dtype)}", [step("rand", [n], dtype) for n in (1, 5, 40)]
    for n in (1, 3, 15, 16, 17, 40, 1000):
        for dtype in (F32, F64) if n == 1000 else (F32, F64, F16, BF16):
            yield f"randn {n} {dtype_name(dtype)}", [step("randn", [n], dtype)]
    for layout in ("transposed", "every_second", "channels_last"):
        shape = [2, 3, 4, 5] if layout == "channels_last" else [5, 8]
        yield f"layout {layout}", [
            step("normal_", shape, F32, layout=layout, mean=0, std=1),
            step("normal_", shape, F64, layout=layout, mean=0, std=1),
            step("uniform_", shape, F32, layout=layout, **{"from": 0, "to": 1}),
            step("bernoulli_", shape, F32, layout=layout, p=0.5),
            step("random_", shape, torch.int64, layout=layout),
            step("exponential_", shape, F32, layout=layout, **{"lambda": 1.5})]
    for low, high in ((0, 100), (-5, 7), (0, 2**28 - 1), (0, 2**28), (0, 2**32 - 1), (0, 2**32), (-2**40, 2**62)):
        yield f"randint {low} {high}", [step("randint", [9], torch.int64, low=low, high=high)]
    yield "randint dtypes", [
        step("randint", [20], dtype, low=0, high=100)
        for dtype in (torch.uint8, torch.int8, torch.int16, torch.int32, F16, BF16, F32, F64)]
    yield "random_ full range", [
        step("random_", [10], dtype)
        for dtype in (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, F16, BF16, F32, F64)]
    yield "randperm", [step("randperm", n=n) for n in (0, 1, 2, 10, 1000)]
    yield "bernoulli_", [
        step("bernoulli_", [33], dtype, p=p)
        for p in (0.0, 0.25, 0.9, 1.0) for dtype in (F32, F64, BF16, torch.bool, torch.int64)]
    ramp = [i / 19 for i in range(20)]
    yield "bernoulli", [step("bernoulli", [20], dtype, probabilities=ramp) for dtype in (F32, F64, F16, BF16)]
    yield "dropout", [step("dropout", [4, 10], dtype, p=p) for p in (0.0, 0.1, 0.5, 1.0) for dtype in (F32, F64, BF16)]
    yield "dropout2d", [step("dropout2d", [3, 5, 2, 2], F32, p=0.4)]
    yield "normal_", [step("normal_", [n], dtype, mean=-1.5, std=0.02) for n in (7, 16, 35) for dtype in (F32, F64, F16, BF16)]
    yield "uniform_", [
        step("uniform_", [33], dtype, **{"from": a, "to": b})
        for a, b in ((-0.3, 0.7), (2, 5)) for dtype in (F32, F64, F16, BF16)]
    yield "exponential_", [
        step("exponential_", [20], dtype, **{"lambda": rate}) for rate in (1, 0.3) for dtype in (F32, F64, BF16)]
    weights = [1, 2, 0, 4, 0.5, 3]
    yield "multinomial", [
        step("multinomial", weights=weights, n=1, replacement=False),
        step("multinomial", weights=weights, n=5, replacement=False),
        step("multinomial", weights=weights, n=12, replacement=True),
        step("multinomial", weights=[weights, weights[::-1]], n=3, replacement=False),
        step("multinomial", weights=[weights, weights[::-1]], n=7, replacement=True)]
    # The second half of a Box-Muller pair waits for the next scalar draw, whatever comes between.
    yield "the waiting half, one dtype", [
        step("randn", [3]), step("randn", [1]), step("rand", [2]), step("randn", [15]), step("randn", [16]), step("randn", [2])]
    yield "the waiting half, two dtypes", [
        step("randn", [n], dtype) for n, dtype in ((1, F64), (1, F32), (1, F32), (2, F64), (1, BF16))]
    yield "the waiting half, seeded anew", [step("randn", [1]), step("manual_seed", seed=7), step("randn", [3])]
    yield "past a block of the twister", [
        step("rand", [700], F16), step("randint", [3], torch.int64, low=0, high=2**40), step("randn", [17])]


def states():
    """get_rng_state() as bytes after some draws, and what comes next from it."""
    draws = {"fresh": lambda: None, "three scalars": lambda: torch.randn(3), "thousand": lambda: torch.rand(1000)}
    for name, draw in draws.items():
        torch.manual_seed(SEEDS[2])
        draw()
        state = torch.get_rng_state()
        yield {"name": name, "seed": SEEDS[2], "state": bits(state),
               "randn": described(torch.randn(2)), "rand": described(torch.rand(4))}


MODULES = {
    "Linear(10, 7)": lambda: nn.Linear(10, 7),
    "Linear(3, 2, bias=False)": lambda: nn.Linear(3, 2, bias=False),
    "Conv2d(3, 8, 3)": lambda: nn.Conv2d(3, 8, 3),
    "Conv2d(4, 8, (3, 1), groups=2, bias=False)": lambda: nn.Conv2d(4, 8, (3, 1), groups=2, bias=False),
    "Embedding(10, 4)": lambda: nn.Embedding(10, 4),
    "Embedding(5, 3, padding_idx=2)": lambda: nn.Embedding(5, 3, padding_idx=2),
    "LayerNorm(6)": lambda: nn.LayerNorm(6),
    "RMSNorm(6)": lambda: nn.RMSNorm(6),
    "BatchNorm2d(4)": lambda: nn.BatchNorm2d(4),
    "MultiheadAttention(16, 4)": lambda: nn.MultiheadAttention(16, 4),
    "Sequential(Linear(4, 5), ReLU(), Linear(5, 3))": lambda: nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)),
}
INITS = {
    "xavier_uniform_": {}, "xavier_normal_": {}, "kaiming_uniform_": {"a": 0.1}, "kaiming_normal_": {"nonlinearity": "relu"},
}


def initialisations():
    for name, module in MODULES.items():
        torch.manual_seed(42)
        state = {key: described(value) for key, value in module().state_dict().items()}
        yield {"module": name, "seed": 42, "state": state, "after": torch.empty((), dtype=torch.int64).random_().item()}
    for name, arguments in INITS.items():
        torch.manual_seed(42)
        yield {"init": name, "seed": 42, "arguments": arguments,
               "result": described(getattr(nn.init, name)(torch.empty(6, 4, 3), **arguments))}


def loaders():
    """The order a DataLoader yields over two epochs, shuffling with the default generator or one it is given, or not at all."""
    for seed in SEEDS:
        for count, batch, drop, shuffle, given in (
                (10, 3, False, True, False), (10, 3, True, True, False), (100, 16, False, True, False),
                (10, 3, False, True, True), (7, 2, True, False, False), (7, 2, False, False, True)):
            generator = torch.Generator() if given else torch.default_generator
            generator.manual_seed(seed)
            loader = torch.utils.data.DataLoader(
                range(count), batch_size=batch, shuffle=shuffle, drop_last=drop, generator=generator if given else None)
            epochs = [[b.tolist() for b in loader] for _ in range(2)]
            yield {"seed": seed, "count": count, "batch_size": batch, "drop_last": drop, "shuffle": shuffle,
                   "given_generator": given, "epochs": epochs,
                   "after": torch.empty((), dtype=torch.int64).random_(generator=generator).item()}


def crops():
    """What torchvision's RandomCrop and RandomHorizontalFlip draw, one after the other: top, left, whether mirrored."""
    for seed in SEEDS:
        for rows, columns in ((9, 9), (1, 5), (24, 1)):
            torch.manual_seed(seed)
            draws = [[torch.randint(0, rows, (1,)).item(), torch.randint(0, columns, (1,)).item(), torch.rand(1).item() < 0.5]
                     for _ in range(20)]
            yield {"seed": seed, "rows": rows, "columns": columns, "draws": draws}


def shares():
    """What a DistributedSampler gives one process over three epochs."""
    for count, replicas, rank, shuffle, drop, seed in (
            (11, 2, 0, True, False, 0), (11, 2, 1, True, False, 7), (11, 4, 3, True, True, 7), (3, 8, 6, True, False, 1),
            (3, 8, 1, True, True, 1), (100, 3, 2, False, False, 0), (100, 3, 1, False, True, 0)):
        sampler = torch.utils.data.DistributedSampler(range(count), replicas, rank, shuffle=shuffle, seed=seed, drop_last=drop)
        epochs = []
        for epoch in range(3):
            sampler.set_epoch(epoch)
            epochs.append(list(sampler))
        yield {"count": count, "replicas": replicas, "rank": rank, "shuffle": shuffle, "drop_last": drop, "seed": seed,
               "epochs": epochs}


def main():
    write("random.json", [play(name, seed, steps) for name, steps in scripts() for seed in SEEDS], "draws from the CPU generator")
    write("generator_state.json", list(states()), "the generator's state")
    write("initialisation.json", list(initialisations()), "parameters as torch initialises them")
    write("loader.json", list(loaders()), "the order of a DataLoader")
    write("distributed.json", list(shares()), "the shares of a DistributedSampler")
    write("crops.json", list(crops()), "draws for crops and flips")
