from __future__ import annotations
def measured(data_dir, repeats, wanted):
    yield from ()
