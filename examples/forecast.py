"""Foretell two series with an LSTM, step by step and on its own: a noisy sine, and the sunspots of three centuries.

Run it: python examples/forecast.py
It needs statsmodels, which has the sunspots of each year, and matplotlib: pip install "xpnet[examples,plot]".
"""

import argparse
import sys
from pathlib import Path

import numpy as np

import xpnet
from xpnet import Sequential, data, layers, optimizers, schedules
from xpnet.visualize import require_matplotlib


def forecast(values: np.ndarray, known: int, epochs: int, window: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Of the values behind the first `known`: each foretold from all before it, and all from the known ones alone."""
    mean, std = values[:known].mean(), values[:known].std()
    z = ((values - mean) / std).astype(np.float32)[:, None]  # (T, 1)
    x, t = data.windows(z[:known], window, stride=1)  # (N, 40, 1), and the same one step on
    xpnet.seed(0)
    model = Sequential([layers.LSTM(32), layers.Dense(1)])
    rate = schedules.Cosine(0.005, steps=epochs * -(-len(x) // 16))
    model.compile(optimizers.Adam(rate, clip_norm=1.0), loss="mean_squared_error")
    model.fit(x, t, batch_size=16, epochs=epochs, verbose=0)
    steps, free = model.predict(z[None, :-1])[0, known - 1 :], z[:known]
    while len(free) < len(z):  # a forecast is taken for what has come
        free = np.concatenate([free, model.predict(free[None, -window:])[0, -1:]])
    return steps[:, 0] * std + mean, free[known:, 0] * std + mean


def forecast_linearly(values: np.ndarray, known: int, order: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """The same by the weighted sum of the last `order` values that fits the known ones best (Yule, 1927)."""
    past = np.insert(np.lib.stride_tricks.sliding_window_view(values, order)[:-1], order, 1, axis=1)  # 1: a constant
    weights = np.linalg.lstsq(past[: known - order], values[order:known])[0]
    free = list(values[:known])
    for _ in values[known:]:
        free.append(np.append(free[-order:], 1) @ weights)
    return past[known - order :] @ weights, np.array(free[known:])


def main() -> None:
    parser = argparse.ArgumentParser(description="Foretell a noisy sine and sunspots.")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--out", default="runs/forecast.png", help="the file to save the picture in")
    args = parser.parse_args()
    figure = require_matplotlib()(figsize=(7.6, 5.6), layout="constrained")
    try:
        from statsmodels.datasets import sunspots
    except ImportError:
        sys.exit('forecast: its sunspots come with statsmodels, which is missing: pip install "xpnet[examples]"')

    sine = np.sin(2 * np.pi * np.arange(400) / 25) + 0.2 * np.random.default_rng(0).standard_normal(400)
    spots = sunspots.load().data["SUNACTIVITY"].to_numpy()  # of 1700 to 2008
    series = ("sine", sine, 0, 300, 25), ("sunspots", spots, 1700, 260, 11)  # name, values, first time, known, cycle
    for axes, (name, values, first, known, cycle) in zip(figure.subplots(2), series, strict=True):
        truth, time, own = values[known:], first + np.arange(len(values)), forecast(values, known, args.epochs)
        naive = values[known - 1 : -1], np.resize(values[known - cycle : known], len(truth))
        ways = {"the LSTM": own, "9 values' sum": forecast_linearly(values, known), "the last again": naive}
        for way, forecasts in ways.items():
            errors = np.sqrt(np.mean((np.array(forecasts) - truth) ** 2, axis=1))
            print(f"{name:8}  {way:14}  wrong by {errors[0]:6.3f} step by step, {errors[1]:6.3f} free")
        axes.plot(time[known - 80 :], values[known - 80 :], ".-", color="0.6", label=name)
        axes.plot(time[known:], own[0], color="#0072B2", linestyle="--", label="the LSTM, step by step")
        axes.plot(time[known:], own[1], color="#D55E00", label=f"the LSTM, free from {time[known]} on")
        axes.set(xlim=(time[known - 80], time[-1]), ylim=(None, 1.5 * values.max()))  # room for the legend
        axes.legend(loc="upper left", ncols=3)
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=100)
    print(f"saved {args.out}")


if __name__ == "__main__":
    main()
