"""The pictures of the chapter on sharpness, and what its two measures cost."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

from paper import sharpness, timing  # noqa: E402
from xlgen.data.batch import Batch  # noqa: E402
from xlgen.measures import Subject, Value  # noqa: E402

X = torch.randn(12, 2, generator=torch.Generator().manual_seed(0)).double()
LABELS = torch.arange(12) % 2


def loss(w):
    return torch.nn.functional.cross_entropy(sharpness.logits(w, X), LABELS)


def test_two_weights_make_a_logistic_regression():
    w = torch.tensor([0.3, -1.2]).double()
    shown = torch.softmax(sharpness.Logistic(w)(X).logits, dim=1)[:, 1]
    assert torch.allclose(shown, torch.sigmoid(X @ w))


def test_a_walk_goes_by_the_noise_and_the_step_to_the_neighbour():
    figure, ax = plt.subplots()
    w_0 = torch.zeros(2).double()
    path = [torch.tensor(point).double() for point in ([0.1, 0.0], [0.4, 0.3], [0.2, 0.15])]
    sharpness.walk(ax, loss, w_0, path, radius=0.25, reach=1.0)
    drawn = [np.stack(line.get_data(), axis=1).tolist() for line in ax.lines]
    points = [point.tolist() for point in (w_0, *path)]
    assert drawn == [points[:2], points[1:3], points[2:], *([point] for point in points)]
    assert [patch.radius for patch in ax.patches] == [0.25]
    plt.close(figure)


def test_a_sweep_draws_medians_of_lengths_and_the_control_beside_the_result():
    def value(scale, factor):
        lengths = {"noise_norm": [scale, 3 * scale], "radius": [5.0, 5.0], "ascent_norm": [factor, 3 * factor]}
        return Value(factor * scale, 0.1, 2, "x", extra=lengths | {"phi_noise": [0.0, 0.2]})

    figure, (left, right) = plt.subplots(1, 2)
    values = {scale: {"de": value(scale, 1.0), "fr": value(scale, 2.0)} for scale in (0.01, 0.1)}
    sharpness.sweep(left, right, values, {"de": "C0", "fr": "C1"}, {"de": "German", "fr": "French"})
    assert [list(line.get_ydata()) for line in left.lines] == [pytest.approx(y) for y in (
        [0.02, 0.2], [5, 5], [2, 2], [4, 4])]  # fmt: skip
    solid = [list(bars.lines[0].get_ydata()) for bars in right.containers]
    assert solid == [pytest.approx([0.01, 0.1]), pytest.approx([0.02, 0.2])]
    dashed = [line for line in right.lines if line.get_linestyle() == "--"]
    assert [list(line.get_ydata()) for line in dashed] == [pytest.approx([0.1, 0.1])] * 2
    assert right.get_legend_handles_labels()[1] == ["German", "French"]
    plt.close(figure)


def test_a_draw_costs_five_thirds_and_a_search_what_it_counted(monkeypatch):
    batches = {"en": [Batch({"x": X}, LABELS, torch.arange(12))]}
    subject = Subject(sharpness.Logistic(torch.ones(2).double()), batches)
    cost = timing.sharpness(subject, "en", examples=8, rounds=2)
    assert cost["difference"][0] == 5 / 3 and cost["alpha"][0] > 1
    assert [len(times) for _, times in cost.values()] == [2, 2]
