"Text and recordings to a face: through the command line, with good input and bad."
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from camels.express.perform import animate_audio, animate_text, join_speech, speak_segments
from camels.express.export import save_animation
from camels.face.arkit import ARKIT, GROUPS, LIVELINK_COLUMNS, index, read_livelink
from camels.cli import app
from camels.core import EMOTIONS, CamelsError
from camels.face.anchors import anchors, read_presets
from camels.face.channels import CLOSED, lip_gap
from camels.face.timeline import parse_tags
from camels.media.read import probe
from camels.media.sound import read_audio
from camels.media.write import write_audio

cli = CliRunner()
LIPS = [index(n) for n in GROUPS["LIPSYNC"]]


def run(*args):
    r = cli.invoke(app, [str(a) for a in args])
    return r.exception if isinstance(r.exception, CamelsError) else r


@pytest.mark.parametrize(
    "args, says",
    [
        (["[joyy:80] hi"], "column 1"),
        (["Well [joy:80] hi\nand [saad] you"], "line 2, column 5"),
        (["[joy:101] hi"], "outside"),
        (["[joy:-1] hi"], "outside"),
        (["[joy:nan] hi"], "nan"),
        (["hi [joy:80"], "never closed"),
        ([""], "no words"),
        (["  \n"], "no words"),
        (["[joy]"], "no words"),
        (["[joy:v=2] hi"], "outside"),
        (["[joy:v=nan] hi"], "valence"),
        (["...!?"], "nothing to say"),
        (["hi", "--voice", "nobody"], "nobody"),
        (["hi", "--variant", "xx-yy"], "xx-yy"),
        (["hi", "--fps", "0"], "fps"),
        (["hi", "--fps", "nan"], "fps"),
        ([], "needs a text"),
    ],
)
def test_bad_text_is_one_line_and_writes_nothing(tmp_path, args, says):
    e = run("animate", *args, "--out", tmp_path/"x.json")
    assert isinstance(e, CamelsError) and says in str(e) and "\n" not in str(e), e
    assert not list(tmp_path.iterdir())


def test_bad_recording(tmp_path):
    (tmp_path/"a.wav").write_bytes(b"RIFFnot a sound")
    (tmp_path/"empty.wav").touch()
    for name in ("a.wav", "empty.wav", "none.wav"):
        e = run("animate", "--audio", tmp_path/name, "--out", tmp_path/"x.csv")
        assert isinstance(e, CamelsError) and name in str(e), e
    assert not (tmp_path/"x.csv").exists()


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda f: f.pop("jawOpen"), "missing"),
        (lambda f: f.update(jawOpne=.1), "extra"),
        (lambda f: f.update(jawOpen=f.pop("jawOpen")), "order"),
        (lambda f: f.update(jawOpen=1.2), "jawOpen"),
        (lambda f: f.update(jawOpen=float("nan")), "jawOpen"),
        (lambda f: f.update(jawOpen="x"), "jawOpen"),
    ],
)
def test_bad_preset_files(tmp_path, change, says):
    face = {n: round(float(x), 3) for n, x in zip(ARKIT, anchors()["joy_L3"][1])}
    change(face)
    (tmp_path/"p.json").write_text(json.dumps(dict(version="mine", presets=dict(joy_L3=face))))
    with pytest.raises(CamelsError) as e:
        read_presets(tmp_path/"p.json")
    assert says in str(e.value) and "\n" not in str(e.value)


def test_a_csv_with_another_column_count(tmp_path):
    (tmp_path/"x.csv").write_text(",".join(LIVELINK_COLUMNS[:-1]) + "\n")
    with pytest.raises(CamelsError, match="62 columns, not 63"):
        read_livelink(tmp_path/"x.csv")


def test_ten_thousand_words(tmp_path):
    text = " ".join(
        f"[{EMOTIONS[1 + i % 15]}:{20 + i % 80}] Maybe the problem is simple, but probably not today."
        for i in range(1112)
    )
    p = animate_text(text, by="rules")
    assert len(p.words) > 9_000 and len(p.segments) == 1112 and abs(p.cond[:, :16].sum(1) - 1).max() < 1e-4
    assert (p.weights[:, LIPS] == p.parts["lips"][:, LIPS]).all() and np.abs(np.diff(p.cond, axis=0)).max() < .1
    gap = lip_gap(p.weights)
    pbm = [o for o in p.phones if o.label in "pbm"]
    assert (
        len(pbm) > 4000
        and max(gap[int(o.start_s*30):int(np.ceil(o.end_s*30)) + 1].min() for o in pbm[::50]) < CLOSED
    )


def test_speech_keeps_its_times():
    segs = parse_tags("[joy:80] Bob is here. [sadness:60] Pam is not. [anger] Why?")
    s = speak_segments(segs)
    assert (
        [w.text for w in s.words] == "Bob is here. Pam is not. Why?".split()
        and all(a.end_s <= b.start_s + 1e-6 for a, b in zip(s.phones, s.phones[1:]))
        and s.phones[-1].end_s <= s.duration_s
    )
    with pytest.raises(CamelsError):
        join_speech([])


def test_sound_and_picture_have_one_length(tmp_path):
    p = animate_text("[surprise:90] Oh, Bob! [joy:60] You came back.")
    f = save_animation(tmp_path/"x.mp4", p, size=96)
    i = probe(f)
    assert (
        abs(i.duration_s - p.duration_s) < .1
        and i.fps == pytest.approx(30, abs=.1)
        and (i.width, i.height) == (96, 96)
    )
    x, y = read_audio(f, 16000), p.speech.at(16000).audio
    n = min(len(x), len(y))
    lag = np.correlate(np.abs(x[:n:20]), np.abs(y[:n:20]), "full").argmax() - (len(y[:n:20]) - 1)
    # in step, and as loud
    assert abs(lag)*20/16000 < .03 and 20*np.log10(
        np.sqrt((x[:n]**2).mean()/(y[:n]**2).mean())
    ) == pytest.approx(0, abs=1)


def test_a_recording_moves_the_same_mouth(tmp_path):
    p = animate_text("[neutral] My brother bought a very big umbrella.", idle=None, by="rules")
    write_audio(tmp_path/"a.wav", p.audio, p.sr)
    q = animate_audio(tmp_path/"a.wav", "sad", intensity=.8, idle=None, by="rules")
    n = min(len(p.weights), len(q.weights))
    jaw = index("jawOpen")
    assert (
        np.corrcoef(p.weights[:n, jaw], q.weights[:n, jaw])[0, 1] > .5
        and q.segments[0].emotion == "sadness"
        and q.weights[:, index("browInnerUp")].min() > .3
    )


def test_same_seed_same_life():
    a, b, c = (animate_text("Hello there, my dear old friend.", idle=s).weights for s in (1, 1, 2))
    assert (a == b).all() and (a != c).any()
