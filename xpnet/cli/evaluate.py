"""`xpnet evaluate`: how good is a saved network?"""

from typing import Any

import click

from xpnet.cli.common import PathType, backend_option, data_option, json_option, mnist_for, print_json, saved_network
from xpnet.cli.pictures import holds_classes, pictures_for
from xpnet.metrics import ConfusionMatrix


@click.command(short_help="Accuracy, loss and confusions of a saved network.")
@click.argument("file", type=PathType())
@data_option
@backend_option
@json_option
def evaluate(file: str, data: str | None, as_json: bool) -> None:
    """Accuracy and loss of a saved network on the test images, and which digits it takes for which.

    FILE is what `xpnet train` or `model.save` wrote. Of a folder of your own pictures, with a folder for each class in
    it, all are taken, those too that the network was trained on.
    """
    model = saved_network(file)
    own = data is not None and holds_classes(data)
    x, t = pictures_for(model, file, str(data)) if own else mnist_for(model, file, data)
    names = {"classes": model.class_names} if own else {}
    classes = model.output_shape(model.input_shape or ())[-1]
    model.compile(loss=model.loss or "softmax_cross_entropy", metrics=["accuracy", ConfusionMatrix(classes)])
    results: dict[str, Any] = model.evaluate(x, t, return_dict=True)
    matrix = results["confusion_matrix"].tolist()
    if as_json:
        found = {"test_accuracy": results["accuracy"], "test_loss": results["loss"], "images": len(x)}
        print_json(found | {"confusion_matrix": matrix} | names)
        return
    click.echo(f"test accuracy {results['accuracy']:.4f}")
    click.echo(f"test loss {results['loss']:.4f}")
    what = "class" if own else "digit"
    click.echo(f"confusion matrix of {len(x):,} images: a row for each {what}, a column for what it was taken for")
    if own:
        click.echo(", ".join(f"{number}: {name}" for number, name in enumerate(model.class_names or [])))
    click.echo(table(matrix))


def table(matrix: list[list[int]]) -> str:
    """The matrix in columns of one width, with the digits on its edges; zeros are dots."""
    width = max(len(str(value)) for row in matrix for value in row) + 2
    lines = ["  " + "".join(f"{column:>{width}}" for column in range(len(matrix)))]
    for digit, row in enumerate(matrix):
        lines.append(f"{digit:>2}" + "".join(f"{value or '.':>{width}}" for value in row))
    return "\n".join(lines)
