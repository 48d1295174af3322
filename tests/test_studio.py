"The synthetic corpus from outside: equal bytes, resume, splits, sound in step with lips, files that anyone can read."
import hashlib, json, math, os, signal, subprocess, sys, time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("espeakng_loader", reason="espeakng-loader is not installed")
pytest.importorskip("cv2", reason="OpenCV is not installed")
from camels.face.arkit import index
from camels.core import EMOTIONS, CamelsError
from camels.data.studio.film import FPS, perform, write_studio
from camels.data.studio.script import plan_studio, speaker, split_of_speaker
from camels.media.read import iter_frames, probe
from camels.media.sound import read_audio
from camels.media.clips import read_clips

SMALL = dict(minutes=.2, speakers=2, progress=False, size=96)


def content(folder):
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(Path(folder).rglob("*"))
        if p.is_file()
    }


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    out = tmp_path_factory.mktemp("studio")
    write_studio(out, jobs=1, **SMALL)
    return out


def test_same_bytes_in_other_processes(studio, tmp_path):
    write_studio(tmp_path/"again", jobs=2, **SMALL)
    assert content(tmp_path/"again") == content(studio)


def test_another_seed_is_another_corpus(studio, tmp_path):
    write_studio(tmp_path/"other", jobs=1, seed=5, **SMALL | dict(minutes=.05))
    assert not set(content(tmp_path/"other").values()) & set(content(studio).values())


def test_killed_and_resumed(studio, tmp_path):
    out = tmp_path/"killed"
    code = (
        f"if __name__ == '__main__':\n from camels.data.studio.film import write_studio\n write_studio({str(out)!r}, "
        f"jobs=1, **{SMALL!r})"
    )
    for _ in range(3):
        p = subprocess.Popen([sys.executable, "-c", code])
        until, had = time.time() + 60, len(list(out.rglob("*.mp4")))
        while p.poll() is None and len(list(out.rglob("*.mp4"))) <= had and time.time() < until:
            time.sleep(.01)
        p.send_signal(signal.SIGKILL)
        p.wait()
    write_studio(out, jobs=1, **SMALL)
    kept = {k: v for k, v in content(out).items() if ".tmp" not in k}
    assert kept == content(studio)


def test_no_worker_outlives_its_parent(tmp_path):
    code = (
        "if __name__ == '__main__':\n from camels.data.studio.film import write_studio\n "
        f"write_studio({str(tmp_path/'s')!r}, minutes=2, speakers=2, jobs=2, progress=False)"
    )
    script = tmp_path/"make.py"
    script.write_text(code)
    p = subprocess.Popen(
        [sys.executable, str(script)], env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    )
    until = time.time() + 120
    while not list((tmp_path/"s").rglob("*.mp4")) and time.time() < until:
        time.sleep(.1)
    kids = Path(f"/proc/{p.pid}/task/{p.pid}/children").read_text().split() if Path("/proc").exists() else []
    p.send_signal(signal.SIGKILL)
    p.wait()
    until = time.time() + 30
    def alive():
        return [
            k
            for k in kids
            if Path(f"/proc/{k}/stat").exists() and Path(f"/proc/{k}/stat").read_text().split(")")[1].split()[0] != "Z"
        ]
    while alive() and time.time() < until:
        time.sleep(.2)
    assert not alive()


def test_longer_keeps_what_is_there(studio, tmp_path):
    out = tmp_path/"grown"
    write_studio(out, jobs=1, **SMALL | dict(minutes=.08))
    old = {k: v for k, v in content(out).items() if k.endswith(".mp4")}
    stamp = {k: (out/k).stat().st_mtime_ns for k in old}
    write_studio(out, jobs=1, **SMALL)
    assert content(out) == content(studio) and {k: (out/k).stat().st_mtime_ns for k in old} == stamp


def test_split_by_speaker():
    for n in (2, 4, 12, 16, 24):
        splits = [split_of_speaker(i, n) for i in range(n)]
        assert splits.count("test") == max(1, round(n/4)) and splits.count("train") >= n/2
    plan = plan_studio(10)
    of = {t.speaker: speaker(t.speaker, 12, 0).split for t in plan}
    assert (
        sorted(of) == list(range(12)) and list(of.values()).count("train") == 8 and list(of.values()).count("test") == 3
    )
    both = [{of[t.speaker] for t in plan if t.dialogue == d} for d in {t.dialogue for t in plan}]
    assert all(s == {"test"} or "test" not in s for s in both)                   # test speakers talk among themselves
    windows = sum(max(1, int(t.estimate_s - 2 + .05) + 1) for t in plan if of[t.speaker] == "test")
    assert windows >= 120


def test_cast_is_twelve_different_people():
    cast = [speaker(i, 12, 0) for i in range(12)]
    assert len({s.identity for s in cast}) == len({s.variant for s in cast}) == 12
    assert len({s.variant.split("+")[0] for s in cast}) >= 6
    assert all((s.identity.lashes < 1) == ("+m" in s.variant) for s in cast)


def test_plan_is_varied_and_balanced():
    plan = plan_studio(30)
    texts = [t.transcript for t in plan]
    counts = [sum(t.emotion == e for t in plan) for e in EMOTIONS]
    assert len(set(texts)) > .95*len(texts) and min(counts) > 0 and max(counts) < 1.6*min(counts)
    assert all(-1 <= v <= 1 for t in plan for v in t.vad) and plan_studio(5) == plan[:len(plan_studio(5))]


def test_voice_follows_arousal():
    "Turns of high arousal are louder, higher and faster than those of low arousal."
    from camels.data.studio.speech import speak
    from camels.data.studio.script import f0_track
    from dataclasses import replace
    t = replace(plan_studio(1)[0], text="We were all there when the evening train arrived.")
    who = speaker(t.speaker, 12, 0)
    calm, wild = (speak(replace(t, vad=(0., a, 0.)), who) for a in (-.8, .8))
    hz = [np.nanmedian(f0_track(o.speech.audio, o.speech.sr, 60, 30)) for o in (calm, wild)]
    assert (
        wild.speech.duration_s < .85*calm.speech.duration_s
        and hz[1] > 1.2*hz[0]
        and wild.spans[0][3].gain_db > calm.spans[0][3].gain_db + 6
    )


def test_mood_shows_in_face_and_voice_together():
    "In the phrase that carries the mood, its face is stronger than in the others, and so is its gain."
    from camels.face.arkit import index
    strong, weak = [], []
    for t in [t for t in plan_studio(6) if t.emotion in ("joy", "pride", "excitement", "love", "gratitude")]:
        p = perform(t, speaker(t.speaker, 12, 0))
        for a, b, level, _ in p.spans:
            (strong if level > .8 else weak if level < .3 else []).append(
                p.weights[int(a*FPS):int(b*FPS), index("mouthSmileLeft")].mean()
            )
    assert len(strong) > 4 and len(weak) > 4 and np.mean(strong) > 2*np.mean(weak)


def test_lips_and_sound_on_one_clock():
    "In each p, b, m the weights close the mouth; shifting the track by 0.2 s spoils it."
    plan = [t for t in plan_studio(3)][:8]
    def share(shift):
        hits = []
        for t in plan:
            p = perform(t, speaker(t.speaker, 12, 0))
            gap = p.weights[:, index("jawOpen")] - p.weights[:, index("mouthClose")]
            for o in p.phones:
                a, b = int((o.start_s + shift)*FPS), math.ceil((o.end_s + shift)*FPS) + 1
                if o.label in ("p", "b", "m") and b <= len(gap):
                    hits.append(gap[a:b].min() < .05)
        return np.mean(hits), len(hits)
    on, n = share(0)
    assert n > 15 and on > .9 and share(.2)[0] < on - .25


def test_facemesh_sees_the_mouth_in_step_with_the_truth(tmp_path):
    "Read back from the mp4, the lips' opening follows the written track, without delay."
    pytest.importorskip("mediapipe", reason="mediapipe is not installed")
    from camels.data.studio.film import film
    from camels.encoders.face import FaceMeshEncoder, channel
    enc = FaceMeshEncoder()
    for t in plan_studio(2)[:3]:
        f = film(t, speaker(t.speaker, 12, 0), tmp_path/f"{t.id}.mp4")
        truth = np.array(json.loads(f.with_suffix(".json").read_text())["opening"])
        track = enc.track(iter_frames(f))
        seen = track.channels[:, channel("mouth_open")]
        assert track.seen.all() and len(seen) == len(truth)
        match = {lag: np.corrcoef(seen[8+lag:len(seen)-8+lag], truth[8:-8])[0, 1] for lag in range(-6, 7)}
        assert match[0] > .7 and abs(max(match, key=match.get)) <= 1


def test_files_are_readable_by_anyone(studio):
    for c in read_clips(studio/"clips.jsonl"):
        i = probe(c.path)
        assert (i.width, i.height, round(i.fps), i.channels) == (96, 96, 25, 1) and 4 <= i.duration_s <= 9.5
        assert (
            c.source == "studio"
            and c.emotion in EMOTIONS
            and c.vad
            and c.transcript
            and c.speaker
            and "*" not in c.transcript
        )
        truth = json.loads(Path(c.path).with_suffix(".json").read_text())
        x = read_audio(c.path)
        first, last = truth["phones"][0][1], truth["phones"][-1][2]
        loud = np.sqrt(np.mean(x[:len(x)//160*160].reshape(-1, 160)**2, 1)) > .004
        assert abs(loud.argmax()/100 - first) < .12 and abs(last - (len(loud) - loud[::-1].argmax())/100) < .2
        frames = [f for _, f in iter_frames(c.path, 0, 1)]
        assert np.abs(frames[0].astype(int) - frames[-1]).max() > 20  # it moves


def test_bad_requests_are_one_line(studio):
    with pytest.raises(CamelsError, match="holds a studio of seed 0, not 3"):
        write_studio(studio, seed=3, **SMALL)
    with pytest.raises(CamelsError, match="two speakers"):
        plan_studio(1, speakers=1)
    with pytest.raises(CamelsError, match="not a length"):
        plan_studio(float("nan"))


def test_a_finished_corpus_is_left_as_it_is(tmp_path):
    from camels.data.studio.film import write_studio
    first = write_studio(tmp_path, minutes=.1, speakers=4, jobs=1, progress=False)
    times = {f: f.stat().st_mtime_ns for f in tmp_path.rglob("*.mp4")}
    assert write_studio(tmp_path, minutes=.1, speakers=4, jobs=2, progress=False) == first
    assert times and {f: f.stat().st_mtime_ns for f in tmp_path.rglob("*.mp4")} == times
