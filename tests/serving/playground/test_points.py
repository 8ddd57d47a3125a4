"""Points: what each data set looks like, and one's own."""

import numpy as np
import pytest

from xpnet.errors import DataError, OptionError
from xpnet.serving.playground.points import feature_columns, make_points, read_csv
from xpnet.serving.playground.state import DATA, INPUTS, read_state

ALL = [(problem, data) for problem, sets in DATA.items() for data in sets if data != "own"]


def all_points(**fields: object) -> np.ndarray:
    return np.concatenate(make_points(read_state(fields)))


@pytest.mark.parametrize(("problem", "data"), ALL)
@pytest.mark.parametrize("noise", [0, 50])
def test_points_lie_in_the_plane_and_follow_from_the_seed(problem: str, data: str, noise: int) -> None:
    state = {"problem": problem, "data": data, "noise": noise, "seed": 3}
    points = all_points(**state)
    assert points.shape == (500 if problem == "classification" else 1200, 3)
    assert np.abs(points[:, :2]).max() <= 6
    np.testing.assert_array_equal(points, all_points(**state))
    assert not np.array_equal(points, all_points(**state | {"seed": 4}))
    if problem == "classification":
        assert set(points[:, 2]) == {0, 1}
        assert 0.4 < points[:, 2].mean() < 0.6 or noise
    else:
        assert np.abs(points[:, 2]).max() <= 1
        assert points[:, 2].std() > 0.2


def test_classes_are_where_they_should_be() -> None:
    x1, x2, target = all_points(data="circle").T
    np.testing.assert_array_equal(target == 1, np.hypot(x1, x2) < 3)
    x1, x2, target = all_points(data="xor").T
    np.testing.assert_array_equal(target == 1, x1 * x2 > 0)
    assert min(np.abs(x1).min(), np.abs(x2).min()) >= 0.3
    x1, x2, target = all_points(data="gauss").T
    assert ((x1 + x2 > 0) == target).mean() > 0.99
    x1, x2, target = all_points(problem="regression", data="plane").T
    np.testing.assert_allclose(target, np.clip((x1 + x2) / 10, -1, 1))


@pytest.mark.parametrize("data", ["spiral", "blobs"])
@pytest.mark.parametrize("classes", [2, 3, 6])
def test_several_classes_are_alike(data: str, classes: int) -> None:
    points = all_points(data=data, classes=classes)
    counts = np.bincount(points[:, 2].astype(int), minlength=classes)
    assert len(counts) == classes and counts.max() - counts.min() <= 1
    for target in range(1, classes):  # each is the first one, turned
        turned = np.hypot(*points[points[:, 2] == target, :2].T).mean()
        assert turned == pytest.approx(np.hypot(*points[points[:, 2] == 0, :2].T).mean(), rel=0.1)


@pytest.mark.parametrize(("share", "train"), [(10, 50), (50, 250), (90, 450)])
def test_the_share_of_training_points(share: int, train: int) -> None:
    points = make_points(read_state({"train": share}))
    assert len(points.train) == train and len(points.test) == 500 - train
    assert 0.3 < points.train[:, 2].mean() < 0.7


def test_one_point_is_for_training_and_none_is_none() -> None:
    one = make_points(read_state({"data": "own", "points": [[1, 2, 1]]}))
    assert one.train.tolist() == [[1, 2, 1]] and one.test.shape == (0, 3)
    none = make_points(read_state({"data": "own"}))
    assert none.train.shape == none.test.shape == (0, 3)


def test_features() -> None:
    columns = feature_columns(INPUTS, np.array([2.0]), np.array([-3.0]))
    assert columns.dtype == np.float32
    np.testing.assert_allclose(columns[0], [2, -3, 4, 9, -6, np.sin(2), np.sin(-3)], rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("1,2,0\n-1.5,2.5e0,1\n", [(1, 2, 0), (-1.5, 2.5, 1)]),
        ("x1;x2;class\r\n\r\n1;2;1\r\n3; 4 ;0", [(1, 2, 1), (3, 4, 0)]),
        ("1\t2\tno\n3\t4\tyes", [(1, 2, 0), (3, 4, 1)]),
        ("  1 2 -1\n 3   4 1", [(1, 2, 0), (3, 4, 1)]),
        ("1,2,2\n3,4,0", [(1, 2, 2), (3, 4, 0)]),
        ('1,2,"a, b"\n3,4,c', [(1, 2, 0), (3, 4, 1)]),
    ],
)
def test_csv_of_a_classification(text: str, points: list[tuple[float, float, float]]) -> None:
    assert read_csv(text, "classification") == (tuple(points), False)


def test_csv_that_does_not_fit_is_scaled() -> None:
    points, scaled = read_csv("0,7,100\n10,7,300\n5,7,200", "regression")
    assert scaled
    assert points == ((-5, 0, -1), (5, 0, 1), (0, 0, 0))
    assert read_csv("0,5,0.5", "regression") == (((0, 5, 0.5),), False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there are no points in this text"),
        ("x1,x2,target\n", "there are no points in this text"),
        ("1,2,0\n1,2\n", "line 2 must be x1, x2 and target"),
        ("1,2,0\nnan,2,1\n", "line 2 must be x1, x2 and target"),
        ("1,2,0\n\n1,inf,1\n", "line 3 must be"),
        ("1,2,0,3", "line 1 must be"),
        ("\n".join(f"1,2,{n}.5" for n in range(7)), "has 6 classes at most"),
    ],
)
def test_csv_that_is_none_is_an_error_with_its_line(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_csv(text, "classification")


def test_csv_of_a_regression_needs_numbers_and_has_an_end() -> None:
    with pytest.raises(DataError, match="target in line 2 must be a number in a regression, not 'much'"):
        read_csv("1,2,1\n3,4,much", "regression")
    with pytest.raises(OptionError, match="1000 points of your own at most, not 1001"):
        read_csv("1,2,1\n" * 1001, "regression")
