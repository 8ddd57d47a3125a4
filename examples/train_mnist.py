"""Train a small convolutional network on the handwritten digits of MNIST, and save it.

Run it: python examples/train_mnist.py --epochs 3
"""

import argparse

import xpnet
from xpnet import Sequential, callbacks, datasets, layers


def build() -> Sequential:
    model = Sequential(
        [
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPool2D(2),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(10),
        ]
    )
    model.build((1, 28, 28))  # the shape of one sample
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a small convolutional network on MNIST.")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--limit", type=int, default=60000, help="use this many images at most")
    parser.add_argument("--out", default="digits.safetensors", help="the file to save the model in")
    args = parser.parse_args()

    xpnet.seed(0)  # the same weights, batches and dropout masks every time
    (x, t), (x_test, t_test) = datasets.mnist()
    x, t, x_test, t_test = (a[: args.limit] for a in (x, t, x_test, t_test))

    model = build()
    model.summary()
    model.compile(optimizer="adam", loss="softmax_cross_entropy", metrics=["accuracy"])
    stop = callbacks.EarlyStopping(monitor="val_loss", patience=2)  # and go back to the best weights
    model.fit(x, t, batch_size=100, epochs=args.epochs, validation_split=0.1, callbacks=[stop], verbose=2)

    loss, accuracy = model.evaluate(x_test, t_test)
    print(f"test loss {loss:.4f}, test accuracy {accuracy:.4f}")

    model.save(args.out)
    again = xpnet.load(args.out)  # network, weights and what it was compiled with
    print(f"saved {args.out}; the first test images show {again.predict(x_test[:10]).argmax(axis=1)}")


if __name__ == "__main__":
    main()
