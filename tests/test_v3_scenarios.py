"""Scenario turns from outside: equal in another process, even moods, every sentence of the grammar sound, spoken,
files that forgive bad lines."""
import json, os, random, re, subprocess, sys
from collections import Counter

import pytest

from camels.core import EMOTIONS, CamelsError
from camels.face.timeline import parse_tags
from camels.recipes.v3.scenarios import GOOD, Deck, new_scene, scenario_turns
from camels.recipes.v3.scene import Scene, capitals, plural, scenario_grammar, with_article
from camels.recipes.v3.turns import make_turn, read_turns, split_of_dialogue, split_turns, write_turns


@pytest.fixture(scope="module")
def turns():
    return scenario_turns(7000)


def phrases(o):
    if isinstance(o, str):
        yield o
    for x in (o.values() if isinstance(o, dict) else o if isinstance(o, list) else ()):
        yield from phrases(x)


def test_equal_in_another_process(turns):
    code = (
        "from camels.recipes.v3.scenarios import scenario_turns as s; print(s(400)[-1].text, s(9, seed=3)[-1].text, "
        "sep='\\n')"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "77"},
        check=True,
    ).stdout
    assert out.splitlines() == [turns[399].text, scenario_turns(9, seed=3)[-1].text]


def test_texts_parse_and_differ(turns):
    for t in turns:
        assert tuple(parse_tags(t.text)) == t.segments and t.text.startswith("[") and all(s.text for s in t.segments)
    said = [t.said for t in turns]
    assert len(set(said)) >= .99*len(said)
    assert len({w for s in said for w in re.findall(r"[a-z]+(?:['-][a-z]+)*", s.lower())}) >= 1500


def test_texts_are_well_formed(turns):
    for t in turns:
        s = t.said
        assert (
            s[0].isupper() and s[-1] in ".?!" and not re.search(r"[{}|\[\]\d_/=]|  |\s[,.?!]|[,.][,.?!]|[?!][.,?!]", s)
        ), s
        assert not re.search(r"[.?!] [a-z]", s), s
        assert not re.search(r"\ban? (?:an?|the|my|your|his|her)\b", s) and not re.search(
            r"\b(\w+) \1\b(?<!had had)", s
        ), s
        assert not re.search(r"\ba [aeio]|\ba u(?!k|n|s)", s.lower().replace("a one", "")), s


def test_moods_are_even(turns):
    cells = Counter((e, (int(x)-1)//20) for t in turns for e, x in re.findall(r"\[(\w+):(\d+)", t.text))
    mean = sum(cells.values())/80
    assert len(cells) == 80 and min(cells.values()) > .9*mean and max(cells.values()) < 1.1*mean
    assert .2 < sum(t.shifts_mid_sentence for t in turns)/len(turns) < .6
    vads = [s.vad for t in turns for s in t.segments]
    assert all(-1 <= x <= 1 for v in vads for x in v) and min(v[0] for v in vads) < -.7 and max(v[1] for v in vads) > .8


def test_dialogues(turns):
    groups = {}
    for t in turns:
        groups.setdefault(t.dialogue, []).append(t)
    assert len({d.rpartition("-")[0].rpartition("-")[0] for d in groups}) == len(scenario_grammar()["scenarios"])
    for d in groups.values():
        assert [t.turn for t in d] == list(range(len(d)))
        assert all(a.speaker != b.speaker for a, b in zip(d, d[1:])), d[0].dialogue
    assert {len({t.speaker for t in d}) for d in groups.values()} >= {2, 3, 4}


def test_good_news_comes_in_good_moods(turns):
    bad = [o for s in scenario_grammar()["scenarios"].values() for a in s["asks"] for o in a["bad"] if "{" not in o]
    for t in turns:
        for o in bad:
            if o.lower() in t.segments[0].text.lower() and t.segments[0].emotion in GOOD:
                pytest.fail(f"{t.text}")


def test_every_phrase_of_the_grammar(turns):
    g = scenario_grammar()
    for name, s in g["scenarios"].items():
        scene, _ = new_scene(name, random.Random(name))
        scene.known["you"] = "Ruth"
        assert {"thing", "place", "event", "doing", "food"} <= set(s["slots"]) and set(s["moods"]) == set(EMOTIONS)
        assert all(
            min(len(a[k]) for k in ("good", "bad", "open")) and a["ask"].endswith("?") for a in s["asks"] + g["asks"]
        )
        for p in phrases([s["slots"], s["asks"], s["moods"], g["asks"], g["emotions"], g["slots"]]):
            assert (out := scene.expand(p)) and not re.search(r"[{}|]", out), (name, p)
    assert set(g["emotions"]) == set(EMOTIONS)
    for e in g["emotions"].values():
        assert all(o[-1] in ",.?!" for b in ("low", "mid", "high") for o in e[b]["open"])
        assert all(
            o[-1] != "."
            for o in phrases([e["say"], e["react"], e["tail"], [e[b]["say"] for b in ("low", "mid", "high")]])
        )


def test_neighbouring_moods(turns):
    assert all(a.emotion != b.emotion for t in turns for a, b in zip(t.segments, t.segments[1:]))
    deck = Deck(random.Random(1))
    assert not any(deck.deal(GOOD).emotion in GOOD for _ in range(12))


def test_a_wrong_slot_is_named():
    with pytest.raises(CamelsError, match="did you mean 'thing'"):
        Scene({"thing": ["box"]}, random.Random(0)).expand("the {thingg}")


def test_words():
    assert [plural(o) for o in ("cherry", "toy", "glass", "sack of potatoes", "knife", "tin of beans")] == [
        "cherries", "toys", "glasses", "sacks of potatoes", "knives", "tins of beans",
    ]
    assert [with_article(o) for o in ("umbrella", "ukulele", "engine", "hour", "university")] == [
        "an umbrella",
        "a ukulele",
        "an engine",
        "an hour",
        "a university",
    ]
    assert capitals("well, no. [joy:3] [fear:4] yes") == "Well, no. [joy:3] [fear:4] Yes"


def test_a_thousand_are_spoken(turns):
    pytest.importorskip("espeakng_loader", reason="espeakng-loader is not installed")
    from camels.voice.core import create_voice, phone_table
    voice = create_voice("espeak")
    accents, heard = voice.variants()[::14], Counter()
    for i, t in enumerate(turns[:1000]):
        speech = voice.speak(t.said, accents[i % len(accents)], rate=450)
        assert speech.phones and speech.duration_s > .3, t.said
        heard.update(p.label for p in speech.phones)
    # which this espeak says in none of its English accents
    assert set(phone_table()["symbols"]) - set(heard) <= {"oːɹ"}


def test_files_come_back(turns, tmp_path):
    write_turns(tmp_path/"t.jsonl", turns)
    assert read_turns(tmp_path/"t.jsonl") == (turns, [])
    first = json.loads((tmp_path/"t.jsonl").read_text().splitlines()[0])
    assert (
        set(first) == {"dialogue", "turn", "speaker", "text", "emotion", "vad"}
        and first["emotion"] in EMOTIONS
        and len(first["vad"]) == 3
    )


BAD = {
    '{"text": "Hm."}': "no emotion",
    '{"text": ""}': "no text",
    '{"emotion": "joy"}': "no text",
    '{"text": 5, "emotion": "joy"}': "text is a int",
    "[1, 2]": "a list, not an object",
    "{": "not JSON",
    "[" * 100_000: "not JSON",
    '{"text": "[joy:120] Ha."}': "intensity 120",
    '{"text": "[jy] Ha."}': "unknown emotion",
    '{"text": "a [joy", "emotion": "joy"}': "never closed",
    '{"text": "a", "emotion": "joy", "vad": [0, 1]}': "vad is",
    '{"text": "a", "emotion": "joy", "vad": {"v": 0, "a": 0}}': "vad lacks dominance",
    '{"text": "a", "emotion": "joy", "vad": [0, 0, NaN]}': "dominance is nan",
    '{"text": "a", "emotion": "joy", "vad": [0, 0, "x"]}': "not three numbers",
    '{"text": "a", "emotion": "joy", "vad": [0, 0, true]}': "not three numbers",
    '{"text": "a", "emotion": "joy", "intensity": -1}': "intensity is -1",
    '{"text": "a", "emotion": "joy", "turn": "x"}': "turn is",
    '{"text": "a", "emotion": "joy", "turn": -1}': "negative",
    '{"text": "a", "emotion": ["joy"]}': "no emotion",
    '{"text": "a", "emotion": "joy", "dialogue": [1]}': "dialogue is",
    '{"text": "[joy] ", "emotion": "joy"}': "no words",
    "null": "not an object",
}


def test_bad_lines_are_named_and_the_others_read(tmp_path):
    good = '{"text": "We won!", "emotion": "joy", "dialogue": "d"}'
    lines = [x for bad in BAD for x in (good, bad)] + ["", good]
    (tmp_path/"t.jsonl").write_bytes(b"\xef\xbb\xbf" + "\n".join(lines).encode() + b'\r\n{"text": "\xff"}\n')
    turns, errors = read_turns(tmp_path/"t.jsonl")
    assert [t.turn for t in turns] == list(range(len(BAD) + 1)) and len(errors) == len(BAD) + 1
    for i, (e, what) in enumerate(zip(errors, [*BAD.values(), "not UTF-8"])):
        n = 2*i + 2 if i < len(BAD) else len(lines) + 1
        assert f"t.jsonl, line {n}:" in str(e) and what in str(e) and "\n" not in str(e) and len(str(e)) < 300, str(e)


def test_places_in_a_dialogue(tmp_path):
    rows = [
        dict(text="a", emotion="joy", dialogue=1, turn=4),
        dict(text="b", emotion="joy", dialogue=1, turn=4),
        dict(text="c", emotion="joy", dialogue=1),
        dict(text="d [fear] e", emotion="calm"),
    ]
    (tmp_path/"t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    turns, errors = read_turns(tmp_path/"t.jsonl")
    assert [(t.dialogue, t.turn) for t in turns] == [("1", 4), ("1", 5), ("t:4", 0)] and "is there already" in str(
        errors[0]
    )
    assert [s.emotion for s in turns[-1].segments] == ["neutral", "fear"]
    with pytest.raises(CamelsError, match="no such file"):
        read_turns(tmp_path/"none.jsonl")


def test_splits_are_by_dialogue(turns):
    parts = split_turns(turns)
    names = [{t.dialogue for t in v} for v in parts.values()]
    assert sum(map(len, names)) == len(set().union(*names)) and sum(map(len, parts.values())) == len(turns)
    assert all(names) and split_turns(turns[:800])["train"] == [
        t for t in turns[:800] if split_of_dialogue(t.dialogue) == "train"
    ]
    assert {t.dialogue for t in split_turns(turns, seed=1)["test"]} != names[2]
    with pytest.raises(CamelsError, match="shares"):
        split_of_dialogue("d", valid=.6, test=.5)


def test_one_turn():
    t = make_turn("d", 0, "Ruth", "[joy:20] Hm, [fear:90] what was that?")
    assert t.shifts_mid_sentence and t.said == "Hm, what was that?" and t.emotion == "fear"
    assert not make_turn("d", 0, "Ruth", "[joy:20] Hm, [joy:90] yes.").shifts_mid_sentence
