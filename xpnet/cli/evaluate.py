"""`xpnet evaluate`: how good is a saved network?"""

from typing import Any

import click

from xpnet.cli.common import PathType, backend_option, data_option, json_option, mnist_for, print_json, saved_network
from xpnet.metrics import ConfusionMatrix


@click.command(short_help="Accuracy, loss and confusions of a saved network.")
@click.argument("file", type=PathType())
@data_option
@backend_option
@json_option
def evaluate(file: str, data: str | None, as_json: bool) -> None:
    """Accuracy and loss of a saved network on the test images, and which digits it takes for which.

    FILE is what `xpnet train` or `model.save` wrote.
    """
    model = saved_network(file)
    x, t = mnist_for(model, file, data)
    classes = model.output_shape(model.input_shape or ())[-1]
    model.compile(loss=model.loss or "softmax_cross_entropy", metrics=["accuracy", ConfusionMatrix(classes)])
    results: dict[str, Any] = model.evaluate(x, t, return_dict=True)
    matrix = results["confusion_matrix"].tolist()
    if as_json:
        accuracy, loss = results["accuracy"], results["loss"]
        print_json({"test_accuracy": accuracy, "test_loss": loss, "images": len(x), "confusion_matrix": matrix})
        return
    click.echo(f"test accuracy {results['accuracy']:.4f}")
    click.echo(f"test loss {results['loss']:.4f}")
    click.echo(f"confusion matrix of {len(x):,} images: a row for each digit, a column for what it was taken for")
    click.echo(table(matrix))


def table(matrix: list[list[int]]) -> str:
    """The matrix in columns of one width, with the digits on its edges; zeros are dots."""
    width = max(len(str(value)) for row in matrix for value in row) + 2
    lines = ["  " + "".join(f"{column:>{width}}" for column in range(len(matrix)))]
    for digit, row in enumerate(matrix):
        lines.append(f"{digit:>2}" + "".join(f"{value or '.':>{width}}" for value in row))
    return "\n".join(lines)
