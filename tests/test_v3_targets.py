"Targets: the same from one process and from two, complete after an interruption, honest about what could not be said."
import json

import numpy as np
import pytest

from camels.core import CamelsError
from camels.recipes.v3.scenarios import scenario_turns
from camels.recipes.v3.turns import make_turn, split_of_dialogue
from camels.recipes.v3.targets import Targets, triple, write_targets


def test_two_processes_the_same_numbers(tmp_path):
    turns = scenario_turns(14, seed=3)
    a, b = (Targets(write_targets(turns, tmp_path/str(j), voices=1, shard=5, jobs=j)) for j in (1, 2))
    assert len(a) == len(b) == 14 and a.rows == b.rows
    for i in (0, 6, 13):
        for x, y in zip(a[i], b[i]):
            assert np.array_equal(x, y)
    for r in a.rows:
        assert r["split"] == split_of_dialogue(r["dialogue"])


def test_test_voices_are_not_heard_in_training(tmp_path):
    names = [f"d{i}" for i in range(200)]
    turns = [make_turn(n, 0, "A", "[joy:60] Hello there.") for n in names]
    rows = Targets(write_targets(turns, tmp_path/"t", voices=1, shard=100, jobs=1)).rows
    voices = {s: {r["voice"].partition("+")[2] for r in rows if r["split"] == s} for s in ("train", "test")}
    assert voices["test"] and voices["train"] and not voices["test"] & voices["train"]


def test_what_cannot_be_said_is_listed_and_the_rest_is_there(tmp_path):
    turns = [
        make_turn("d", 0, "A", "[joy:60] Fine."),
        make_turn("d", 1, "A", "[joy:60] ?!"),
        make_turn("d", 2, "B", "[sadness:40] Not so fine."),
    ]
    t = Targets(write_targets(turns, tmp_path/"t", voices=1, jobs=1))
    assert [r["turn"] for r in t.rows] == [0, 2] and "nothing to say" in t.errors[0]["error"]
    assert (
        t[1][2].shape[1] == 52
        and abs(len(t[1][0]) - t.rows[1]["frames"]) == 0
        and "could not be made: 1" in (tmp_path/"t"/"card.md").read_text()
    )


def test_an_interrupted_job_goes_on(tmp_path):
    turns = scenario_turns(9, seed=5)
    f = write_targets(turns, tmp_path/"t", voices=1, shard=3, jobs=1)
    want = Targets(f)[7][2]
    (f/"index-0002.json").unlink()
    (f/"weights-0002.npy").write_bytes(b"half")
    write_targets(turns, f, voices=1, shard=3, jobs=1)
    assert np.array_equal(Targets(f)[7][2], want)
    with pytest.raises(CamelsError, match="another plan"):
        write_targets(turns, f, voices=2, shard=3, jobs=1)
    assert json.loads((f/"plan.json").read_text())["triples"] == 9


def test_condition_and_face_belong_together():
    x, c, w = triple("[surprise:90] Oh, look at that!", "en-us")
    assert len(x) == len(c) == len(w) > 20 and c[:, 5].min() > .99
