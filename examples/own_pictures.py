"""From a folder of pictures, one folder a class, to the class of one file.

The pictures are drawn here, discs, bars and rings in colour; put a folder of your own in their place with --data.

Run it: python examples/own_pictures.py
"""

import argparse
import random
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw

import xpnet
from xpnet import Sequential, data, layers
from xpnet.data.augment import Compose, Flip, Rotate, Shift

SIZE = 32  # pixels that the network sees of each side


def draw(folder: Path, count: int) -> None:
    """Pictures of 80 x 60 pixels: many discs, half as many bars, and few rings."""
    random.seed(0)
    for shape, share in (("disc", 1), ("bar", 2), ("ring", 4)):
        (folder / shape).mkdir(parents=True)
        for number in range(max(count // share, 4)):
            paper, ink = (tuple(random.randint(low, low + 90) for _ in "rgb") for low in (0, 160))
            picture = Image.new("RGB", (80, 60), paper)
            x, y, size = random.randint(12, 30), random.randint(5, 20), random.randint(20, 32)
            pen = ImageDraw.Draw(picture)
            if shape == "bar":
                pen.rectangle((x, y + size // 2, x + size, y + size // 2 + 6), fill=ink)
            else:
                pen.ellipse((x, y, x + size, y + size), fill=ink if shape == "disc" else None, outline=ink, width=5)
            picture.save(folder / shape / f"{number}.png")


def build(classes: int) -> Sequential:
    first = [layers.Conv2D(16, 3, padding="same", activation="relu"), layers.MaxPool2D(2)]
    second = [layers.Conv2D(32, 3, padding="same", activation="relu"), layers.MaxPool2D(2)]
    dense = [layers.Dense(32, activation="relu"), layers.Dense(classes)]
    return Sequential([*first, *second, layers.Flatten(), *dense])


def main() -> None:
    parser = argparse.ArgumentParser(description="Train on a folder of pictures, and predict one file.")
    parser.add_argument("--data", help="a folder with one folder for each class; by default pictures are drawn")
    parser.add_argument("--count", type=int, default=240, help="how many discs are drawn")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--out", default="pictures.safetensors", help="the file to save the model in")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(args.data or temporary)
        if not args.data:
            draw(folder, args.count)
        xpnet.seed(0)
        train, held_out = data.hold_out(data.ImageFolder(folder, size=SIZE), 0.25)
        batches = data.Loader(train, batch_size=16, augment=Compose([Flip(), Rotate(20), Shift(2)]))
        validation = data.Loader(held_out, shuffle=False)

        model = build(len(train.classes))
        model.compile("adam", "softmax_cross_entropy", ["accuracy"])
        model.fit(batches, epochs=args.epochs, class_weight="balanced", validation_data=validation, verbose=2)
        model.save(args.out)

        again = xpnet.load(args.out)  # it knows its classes, and how a file becomes its input
        path = held_out.name(0)
        (chances,) = xpnet.analysis.probabilities(again, again.preparation.read(path))
        print(f"saved {args.out}; {Path(path).parent.name} is taken for {again.class_names[chances.argmax()]}")


if __name__ == "__main__":
    main()
