"""xpnet on `cupy` beside PyTorch on CUDA: training and inference of the networks of compare.py, on a GPU.

    python bench/gpu.py --out gpu.md --json gpu.json
    python bench/gpu.py --networks deepconvnet --tf32
    python -m tests.cudasim bench/gpu.py --networks mlp --batch 8 --rounds 2 --steps 1     # that it runs, not how fast

PyTorch runs eagerly, contiguous and channels_last, and compiled (torch.compile, contiguous); each is a column. A round
is `--steps` steps of each in turn, timed by the clock from an idle device to an idle device, so that launching counts
as much as computing. The ratio is samples per second of xpnet over those of the best of PyTorch, the median over the
rounds with its quartiles: 2 means twice as fast. Products are float32 on both sides; `--tf32` allows TF32 on both.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

sys.path.append(str(Path(__file__).parent))  # where python -m tests.cudasim runs it
from peers import BATCH, data, xpnet_network

NETWORKS = [name for name in BATCH if name != "dcgan"]  # those that a loss and labels train
VARIANTS = ("eager", "channels_last", "compiled")


class Runner(NamedTuple):
    """One implementation of one network: a step that is only enqueued, and what waits for all of them."""

    name: str
    step: Callable[[], Any]
    wait: Callable[[], Any]
    peak_bytes: Callable[[], int]  # of the device's memory, held at most


def xpnet_runner(network: str, batch: int, train: bool) -> Runner:
    import xpnet

    backend, (x, t), model = xpnet.get_backend(), data(batch, network), xpnet_network(network)
    model.compile("adam")
    train_step = model.make_step()

    def step() -> Any:
        batch = backend.batch((x, t), model.dtype)
        return train_step(batch, "the benchmark") if train else model.forward(batch[0])[0]

    return Runner("xpnet", step, backend.synchronize, lambda: backend.memory().held)


def torch_runner(network: str, batch: int, train: bool, variant: str, device: str) -> Runner:
    import torch
    from torch_peers import torch_network

    torch.manual_seed(0)
    form = torch.channels_last if variant == "channels_last" else torch.contiguous_format
    model = torch_network(network).to(device=device, memory_format=form)
    model.train(train)
    run = torch.compile(model) if variant == "compiled" else model
    optimizer, loss = torch.optim.Adam(model.parameters()), torch.nn.CrossEntropyLoss()
    x, t = (torch.from_numpy(a).pin_memory() if device == "cuda" else torch.from_numpy(a) for a in data(batch, network))

    def step() -> Any:
        inputs = x.to(device, non_blocking=True)
        inputs = inputs.to(memory_format=form) if x.ndim == 4 else inputs
        if not train:
            with torch.inference_mode():
                return run(inputs)
        optimizer.zero_grad()
        value = loss(run(inputs).flatten(0, -2), t.to(device, non_blocking=True).flatten())
        value.backward()
        optimizer.step()
        return value

    if device == "cuda":
        return Runner(variant, step, torch.cuda.synchronize, torch.cuda.max_memory_reserved)
    return Runner(variant, step, lambda: None, lambda: 0)


def measure(runners: list[Runner], rounds: int, steps: int) -> list[list[float]]:
    """Seconds per step of each runner in each round, in turns."""
    times: list[list[float]] = [[] for _ in runners]
    for runner in runners:
        for _ in range(3):  # compile, and fill the pools of memory
            runner.step()
        runner.wait()
    for _ in range(rounds):
        for runner, seconds in zip(runners, times, strict=True):
            runner.wait()
            start = time.perf_counter()
            for _ in range(steps):
                runner.step()
            runner.wait()
            seconds.append((time.perf_counter() - start) / steps)
    return times


def row(network: str, mode: str, batch: int, runners: list[Runner], arguments: argparse.Namespace) -> dict[str, Any]:
    own, *others = measure(runners, arguments.rounds, arguments.steps)
    rates = {r.name: batch / statistics.median(t) for r, t in zip(runners, [own, *others], strict=True)}
    memory = {r.name: round(r.peak_bytes() / 2**20) for r in runners}
    result = {"network": network, "mode": mode, "batch": batch, "samples_per_s": rates, "peak_mb": memory}
    if others:
        best = min(others, key=statistics.median)
        ratios = [b / a for a, b in zip(own, best, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        result |= {"ratio": middle, "quartiles": [low, high]}
    return result


def peers(arguments: argparse.Namespace) -> tuple[list[str], str]:
    """The variants of PyTorch that can run, and a remark on them."""
    if arguments.peers == "none":
        return [], "measured alone, as asked for"
    try:
        import torch
    except ImportError:
        return [], 'measured alone: PyTorch is not installed (pip install "xpnet[oracle]")'
    if arguments.torch_device == "cuda" and not torch.cuda.is_available():
        return [], "measured alone: this PyTorch finds no CUDA device"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = arguments.tf32
    remark = "" if arguments.torch_device == "cuda" else ", **on the CPU**"
    return list(arguments.variants), f"beside PyTorch {torch.__version__}{remark}"


def table(rows: list[dict[str, Any]], names: list[str]) -> str:
    heads = ["network", "mode", "batch", *(f"{name}, samples/s (MB)" for name in names), "ratio (quartiles)"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for r in rows:
        cells = [r["network"], r["mode"], str(r["batch"])]
        cells += [f"{r['samples_per_s'][name]:,.0f} ({r['peak_mb'][name]})" for name in names]
        cells += [f"{r['ratio']:.2f} ({r['quartiles'][0]:.2f} to {r['quartiles'][1]:.2f})" if "ratio" in r else ""]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def begin(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> tuple[list[str], str, dict[str, str]]:
    """Onto the GPU, or out: the variants of PyTorch to measure, a remark on it, and what is known of the GPU."""
    os.environ["XPNET_TF32"] = str(int(arguments.tf32))

    import xpnet
    from xpnet.doctor import examine

    if unknown := set(arguments.networks) - set(NETWORKS):
        parser.error(f"there is no network {', '.join(sorted(unknown))}; choose of {', '.join(NETWORKS)}")
    try:
        xpnet.use_backend("cupy")
    except xpnet.XpnetError as error:
        sys.exit(f"{Path(sys.argv[0]).stem}: {error}")
    return *peers(arguments), examine("cupy")["GPU"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["mlp", "lenet5", "simpleconvnet", "deepconvnet"])
    parser.add_argument("--batch", type=int, help="samples in a batch (default: each network's own)")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=20, help="steps of each in a round")
    parser.add_argument("--tf32", action="store_true")
    parser.add_argument("--peers", choices=["torch", "none"], default="torch")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS)
    parser.add_argument("--torch-device", choices=["cuda", "cpu"], default="cuda", help="cpu: to try this script")
    parser.add_argument("--out", metavar="FILE", help="write the table as Markdown")
    parser.add_argument("--json", metavar="FILE", help="write it as JSON")
    arguments = parser.parse_args()
    variants, remark, gpu = begin(parser, arguments)

    import xpnet

    print(f"{gpu['device 0']}; driver {gpu['driver']}, CuPy {gpu['CuPy']}; TF32 {'on' if arguments.tf32 else 'off'}")
    about = f"{gpu['device 0']}, {remark}"
    if "no GPU" in gpu["device 0"]:
        about += ". **On a stand-in device: these times say nothing about a GPU**"
    rows = []
    for network in arguments.networks:
        batch = arguments.batch or BATCH[network]
        for mode in ("train", "infer"):
            xpnet.get_backend().free_memory()
            train = mode == "train"
            runners = [xpnet_runner(network, batch, train)]
            runners += [torch_runner(network, batch, train, name, arguments.torch_device) for name in variants]
            rows.append(row(network, mode, batch, runners, arguments))
    text = f"{about}\n\n{table(rows, ['xpnet', *variants])}\n"
    print(text)
    if arguments.out:
        Path(arguments.out).write_text(text, encoding="utf-8")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps({"about": gpu | {"peers": remark}, "rows": rows}), encoding="utf-8")


if __name__ == "__main__":
    main()
