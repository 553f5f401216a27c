"""Records of the ledger: whole, checked, and joined with the claims; and the numbers that chapters record."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from paper import ledger, published
from paper.ledger import files
from paper.ledger.claims import FEWEST_RUNS
from xlgen.analysis import AnalysisError
from xlgen.core.errors import UnknownName
from xlgen.core.files import StoreError

NAN = math.nan
PRINTED = ledger.CLAIMS["bassi-t1-sharpness-baseline"]  # −0.845
GAIN = ledger.CLAIMS["l2-t1-xnli-l2"]  # +1.64
SPREAD = ledger.CLAIMS["l2-t3-xnli-spread"]  # 0.127, below 1
SHARE = ledger.CLAIMS["l2-t2-ewc"]  # 3 of 13, below one half


def keep(folder, claim=GAIN, **facts):
    known = {"value": 1.0, "low": 0.5, "high": 1.5, "n": 3, "seeds": [0, 1, 2], "scale": "miniature"}
    return ledger.record(facts.pop("chapter", claim.chapter), claim.id, **known | facts, folder=folder)


def test_records_come_back_as_they_were(tmp_path):
    pairs = ledger.CLAIMS["l2-f1-zero-shot"]
    whole = [dict.fromkeys(pairs.pairs, number) for number in (1.0, NAN, NAN)]
    kept = [
        keep(tmp_path, run_keys=["abc"], pairs=np.array([3000]), live=False),
        keep(
            tmp_path, pairs, value=whole[0], low=whole[1], high=whole[2], p=whole[1], n=np.int64(5), seeds=np.arange(3)
        ),
        keep(tmp_path, PRINTED, value=np.float32(-0.5), low=-0.75, high=-0.25),
    ]
    assert sorted(map(repr, ledger.load(tmp_path))) == sorted(map(repr, kept))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["l2_ewc.json", "objectives.json"]


def test_the_last_record_of_a_claim_and_scale_counts(tmp_path):
    keep(tmp_path)
    keep(tmp_path, value=1.25)
    keep(tmp_path, scale="real data")
    assert [(one.value, one.scale) for one in ledger.load(tmp_path)] == [(1.25, "miniature"), (1.0, "real data")]
    ledger.not_run("l2_ewc", GAIN.id, "no time", folder=tmp_path)
    assert [one.reason for one in ledger.load(tmp_path)] == ["no time"]
    keep(tmp_path)
    assert [one.reason for one in ledger.load(tmp_path)] == [""]
    ledger.clear("l2_ewc", folder=tmp_path)
    assert ledger.load(tmp_path) == () == ledger.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("claim", "facts", "message"),
    [
        (GAIN, {"scale": "tiny"}, "scale is 'tiny'; expected one of 'miniature', 'real data', 'paper'"),
        (GAIN, {"n": 0}, "n is 0"), (GAIN, {"seeds": []}, "expected at least one of each"),
        (GAIN, {"value": 2.0}, r"2.0 with the interval \[0.5, 1.5\]"),
        (GAIN, {"low": 1.25, "high": 0.5}, "expected low"),
        (GAIN, {"low": NAN}, "interval"), (GAIN, {"value": NAN}, "interval"),
        (GAIN, {"value": math.inf}, "value is inf"),
        (GAIN, {"value": {"a > b": 1}}, "each one number"), (PRINTED, {"value": 1.25}, r"correlation in \[-1, 1\]"),
        (SHARE, {"value": -0.25}, r"share in \[0, 1\]"), (SPREAD, {"value": -1.0}, "ratio in"),
        (ledger.CLAIMS["l2-f1-english"], {}, "one number for 'smallest > largest'"),
        (ledger.CLAIMS["l2-f1-english"], {"value": {"a > b": 1}}, "one number for 'smallest > largest'"),
        (ledger.CLAIMS["l2-f1-english"], dict.fromkeys(("value", "low", "high"), {"smallest > largest": 1}), "and p"),
        (
            ledger.CLAIMS["l2-f1-english"],
            dict.fromkeys(("value", "low", "high", "p"), {"smallest > largest": 2.0}),
            "expected p-values in",
        ),
        (GAIN, {"chapter": "frechet"}, "run by the chapter 'l2_ewc', not by 'frechet'"),
    ],
)  # fmt: skip
def test_bad_records_are_refused_and_leave_the_file_as_it_was(tmp_path, claim, facts, message):
    with pytest.raises(ledger.LedgerError, match=message):
        keep(tmp_path, claim, **facts)
    assert not list(tmp_path.iterdir())


def test_choices_lie_beside_the_records_and_go_with_them(tmp_path):
    keep(tmp_path)
    assert ledger.choices(tmp_path) == ()
    ledger.choice("l2_ewc", "korean", "A first sentence.", folder=tmp_path)
    kept = [
        ledger.choice("l2_ewc", "seeds-differ", "One of 2 points.", folder=tmp_path),
        ledger.choice("l2_ewc", "korean", "With Korean 0.2 points less.", folder=tmp_path),
    ]
    other = ledger.choice("theory", "fisher-half", "The ratio is 0.50.", folder=tmp_path)
    assert ledger.choices(tmp_path) == (other, *kept) and len(ledger.load(tmp_path)) == 1
    ledger.clear("l2_ewc", folder=tmp_path)
    assert ledger.choices(tmp_path) == (other,) and ledger.load(tmp_path) == ()
    for facts, message in ((("x", "korean", "S."), "chapter"), (("theory", "koran", "S."), "Did you mean 'korean'")):
        with pytest.raises(UnknownName, match=message):
            ledger.choice(*facts, folder=tmp_path)
    with pytest.raises(ledger.LedgerError, match="nothing is said"):
        ledger.choice("theory", "korean", " ", folder=tmp_path)
    (tmp_path / "theory.json").write_text('{"evidence": [], "choices": [{"chapter": "theory"}]}')
    with pytest.raises(ledger.LedgerError, match=r"theory.json holds no choices"):
        ledger.choices(tmp_path)


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(UnknownName, match="Did you mean 'l2_ewc'"):
        keep(tmp_path, chapter="l2ewc")
    with pytest.raises(UnknownName, match="Did you mean 'l2-t1-xnli-l2'"):
        ledger.not_run("l2_ewc", "l2-t1-xnli-l3", "why", folder=tmp_path)
    with pytest.raises(UnknownName, match="unknown chapter"):
        ledger.clear("l2ewc", folder=tmp_path)
    with pytest.raises(ledger.LedgerError, match="no reason"):
        ledger.not_run("l2_ewc", GAIN.id, " ", folder=tmp_path)


@pytest.mark.parametrize("change", ["other chapter", "field", "number", "claim", "list", "json", "part"])
def test_a_file_that_is_not_one_is_named(tmp_path, change):
    keep(tmp_path)
    path = tmp_path / "l2_ewc.json"
    entries = json.loads(path.read_text())["evidence"]
    if change == "other chapter":
        path.rename(tmp_path / "frechet.json")
    elif change in ("json", "part"):
        path.write_text("[" if change == "json" else '{"evidence": []}')
    else:
        edits = {"field": {"colour": 1}, "number": {"n": 0}, "claim": {"claim": "x"}, "list": {}}
        one = {"evidence": [entries[0] | edits[change]], "choices": []}
        path.write_text(json.dumps({"evidence": {}, "choices": []} if change == "list" else one))
    with pytest.raises((ledger.LedgerError, StoreError), match=r"(l2_ewc|frechet)\.json"):
        ledger.load(tmp_path)


def test_a_record_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    keep(tmp_path)
    before = (tmp_path / "l2_ewc.json").read_bytes()

    def torn(path, value):
        path.write_text("[{")
        raise OSError("no space left")

    monkeypatch.setattr(files, "write_json", torn)
    for write in (
        lambda: keep(tmp_path, value=1.25),
        lambda: ledger.choice("l2_ewc", "korean", "A sentence.", folder=tmp_path),
    ):
        with pytest.raises(OSError, match="no space"):
            write()
    assert (tmp_path / "l2_ewc.json").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_rows_join_claims_and_records(tmp_path):
    keep(tmp_path, scale="real data", run_keys=["k1", "k2"], live=False)
    keep(tmp_path, value=1.25)
    ledger.not_run("l2_ewc", "l2-t1-xnli-ewc", "too slow", folder=tmp_path)
    table = ledger.rows(ledger.load(tmp_path))
    assert len(table) == len(ledger.CLAIMS) + 1
    assert list(dict.fromkeys((row.claim.paper, row.item) for row in table)) == [
        (paper.key, item) for paper in published.PAPERS.values() for item in paper.items
    ]
    ours = [row for row in table if row.claim is GAIN]
    assert [(row.scale, row.ours, row.n, row.seeds, row.live) for row in ours] == [
        ("miniature", "1.250 [0.500, 1.500]", 3, (0, 1, 2), True),
        ("real data", "1.000 [0.500, 1.500]", 3, (0, 1, 2), False),
    ]
    assert ours[0].number == "1.64" and ours[0].verdict == "agrees in sign only" and ours[1].run_keys == ("k1", "k2")
    [missing] = [row for row in table if row.claim.id == "l2-t1-xnli-ewc"]
    assert (missing.verdict, missing.because, missing.ours, missing.live) == ("not run", "too slow", "", None)
    joints = ledger.joined(table)
    found = ledger.counts(joints)
    assert found["scale"] == {"not run": len(joints) - 2, "miniature": 1, "real data": 1}
    assert found["verdict"] == {"not run": len(joints) - 2, "agrees in sign only": 2}
    assert found["scale and verdict"]["miniature: agrees in sign only"] == 1


def test_how_numbers_are_shown():
    by = {row.claim.id: row.number for row in ledger.rows(())}
    assert by["l2-t2-ewc"] == "3 of 13" and by["bassi-t1-sharpness-mt5"] == "−0.410" and by["bassi-f4-sam"] == ""
    assert by["l2-t15-en"] == "ewc_two > ewc: 0.80\newc_mix > ewc: 0.76"


def test_the_uncertainty_of_a_published_number_is_that_of_its_points_where_they_are_known():
    by = {row.claim.id: row.uncertainty for row in ledger.rows(())}
    z, half = math.atanh(-0.410), 1.959964 / math.sqrt(14 - 3)
    low, high = (f"{math.tanh(end):.3f}".replace("-", "−") for end in (z - half, z + half))
    assert by["bassi-t1-sharpness-mt5"] == f"[{low}, {high}] at n = 14"
    assert by["l2-t1-xnli-l2"] == "no uncertainty printed" and by["bassi-f4-sam"] == ""


def test_a_share_is_shown_with_its_interval_where_it_has_one(tmp_path):
    keep(tmp_path, SHARE, **ledger.share([3 / 13]))
    keep(tmp_path, SHARE, **ledger.share([0.1, 0.2, 0.2, 0.3, 0.3, 0.4]), scale="real data")
    found = [row for row in ledger.rows(ledger.load(tmp_path)) if row.claim is SHARE]
    assert [row.ours for row in found] == ["0.231", "0.250 [0.100, 0.400]"]
    assert found[0].because.startswith("over 1 run, which settles no share") and found[1].verdict == "agrees"


def test_the_interval_of_a_share_is_the_inverse_of_the_sign_test():
    for n in range(1, 30):
        x = np.random.default_rng(n).random(n)
        found = ledger.share(x)
        assert found["value"] == np.median(x) and found["n"] == n
        if n < FEWEST_RUNS:
            assert math.isnan(found["low"]) and math.isnan(found["high"])
            continue
        for end in (found["low"], found["high"]):
            for median, inside in ((end + 1e-9, end == found["low"]), (end - 1e-9, end != found["low"])):
                above = int(np.sum(x > median))
                assert (stats.binomtest(above, n).pvalue > 0.05) == inside
    assert 2 * 0.5**FEWEST_RUNS < 0.05 < 2 * 0.5 ** (FEWEST_RUNS - 1)
    for wrong in ([], [0.5, 1.2], [math.nan]):
        with pytest.raises(AnalysisError, match="one number in"):
            ledger.share(wrong)


def test_a_tie_counts_half():
    assert ledger.wins([1, 2, 3, 4], [1, 1, 4, 3]) == (0.5 + 1 + 0 + 1) / 4
    for scores in (([1], [1, 2]), ([], [])):
        with pytest.raises(ledger.LedgerError, match="one of each for every language"):
            ledger.wins(*scores)


def test_differences_are_paired():
    scores = {"a": [1.0, 2.0, 3.0, 4.0], "b": [0.5, 1.0, 2.5, 3.0]}
    found = ledger.differences(scores, ["a > b", "b > a"])
    test = stats.ttest_rel(scores["a"], scores["b"])
    assert found["n"] == 4 and found["value"] == pytest.approx({"a > b": 0.75, "b > a": -0.75})
    assert (found["low"]["a > b"], found["high"]["a > b"]) == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert found["p"] == pytest.approx(dict.fromkeys(("a > b", "b > a"), test.pvalue))
    with pytest.raises(UnknownName, match="name in a pair 'c'"):
        ledger.differences(scores, ["a > c"])
    with pytest.raises(ledger.LedgerError, match="2 and 4 scores"):
        ledger.differences(scores | {"c": [1, 2]}, ["c > a"])


def test_the_interval_of_a_ratio_of_spreads_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2_000):
        found = ledger.spread_ratio(rng.normal(scale=2, size=5), rng.normal(scale=1, size=8))
        covered += found["low"] <= 2 <= found["high"]
        assert found["low"] < found["value"] < found["high"] and found["n"] == 5
    assert 0.935 < covered / 2_000 < 0.965
    logs = ledger.spreads({"a": [1, 3, 5], "b": [1, 2, 3]}, ["a > b", "b > a"])
    assert logs["value"] == pytest.approx({"a > b": math.log(2), "b > a": -math.log(2)})
    assert logs["low"]["a > b"] == pytest.approx(-logs["high"]["b > a"])
    assert logs["p"]["a > b"] == pytest.approx(2 * stats.f.sf(4, 2, 2))
    with pytest.raises(ledger.LedgerError, match="1 and 3 scores"):
        ledger.spread_ratio([1], [1, 2, 3])


def test_what_was_not_run_has_its_reason(tmp_path):
    needy = ledger.CLAIMS["l2-t19-l2"]
    assert str(ledger.verdict(needy, None)) == "not run: needs pretrained weights of XLM-R Large, which are not shipped"
    assert str(ledger.verdict(GAIN, None)) == "not run: no chapter has recorded it"
    ledger.not_run("l2_ewc", GAIN.id, "too few seeds", folder=tmp_path)
    assert str(ledger.verdict(GAIN, ledger.load(tmp_path)[0])) == "not run: too few seeds"
    with pytest.raises(ledger.LedgerError, match="the record is of claim"):
        ledger.verdict(needy, ledger.load(tmp_path)[0])
