"""Times in units of other work, on a clock that the test sets."""

from paper import timing


def test_a_work_is_measured_in_units_of_its_own_round(monkeypatch):
    clock, log = [0.0], []
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])

    def work(name, *seconds):
        """Takes these times, one after the other, and the last of them from then on."""
        durations = list(seconds)

        def run():
            log.append(name)
            clock[0] += durations.pop(0) if len(durations) > 1 else durations[0]

        return run

    # the first unit does not count; the machine is twice as slow in the second round
    unit = work("unit", 99, *(1, 1, 50), *(1, 1, 1), *(2, 2, 2), *(2, 2, 2))
    assert timing.in_units({"a": work("a", 10, 20)}, unit, rounds=2) == {"a": [10, 10]}
    assert log == ["unit", *(["unit"] * 3 + ["a"] + ["unit"] * 3) * 2]
    assert timing.in_units({"a": work("a", 6), "b": work("b", 3)}, work("unit", 3), rounds=1) == {"a": [2], "b": [1]}
