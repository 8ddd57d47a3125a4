"""Look inside a small network: find a learning rate, train briefly, and save pictures of what it learned and why.

Run it: python examples/look_inside.py --out pictures
"""

import argparse
from pathlib import Path

import xpnet
from xpnet import Sequential, datasets, layers, optimizers, visualize


def build() -> Sequential:
    model = Sequential(
        [
            layers.Conv2D(16, 5, padding="same", activation="relu", initializer=0.01),  # small: learning shows
            layers.MaxPool2D(2),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10),
        ]
    )
    model.build((1, 28, 28))  # the shape of one sample
    model.compile(optimizer="adam", loss="softmax_cross_entropy", metrics=["accuracy"])
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a small network on MNIST and look inside.")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--limit", type=int, default=10000, help="use this many images at most")
    parser.add_argument("--out", default="pictures", help="the folder for the pictures")
    args = parser.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)

    xpnet.seed(0)
    (x, t), (x_test, t_test) = datasets.mnist()
    x, t, x_test, t_test = (a[: args.limit] for a in (x, t, x_test, t_test))
    visualize.plot_images(x, t, out / "images.png", count=36)

    spreads = visualize.compare_initializers([0.01, "xavier_normal", "he_normal"], activation="relu")
    visualize.plot_activations(spreads, out / "initializers.png")

    model = build()
    before = model.copy()
    search = xpnet.find_lr(model, x, t, batch_size=100)  # leaves the model as it is
    visualize.plot_lr_search(search, out / "learning_rate.png")
    if search.suggestion is not None:
        model.compile(optimizers.Adam(search.suggestion), metrics=["accuracy"])
    history = model.fit(x, t, batch_size=100, epochs=args.epochs, validation_data=(x_test, t_test))
    visualize.plot_history(history, out / "history.png")

    # what it has learned, and what it makes of an image
    visualize.plot_filters(model, before, path=out / "filters.png")
    visualize.plot_feature_maps(model, x_test[0], "conv1", out / "feature_maps.png")
    visualize.plot_activations(visualize.activations(model, x_test[:300]), out / "activations.png")

    # where it errs, and why it decides as it does
    matrix = visualize.confusion_matrix(model, x_test, t_test)
    visualize.plot_confusion_matrix(matrix, out / "confusion.png")
    visualize.plot_misclassified(model, x_test, t_test, out / "misclassified.png")
    visualize.plot_grad_cam(model, x_test[:9], path=out / "grad_cam.png")
    visualize.plot_saliency(model, x_test[:9], path=out / "saliency.png")

    right = int(matrix.trace())
    print(f"{right:,} of {matrix.sum():,} test images are right; {len(list(out.glob('*.png')))} pictures in {out}")


if __name__ == "__main__":
    main()
