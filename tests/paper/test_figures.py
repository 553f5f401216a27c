"""Figures: what is drawn, what is not, and that it can be read."""

import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.colors import to_hex, to_rgb  # noqa: E402
from matplotlib.container import BarContainer, ErrorbarContainer  # noqa: E402

from paper import figures, published  # noqa: E402
from xlgen.analysis import AnalysisError, Interval, Pairs, binomial_interval, correlate  # noqa: E402
from xlgen.core.errors import UnknownName  # noqa: E402

LANGUAGES = ["ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"]
RNG = np.random.default_rng(0)
ACCURACY = np.linspace(0.4, 0.7, 14)
MARGIN = ACCURACY + 0.05 * RNG.normal(size=14)
GOOD = correlate(MARGIN, ACCURACY, resamples=99)
SATURATED = correlate(np.ones(14), ACCURACY)


@pytest.fixture
def ax():
    with plt.rc_context():
        figures.use_style()
        figure, ax = plt.subplots()
        yield ax
        figure.canvas.draw()  # whatever was drawn can be rendered
        plt.close(figure)


def luminance(colour):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return np.dot((0.2126, 0.7152, 0.0722), linear)


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def run(code):
    root = Path(__file__).resolve().parents[2]
    return subprocess.run([sys.executable, "-c", code], cwd=root, stdout=-1, text=True, check=True).stdout.strip()


def error_bars(ax):
    return [c for c in ax.containers if isinstance(c, ErrorbarContainer)]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


# --------------------------------------------------------------------------------------------------------- style


def test_no_colour_of_text_suits_a_white_and_a_dark_page():
    # contrast with white falls with luminance and with the dark page rises: the best minimum is their geometric mean
    best = np.sqrt(contrast("white", "#121212"))
    assert best < 4.5
    greys = [min(contrast(f"#{v:02x}{v:02x}{v:02x}", page) for page in ("white", "#121212")) for v in range(256)]
    assert max(greys) <= best


def test_text_and_marks_can_be_read_on_the_panel(ax):
    panel = plt.rcParams["figure.facecolor"]
    for key in ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"):
        assert contrast(plt.rcParams[key], panel) >= 7
    assert contrast(figures.FAINT, panel) >= 4.5 and contrast(figures.INK, panel) >= 7
    for look in [*figures.LOOKS.values(), *figures.SPARE]:
        assert contrast(look.colour, panel) >= 3  # WCAG 1.4.11, graphical objects
    for cycled in plt.rcParams["axes.prop_cycle"]:
        assert contrast(cycled["color"], panel) >= 3


def test_the_panel_is_opaque_in_the_saved_picture(ax, tmp_path):
    ax.figure.savefig(tmp_path / "figure.png")
    picture = plt.imread(tmp_path / "figure.png")
    assert picture[0, 0, :3].min() == 1 and (picture.shape[2] == 3 or picture[..., 3].min() == 1)


def test_objectives_differ_in_colour_and_in_marker():
    looks = [*figures.LOOKS.values()]
    assert {"baseline", "sam", "fisher", "mvr"} <= set(figures.LOOKS)
    assert len({look.colour for look in looks}) == len({look.marker for look in looks}) == len(looks)
    assert not {look.marker for look in looks} & {look.marker for look in figures.SPARE}


def test_a_new_objective_has_the_same_look_in_every_process():
    assert run("from paper.figures import look; print(look('my_own'))") == str(figures.look("my_own"))
    assert figures.look("my_own") in figures.SPARE


def test_figures_need_no_torch():
    assert run("import sys, paper.figures; print('torch' in sys.modules)") == "False"


# ------------------------------------------------------------------------------------------------------- scatter


def test_scatter_draws_points_bars_codes_and_the_coefficient(ax):
    half = np.full(14, 0.01)
    out = figures.scatter_correlation(
        ax, MARGIN, ACCURACY, xerr=half, yerr=2 * half, labels=LANGUAGES, correlation=GOOD, objective="sam"
    )
    assert out is ax
    (bars,) = error_bars(ax)
    points, _, (horizontal, vertical) = bars.lines
    assert bars.has_xerr and bars.has_yerr
    assert np.allclose(points.get_xydata(), np.column_stack([MARGIN, ACCURACY]))
    assert np.allclose([np.ptp(s[:, 0]) for s in horizontal.get_segments()], 0.02)
    assert np.allclose([np.ptp(s[:, 1]) for s in vertical.get_segments()], 0.04)
    assert to_hex(points.get_color()) == figures.LOOKS["sam"].colour.lower()
    assert points.get_marker() == figures.LOOKS["sam"].marker
    assert [text.get_text() for text in ax.texts] == LANGUAGES
    assert [tuple(text.xy) for text in ax.texts] == list(zip(MARGIN, ACCURACY, strict=True))
    assert legend(ax) == [f"sam: {GOOD}"]


def test_scatter_leaves_points_without_a_number_out_and_draws_the_rest(ax):
    x, half = MARGIN.copy(), np.full(14, 0.01)
    x[[0, 3]], half[5] = [np.nan, np.inf], np.nan
    figures.scatter_correlation(ax, x, ACCURACY, xerr=half, labels=LANGUAGES, correlation=SATURATED)
    assert len(error_bars(ax)[0].lines[0].get_xdata()) == 12
    assert [text.get_text() for text in ax.texts] == [c for i, c in enumerate(LANGUAGES) if i not in (0, 3)]
    assert "undefined: x constant" in legend(ax)[0]


def test_scatter_of_nothing_but_saturated_values(ax):
    figures.scatter_correlation(ax, np.full(14, np.nan), ACCURACY, labels=LANGUAGES, correlation=SATURATED)
    assert len(ax.texts) == 0


def test_scatter_of_several_objectives_shares_the_axes(ax):
    for objective in ("baseline", "mvr"):
        figures.scatter_correlation(ax, MARGIN, ACCURACY, labels=LANGUAGES, objective=objective)
    assert legend(ax) == ["baseline", "mvr"] and len(ax.texts) == 28


def boxes(ax):
    renderer = ax.figure.canvas.get_renderer()
    return [text.get_window_extent(renderer) for text in ax.texts]


def test_codes_of_close_points_do_not_cover_each_other(ax):
    x = np.repeat(np.arange(7.0), 2)
    y = x + np.tile([0, 0.02], 7)
    figures.scatter_correlation(ax, x, y, labels=LANGUAGES)
    ax.figure.canvas.draw()
    found = boxes(ax)
    assert not any(a.overlaps(b) for i, a in enumerate(found) for b in found[:i])


def test_bounds_are_neither_drawn_nor_correlated(ax):
    status, none = ["ok"] * 12 + ["hit_lower", "hit_upper"], (np.nan,) * 14
    pairs = Pairs(tuple(LANGUAGES), tuple(MARGIN), tuple(ACCURACY), (0.01,) * 14, none, tuple(status))
    figures.scatter_pairs(ax, pairs, "margin")
    figures.scatter_pairs(ax, pairs, "margin", objective="sam", xerr=False)
    with_bars, without = error_bars(ax)
    assert len(with_bars.lines[0].get_xdata()) == len(without.lines[0].get_xdata()) == 12
    drawn, left_out = (sum(map(len, bars.lines[2][0].get_segments())) for bars in (with_bars, without))
    assert (drawn, left_out) == (2 * 12, 0)  # two ends of each bar
    assert legend(ax)[0] == f"baseline: {correlate(MARGIN, ACCURACY, status=status)}"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("margin", "accuracy (test)")


def test_scatter_refuses(ax):
    with pytest.raises(AnalysisError, match="y has shape"):
        figures.scatter_correlation(ax, MARGIN, ACCURACY[:5])
    with pytest.raises(AnalysisError, match="xerr has shape"):
        figures.scatter_correlation(ax, MARGIN, ACCURACY, xerr=[0.1])
    with pytest.raises(AnalysisError, match="3 labels for 14 points"):
        figures.scatter_correlation(ax, MARGIN, ACCURACY, labels=LANGUAGES[:3])


# -------------------------------------------------------------------------------------------------------- forest


def test_forest_draws_ours_and_the_papers_with_their_intervals(ax):
    cells = {"sam": published.find("xnli", "margin", "sam"), "ewc": None}
    assert figures.forest(ax, {"sam": GOOD, "fisher": SATURATED, "ewc": GOOD}, cells) is ax
    drawn = [(bars.lines[0].get_xdata()[0], bars.lines[2][0].get_segments()[0][:, 0]) for bars in error_bars(ax)]
    paper = cells["sam"]
    expected = [GOOD.pearson, paper.interval, GOOD.pearson]
    assert [value for value, _ in drawn] == pytest.approx([GOOD.pearson.value, paper.value, GOOD.pearson.value])
    assert [list(ends) for _, ends in drawn] == [pytest.approx([e.low, e.high]) for e in expected]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["sam", "fisher", "ewc"]
    assert any("undefined: x constant" in text.get_text() for text in ax.texts)
    assert len(legend(ax)) == 1
    bottom, top = ax.get_ylim()
    assert bottom > top  # the first row is on top
    assert to_hex(error_bars(ax)[0].lines[0].get_color()) == figures.LOOKS["sam"].colour.lower()


def test_forest_without_the_paper_has_no_legend(ax):
    assert figures.forest(ax, {"margin": GOOD}).get_legend() is None
    assert len(error_bars(ax)) == 1


def test_forest_refuses_a_row_that_is_not_ours(ax):
    with pytest.raises(UnknownName, match="Did you mean 'baseline'"):
        figures.forest(ax, {"baseline": GOOD}, {"Baseline": published.find("xnli", "margin", "baseline")})


# ---------------------------------------------------------------------------------------------------------- bars


def test_bars_draw_every_language_with_its_interval_and_chance(ax):
    rows = {
        objective: {language: binomial_interval(k / 100, 100) for language, k in zip(LANGUAGES, counts, strict=True)}
        for objective, counts in (("baseline", range(40, 54)), ("sam", range(50, 64)))
    }
    assert figures.bars_by_language(ax, rows, chance=1 / 3) is ax
    first, second = (c for c in ax.containers if isinstance(c, BarContainer))
    assert [bar.get_height() for bar in second] == [v.value for v in rows["sam"].values()]
    assert all(a.get_x() + a.get_width() <= b.get_x() for a, b in zip(first, second, strict=True))
    segments = error_bars(ax)[1].lines[2][0].get_segments()
    assert np.allclose([s[:, 1] for s in segments], [(v.low, v.high) for v in rows["sam"].values()])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == LANGUAGES
    assert set(legend(ax)) == {"baseline", "sam", "chance, 0.33"}
    (line,) = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert line.get_ydata() == [1 / 3, 1 / 3]


def test_bars_of_a_missing_language_are_gaps(ax):
    en, de = binomial_interval(0.8, 10), binomial_interval(0.5, 10)
    figures.bars_by_language(ax, {"baseline": {"en": en, "de": de}, "sam": {"de": de}})
    second = [c for c in ax.containers if isinstance(c, BarContainer)][1]
    assert np.isnan(second[0].get_height()) and second[1].get_height() == 0.5


def test_repeats_join_the_same_run_and_show_mean_and_standard_deviation(ax):
    before, after = [1.0, 2.0, 3.0], [2.0, 2.5, 6.0]
    look = figures.look("sam")
    figures.repeats(ax, {0: (before, figures.look("baseline")), 1: (after, look)}, names=(4, 5, 6))
    joined = [line.get_ydata() for line in ax.lines if len(line.get_ydata()) == 2]
    assert np.allclose(joined, np.transpose([before, after]))
    assert {line.get_marker() for line in ax.lines} >= {"$4$", "$5$", "$6$"}
    bar = error_bars(ax)[1].lines[2][0].get_segments()[0]
    assert bar[:, 1].mean() == pytest.approx(np.mean(after))
    assert np.ptp(bar[:, 1]) / 2 == pytest.approx(np.std(after, ddof=1))
    figures.repeats(ax, {0: ([1.0], look)})  # one run has no spread
    assert [line.get_marker() for line in ax.lines if line.get_markerfacecolor() == "none"] == ["s"]


def test_ticks_of_a_logarithmic_axis_are_numbers_that_one_can_read(ax):
    ax.set_xscale("log")
    figures.plain_ticks(ax.xaxis, [0.05, 1, 20])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.05", "1", "20"]
    assert not len(ax.xaxis.get_minorticklocs())


# --------------------------------------------------------------------------------------------------------- slope


def test_slope_draws_the_reference_through_the_data(ax):
    x = np.logspace(-3, 0, 6)
    assert figures.slope(ax, x, 5 * x**3, 3, yerr=x**3) is ax
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    (line,) = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert np.allclose(line.get_ydata(), 5 * np.asarray(line.get_xdata()) ** 3)
    assert error_bars(ax)[0].has_yerr and set(legend(ax)) == {"measured", "slope 3"}


@pytest.mark.parametrize(("x", "y"), [([1, 2], [0, 1]), ([-1, 2], [1, 1]), ([1, 2], [1, np.nan]), ([], [])])
def test_slope_refuses(ax, x, y):
    with pytest.raises(AnalysisError, match="positive"):
        figures.slope(ax, x, y, 2)


# --------------------------------------------------------------------------------------------- ranks and bisections


def test_ranks_begin_with_the_smallest_value_and_end_with_squares(ax):
    columns = {"first": {"de": 0.3, "fr": 0.1}, "second": {"de": 0.1, "fr": 0.2}, "error": {"de": 5.0, "fr": 7.0}}
    figures.ranks(ax, columns, {"de": "C0", "fr": "C1"})
    heights = [list(line.get_ydata()) for line in ax.lines]
    assert heights == [[2, 1], [1, 1], [1], [1, 2], [2, 2], [2]]
    assert [line.get_marker() for line in ax.lines] == ["o", "None", "s"] * 2
    assert [text.get_text() for text in ax.texts] == ["de", "de", "fr", "fr"]
    assert [label.get_text() for label in ax.get_xticklabels()] == list(columns) and ax.yaxis_inverted()


def test_a_bisection_closes_in_on_the_largest_tolerated_radius():
    figure, (upper, lower) = plt.subplots(2)
    trials = [(1e-3, 0.2), (1e-4, 0.0), (3e-4, 0.1)]  # a drop of the threshold is not tolerated
    figures.bisection(upper, lower, trials, bracket=(1e-5, 1e-1), start=0.9, threshold=0.1)
    assert [line.get_marker() for line in upper.lines[:3]] == ["x", "o", "x"]
    assert [line.get_ydata()[0] for line in upper.lines] == pytest.approx([0.7, 0.9, 0.8, 0.9, 0.8])
    brackets = [tuple(line.get_xdata()) for line in lower.lines[::2]]
    assert brackets == [(1e-5, 1e-3), (1e-4, 1e-3), (1e-4, 3e-4)]
    plt.close(figure)


def test_estimates_are_filled_with_bars_and_printed_numbers_hollow_without(ax):
    ours = {"en": Interval(1.0, 0.5, 2.0, 3), "de": Interval(-1.0, np.nan, np.nan, 1)}
    figures.marks_by_language(
        ax, ["en", "fr", "de"], {"ours": (figures.SETUPS["l2"], ours), "paper": (figures.SETUPS["l2"], {"de": -2.0})}
    )
    filled, hollow = error_bars(ax)
    assert filled.lines[0].get_ydata().tolist() == [1, -1] and hollow.lines[0].get_ydata().tolist() == [-2]
    assert [to_hex(bars.lines[0].get_markerfacecolor()) for bars in (filled, hollow)] == ["#0072b2", "#ffffff"]
    first, _ = filled.lines[2][0].get_segments()
    assert first[:, 1].tolist() == [0.5, 2.0]
    x, (aside,) = filled.lines[0].get_xdata(), hollow.lines[0].get_xdata()
    assert np.rint(x).tolist() == [0, 2] and x[1] < 2 < aside < 2.5
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["en", "fr", "de"]
    assert legend(ax) == ["ours", "paper"]


def test_a_heat_map_writes_each_number_so_that_it_can_be_read(ax):
    image = figures.heat_map(ax, [[-10, 0], [np.nan, 10]], ["r", "s"], ["a", "b"], (-10, 10), "PuOr", "+.0f")
    found = {text.get_position(): text for text in ax.texts}
    assert {place: text.get_text() for place, text in found.items()} == {(0, 0): "−10", (1, 0): "+0", (1, 1): "+10"}
    for (column, row), text in found.items():
        cell = luminance(image.to_rgba(image.get_array()[row, column]))
        low, high = sorted((cell, luminance(text.get_color())))
        assert (high + 0.05) / (low + 0.05) > 4.5


def test_every_setup_has_a_look_of_its_own_on_a_figure():
    looks = [look for setup, look in figures.SETUPS.items() if setup != "ewc"]
    assert len({look.colour for look in looks}) == len({look.marker for look in looks}) == len(looks)


def test_bars_of_a_group_stand_side_by_side(ax):
    figures.bars(ax, ["a", "b"], {"x": (figures.SETUPS["l2"], [1, 2]), "y": (figures.SETUPS["ewc"], [3, 4])})
    first, second = (c for c in ax.containers if isinstance(c, BarContainer))
    assert [bar.get_height() for bar in (*first, *second)] == [1, 2, 3, 4]
    assert all(a.get_x() + a.get_width() < b.get_x() for a, b in zip(first, second, strict=True))
    assert first[0].get_hatch() != second[0].get_hatch() and legend(ax) == ["x", "y"]


@pytest.mark.parametrize(("low", "high"), [(1.0, 1000.0), (20.0, 30.0)])
def test_a_logarithmic_axis_of_any_length_has_plain_numbers(ax, low, high):
    ax.set(xscale="log", xlim=(low, high))
    figures.plain_ticks(ax.xaxis)
    ax.figure.canvas.draw()
    shown = [tick.get_text() for tick in ax.get_xticklabels() if low <= tick.get_position()[0] <= high]
    assert len(shown) >= 2 and all(float(text) == float(f"{float(text):g}") and "e" not in text for text in shown)
    assert not ax.xaxis.get_minorticklocs().size


def test_means_have_bars_to_the_smallest_and_the_largest_and_a_label(ax):
    star = figures.Look("#0072B2", "*")
    figures.scatter_ranges(ax, [1, 2], [3, 4], ([0, 1], [2, 5]), ([3, 2], [3, 6]), look=star, legend="kl", labels="ab")
    across, up = ([line.tolist() for line in bars.get_segments()] for bars in ax.collections)
    assert across == [[[0, 3], [2, 3]], [[1, 4], [5, 4]]] and up == [[[1, 3], [1, 3]], [[2, 2], [2, 6]]]
    (marks,) = ax.lines
    assert marks.get_xydata().tolist() == [[1, 3], [2, 4]] and marks.get_label() == "kl" and marks.get_marker() == "*"
    assert [(text.get_text(), text.xy) for text in ax.texts] == [("a", (1, 3)), ("b", (2, 4))]
    with pytest.raises(ValueError, match="argument"):
        figures.scatter_ranges(ax, [1, 2], [3, 4], ([0, 1], [2, 5]), ([3, 2], [3, 6]), look=star, legend="", labels="a")
