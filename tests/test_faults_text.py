"Text, csv, voices and the command line take what other people's files, names and terminals hold."
import errno
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camels import cli
from camels.commands import terminal
from camels.face.arkit import ARKIT, read_livelink, write_livelink
from camels.core import (
    CamelsError, append_jsonl, atomic_path, leftovers, read_jsonl, temporary_name, write_json, write_text,
)
from camels.face.anchors import anchors, read_presets, save_presets
from camels.face.condition import condition
from camels.face.timeline import escape, is_seen, parse_tags, time_segments

ROOT = Path(__file__).resolve().parent.parent
CASES = ROOT.parent/"shared"/"cases"
ODD = os.fsdecode(b"caf\xe9\x1b[2J")

def case(number:str)->Path:
    "Folder of a case; skips where the cases are not beside the repository."
    found = sorted(CASES.glob(f"{number}_*"))
    if not found:
        pytest.skip("no shared/cases beside the repository")
    return found[0]

def run(monkeypatch, capsys, *args, stdin=None):
    "`camels ARGS` in this process: exit code, stdout, stderr."
    monkeypatch.setattr(sys, "argv", ["camels", *map(str, args)])
    if stdin is not None:
        monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(SystemExit) as e:
        cli.main()
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return e.value.code or 0, said.out, said.err

def shell(*args, stdin=b"", **env)->subprocess.CompletedProcess:
    "`camels ARGS` in a process of its own, with bytes for its streams."
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    return subprocess.run(
        [sys.executable, "-m", "camels.cli", *args], input=stdin, capture_output=True, env=environment, timeout=60
    )

# Live Link Face (19 20 36)

@pytest.fixture(scope="module")
def take(tmp_path_factory):
    "A take, its lines and its cells."
    rng, file = np.random.default_rng(3), tmp_path_factory.mktemp("take")/"take.csv"
    write_livelink(file, rng.random((12, 52), np.float32), 30., rng.normal(0, .2, (12, 9)).astype(np.float32))
    lines = file.read_text().splitlines()
    return read_livelink(file), [line.split(",") for line in lines]

def shuffled(cells):
    order = np.random.default_rng(5).permutation(len(cells[0]))
    return [",".join(r[i] for i in order) for r in cells]

def lines(cells, sep=",", end=""):
    return [sep.join(r) + end for r in cells]

KINDS = {
    "blank lines": lambda c: [*lines(c), "", "   ", "," * 62, ""],
    "blank lines first and between": lambda c: ["", " ", lines(c)[0], "", *lines(c)[1:]],
    "another order": shuffled,
    "timecode last": lambda c: lines([r[1:] + r[:1] for r in c]),
    "byte order mark": lambda c: ["\ufeff" + lines(c)[0], *lines(c)[1:]],
    "semicolons, decimal commas": lambda c: [x.replace(".", ",") for x in lines(c, ";")],
    "tabs": lambda c: lines(c, "\t"),
    "sep= of a spreadsheet": lambda c: ["sep=;", *lines(c, ";")],
    "trailing commas": lambda c: lines(c, end=",,,"),
    "trailing commas in rows alone": lambda c: [lines(c)[0], *lines(c, end=",,")[1:]],
    "names in another case": lambda c: lines([[o.upper() for o in c[0]], *c[1:]]),
    "names with signs": lambda c: lines([
        [o.replace("JawOpen", "jaw_open").replace("EyeBlinkLeft", "eyeBlink_L") for o in c[0]],
        *c[1:],
    ]),
    "more columns": lambda c: lines([
        ["Note", *r[:9], "a note", *r[9:]] if i else ["Scene", *r[:9], "Take", *r[9:]] for i, r in enumerate(c)
    ]),
    "quoted": lambda c: ['"' + '","'.join(r) + '"' for r in c],
    "spaces": lambda c: lines(c, " , "),
    "no count": lambda c: lines([[r[0], *r[2:]] for r in c]),
    "carriage returns": lambda c: [x + "\r" for x in lines(c)],
}

@pytest.mark.parametrize("kind", KINDS)
def test_a_take_reads_by_name(take, tmp_path, kind):
    want, cells = take
    (tmp_path/"t.csv").write_bytes("\n".join(KINDS[kind](cells)).encode())
    got = read_livelink(tmp_path/"t.csv")
    assert got.weights.shape == (12, 52) and got.fps == want.fps and got.timecode == want.timecode
    np.testing.assert_allclose(got.weights, want.weights, atol=1e-7)
    np.testing.assert_allclose(got.rotations, want.rotations, atol=1e-7)

@pytest.mark.parametrize("n", [51, 52, 55])
def test_what_older_apps_do_not_write_is_zero(take, tmp_path, n):
    want, cells = take
    (tmp_path/"t.csv").write_text(
        "\n".join(",".join([r[0], str(n) if i else r[1], *r[2:2 + n]]) for i, r in enumerate(cells))
    )
    got, tongue = read_livelink(tmp_path/"t.csv"), ARKIT.index("tongueOut")
    others = np.arange(52) != tongue
    np.testing.assert_allclose(got.weights[:, others], want.weights[:, others], atol=1e-7)
    assert (
        got.weights[:, tongue].any() == (n > 51)
        and got.rotations[:, 3:].any() == False
        and got.rotations[:, :3].any() == (n == 55)
    ) # noqa: E712

def test_a_take_that_is_none_says_why(take, tmp_path):
    _, cells = take
    def says(rows, *words):
        (tmp_path/"t.csv").write_bytes(rows if isinstance(rows, bytes) else "\n".join(rows).encode())
        with pytest.raises(CamelsError) as e:
            read_livelink(tmp_path/"t.csv")
        assert all(w in str(e.value) for w in words) and "\n" not in str(e.value), e.value
    def without(name):
        return [[x for x, n in zip(r, cells[0]) if n != name] for r in cells]
    says(lines(without("JawOpen")), "line 1", "no column JawOpen")
    says(lines([["Timecode", "BlendShapeCount"], ["00:00:00:00.000", "61"]]), "no column EyeBlinkLeft", "and 48 more")
    says(lines(without("Timecode")), "line 1", "Timecode")
    says(lines(without("LeftEyePitch")), "62 columns, not 63", "LeftEyePitch is missing")
    says([*lines(cells)[:3], "1,2"], "line 4", "2 cells")
    says(lines([*cells[:2], [*cells[2][:5], "1e300", *cells[2][6:]]]), "line 3", "1e300")
    says(lines([*cells[:2], [*cells[2][:5], "", *cells[2][6:]]]), "line 3", "not a finite number")
    says(lines([[*r, r[5]] for r in cells]), "twice")
    says(b"", "empty")
    says(b"\x89PNG\r\n\xff\x00", "UTF-8")
    says(lines(cells)[0].encode() + b'\n"never closed' + b"x"*200_000, "line 2")
    os.mkfifo(tmp_path/"pipe.csv")
    with pytest.raises(CamelsError, match="plain file"):
        read_livelink(tmp_path/"pipe.csv")

@pytest.mark.parametrize("number, angles", [("19", True), ("20", True), ("36", False)])
def test_cases_of_csv(number, angles):
    got = read_livelink(case(number)/"take.csv")
    assert got.weights.shape == (20, 52) and got.fps == 30. and got.rotations.any() == angles
    assert abs(got.weights[0, ARKIT.index("jawOpen")] - .0190581698) < 1e-7

# Tags (17 18 35)

@settings(max_examples=150, deadline=None)
@given(
    st.text(st.one_of(st.sampled_from("[]\\:,= \n\ufeff\u200b\u202e\xa0"), st.characters(codec="utf-8")), max_size=40)
)
def test_escaped_text_comes_back(text):
    if not is_seen(text.removeprefix("\ufeff")):
        with pytest.raises(CamelsError, match="no words"):
            parse_tags(escape(text))
        return
    (one,) = parse_tags(escape(text))
    assert one.emotion == "neutral" and one.text == text.removeprefix("\ufeff").strip()
    both = parse_tags(f"[joy:80] {escape(text)}")
    assert [(s.emotion, s.text) for s in both] == [("joy", text.strip())]

@pytest.mark.parametrize("before", ["\ufeff", "\u200b", "\xa0", "\u200e \u202a", "\ufeff\ufeff\n", "\u2060\u3164"])
def test_what_cannot_be_seen_is_no_segment(before):
    assert [(s.emotion, s.text) for s in parse_tags(before + "[joy] We won!")] == [("joy", "We won!")]
    assert [s.emotion for s in parse_tags(f"[\u200bjoy\ufeff:80] We won!{before}[sad] {before}")] == ["joy", "sadness"]

def test_a_foreign_bracket_says_how_it_is_written():
    for text in ("He said [sic] it.", "[00:12] Hello.", "[laughter]", "[BLANK_AUDIO] x"):
        with pytest.raises(CamelsError) as e:
            parse_tags(text)
        assert r"write \[ for a bracket" in str(e.value)

def test_text_that_becomes_tags_is_escaped_in_both_ways():
    from camels.apps.text_state import EmotionState
    from camels.text.albert import get_text_model
    model = get_text_model()
    for text in (
        "He said [sic] it was great. I loved it!",
        r"The path is c:\[new]. Fine.",
        "[00:12] Hello. [laughter] We won!",
    ):
        state = EmotionState(text=text)
        state.read(model)
        for line in (state.tagged, model.tagged(text)):
            assert " ".join(s.text for s in parse_tags(line)).split() == text.split()

@pytest.mark.parametrize("silent", ["١٢٣", "你好", "😀", "…", "\ue000", "①②", "ひらがな"])
def test_a_segment_that_cannot_be_said_takes_no_time(silent):
    from camels.express.perform import speak_segments
    segments = parse_tags(f"[joy] We won. [sadness] {silent} [fear] And now?")
    said = speak_segments(segments)
    assert [w.text for w in said.words] == ["We", "won.", "And", "now?"]
    timed = time_segments(segments, said)
    assert timed[1].start_s == timed[1].end_s == timed[2].start_s > 0
    assert said.at(16000).unsaid == said.unsaid and set(said.unsaid) <= {silent}

def test_a_text_that_cannot_be_said_is_one_line():
    from camels.express.perform import animate_text
    for text in ("١٢٣", "[joy] 你好 [sad] ١٢"):
        with pytest.raises(CamelsError, match="voice espeak finds nothing to say"):
            animate_text(text, by="rules")

def test_unseen_marks_are_not_spoken():
    from camels.voice.core import create_voice
    def speak(text):
        return [p.label for p in create_voice().speak(text).phones]
    assert speak("\ufeffHe\u200bllo\u202e there\udce9\x07.") == speak("Hello there .")

def test_case_35_says_the_rest(monkeypatch, capsys, tmp_path):
    code, out, err = run(
        monkeypatch,
        capsys,
        "animate",
        "[joy] We won. [sadness] ١٢٣",
        "--out",
        tmp_path/"x.json",
        "--json",
        "--by",
        "rules",
    )
    assert (
        code == 0
        and len(json.loads(out)["segments"]) == 2
        and "voice espeak has no sounds for it" in err
        and err.count("\n") == 1
    )

def test_case_18_begins_with_joy(monkeypatch, capsys, tmp_path):
    text = (case("18")/"text.txt").read_text(encoding="utf-8")
    code, out, _ = run(monkeypatch, capsys, "animate", text, "--out", tmp_path/"x.json", "--json", "--by", "rules")
    assert code == 0 and [(s["emotion"], s["start_s"]) for s in json.loads(out)["segments"]] == [("joy", 0.)]

# The command line (02 28)

def test_odd_bytes_on_stdin(monkeypatch, capsys):
    import io
    for encoding in ("utf-8", "ascii"):
        stdin = io.TextIOWrapper(
            io.BytesIO(b"\xef\xbb\xbfWe won!\ncaf\xe9 was fine\r\n\x00\x1b[2J\nI am sad\n"), encoding=encoding
        )
        code, out, err = run(monkeypatch, capsys, "emotion", "--json", stdin=stdin)
        rows = [json.loads(o) for o in out.splitlines()]
        assert (
            code == 0 and err == "" and len(rows) == 4 and rows[3]["text"] == "I am sad" and "\ufffd" in rows[1]["text"]
        )
    assert rows[1]["text"].encode()

def test_stdin_in_a_utf8_locale():
    "Case 02 as a shell sees it, in a locale that Python takes strictly."
    for env in (dict(LC_ALL="en_US.UTF-8", PYTHONIOENCODING="latin-1:strict"),):
        p = shell("emotion", "--json", stdin=b"I am happy\ncaf\xe9 \xc3\xa9 was fine\nI am sad\n", **env)
        assert (
            p.returncode == 0
            and p.stderr == b""
            and len([json.loads(o) for o in p.stdout.decode("utf-8").splitlines()]) == 3
        )

def test_a_name_of_any_bytes(tmp_path, monkeypatch, capsys):
    from camels.media.write import write_audio
    write_audio(tmp_path/"ok.wav", np.sin(np.arange(8000)/20).astype(np.float32)*.3, 16000)
    for name in (b"\xfcber.wav", b"in\x1b[2J\xffx.wav", "gnp\u202e.wav".encode()):
        (tmp_path/os.fsdecode(name)).write_bytes((tmp_path/"ok.wav").read_bytes())
    files = sorted(os.listdir(tmp_path))
    code, out, err = run(monkeypatch, capsys, "phones", *(tmp_path/f for f in files), "--json")
    rows = [json.loads(o) for o in out.splitlines()]
    assert code == 0 and err == "" and len(rows) == 4 and any(r"\xfcber.wav" in r["file"] for r in rows)
    out.encode("utf-8")
    code, out, err = run(monkeypatch, capsys, "phones", *(tmp_path/f for f in files), tmp_path/(ODD + "absent.wav"))
    assert (
        code == 2
        and "\x1b" not in out + err
        and "\u202e" not in out + err
        and r"caf\xe9" in err
        and err.count("\n") == 1
    )

def test_names_never_steer_a_terminal(monkeypatch, capsys, tmp_path):
    for args in (
        ["compile", "--emotion", ODD],
        ["bench", ODD],
        ["bench", "encode", ODD],
        ["serve", ODD + "/x"],
        ["animate", "x", "--out", ODD],
        [ODD],
        ["emotion", "--model", ODD, "x"],
        ["eval", ODD, "--features", ODD],
        ["data", "check", ODD, ODD],
        ["animate", f"[{ODD}] x", "--out", tmp_path/"x.json"],
        ["--" + ODD],
    ):
        code, out, err = run(monkeypatch, capsys, *args)
        assert (
            code in (1, 2)
            and "\x1b" not in out + err
            and err.strip().count("\n") == (args[:2] == ["bench", "encode"])
            and "fault of this program" not in err
        ), (args, err)
        err.encode()

def test_json_holds_no_lone_surrogate():
    assert json.loads(
        json.dumps(terminal.finite({ODD: [ODD, float("inf"), (np.float32(2), None)]}), ensure_ascii=False).encode()
    ) == {"caf\\xe9\x1b[2J": ["caf\\xe9\x1b[2J", None, [2., None]]}

def test_signs_of_a_console_stay_as_they_are(capsys):
    terminal.complain(CamelsError("no such file", ":bomb:[red]x.wav"))
    assert capsys.readouterr().err == "camels: :bomb:[red]x.wav: no such file\n"

class PanicException(BaseException):
    "As Rust's panics arrive."

@pytest.mark.parametrize(
    "e, code, says",
    [
        (EOFError(), 1, "fault of this program in"),
        (PanicException("index out of bounds"), 1, "PanicException: index out of bounds"),
        (ZeroDivisionError("division by zero"), 1, "please report"),
        (UnicodeEncodeError("utf-8", "\udce9", 0, 1, "no"), 1, "fault of this program"),
        (MemoryError(), 1, "not enough memory"),
        (RecursionError("too deep"), 1, "RecursionError"),
        (KeyboardInterrupt(), 130, "stopped; what is already"),
        (OSError(errno.ENOSPC, "No space left on device", ODD), 2, "free some space"),
        (PermissionError(errno.EACCES, "Permission denied", b"a/\xff"), 2, "Permission denied"),
        (ModuleNotFoundError("No module named 'umap'", name="umap"), 2, "pip install 'camels["),
        (ModuleNotFoundError("No module named 'camels.x'", name="camels.x"), 1, "fault of this program"),
        (CamelsError("bad", "a\nb"), 2, r"camels: a\nb: bad"),
    ],
)
def test_every_ending_is_one_line(monkeypatch, capsys, e, code, says):
    def stop(*a, **kw):
        raise e
    monkeypatch.setattr("camels.text.albert.get_text_model", stop)
    got, out, err = run(monkeypatch, capsys, "emotion", "hello")
    assert got == code and out == "" and says in err and err.strip().count("\n") == 0 and "\x1b" not in err

def test_a_trace_for_those_who_ask(monkeypatch, capsys):
    def stop(*a, **kw):
        raise ZeroDivisionError("planted")
    monkeypatch.setattr("camels.text.albert.get_text_model", stop)
    monkeypatch.setenv("CAMELS_TRACE", "1")
    monkeypatch.setattr(sys, "argv", ["camels", "emotion", "hello"])
    with pytest.raises(SystemExit):
        cli.main()
    assert "Traceback" in capsys.readouterr().err

def test_closed_streams_are_quiet():
    command = f"{sys.executable} -m camels.cli emotion a b"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    for how in ("| true", ">&- 2>&- <&-"):
        p = subprocess.run(["bash", "-c", f"{command} {how}"], capture_output=True, env=env, timeout=60)
        assert b"Traceback" not in p.stderr and b"Exception" not in p.stderr and p.returncode == 0, (how, p.stderr)

# Files (20 21 and what readers of presets and models meet)

@pytest.mark.parametrize(
    "name",
    [
        "y"*240 + ".json",
        "ü"*125 + ".json",
        "語"*83 + ".json",
        "y"*255,
        "a." + "b"*253,
        ".hidden",
        "x.tmp.tmp.json",
    ],
)
def test_a_legal_name_is_written(tmp_path, name):
    write_text(tmp_path/name, "x")
    with atomic_path(tmp_path/name) as p:
        p.write_text("y")
    assert [f.read_text() for f in tmp_path.iterdir()] == ["y"]
    how = temporary_name(tmp_path/name)
    assert len((how["prefix"] + "12345678" + how["suffix"]).encode()) <= 255

def test_a_name_of_odd_bytes_is_written(tmp_path):
    write_json(tmp_path/(ODD + ".json"), {ODD: 1})
    assert json.loads((tmp_path/(ODD + ".json")).read_text("utf-8")) == {"caf\\xe9\x1b[2J": 1}
    append_jsonl(tmp_path/"e.jsonl", {"input": ODD + "\\"})
    assert read_jsonl(tmp_path/"e.jsonl") == [{"input": "caf\\xe9\x1b[2J\\"}]

def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path/"file").write_text("x")
    os.mkfifo(tmp_path/"pipe")
    for place, says in (
        (tmp_path, "Is a folder"),
        (tmp_path/"file"/"a.json", "Lies in a file"),
        (tmp_path/"pipe", "Not a plain file"),
        ("/dev/null", "Not a plain file"),
        (tmp_path/("y"*256), "too long"),
    ):
        with pytest.raises(OSError) as e:
            write_text(place, "x")
        assert says in str(e.value) and str(place) == e.value.filename and ".tmp" not in str(e.value)
    with pytest.raises(CamelsError, match="NUL"):
        write_text(tmp_path/"a\0b", "x")

def test_a_full_disk_names_the_file_and_leaves_nothing(tmp_path):
    class SafetensorError(Exception):
        pass
    words = 'Error while serializing: I/O error: No space left on device (os error 28)'
    for thrown in (OSError(errno.ENOSPC, "No space left on device"), SafetensorError(words)):
        with pytest.raises(OSError) as e:
            with atomic_path(tmp_path/"m.safetensors"):
                raise thrown
        assert e.value.errno == errno.ENOSPC and e.value.filename == str(tmp_path/"m.safetensors")
    assert list(tmp_path.iterdir()) == []

def test_leftovers_tell_whose_they_are(tmp_path):
    p = subprocess.Popen([sys.executable, "-c", "pass"])
    p.wait()
    (tmp_path/f".a.{p.pid}-abcd_123.tmp.json").write_text("x")
    with atomic_path(tmp_path/"b.json") as now:
        assert [f.name for f in leftovers(tmp_path, -1)] == [f".a.{p.pid}-abcd_123.tmp.json"] and now.exists()
    assert leftovers(tmp_path) == [] and leftovers(tmp_path/"none") == []

def test_presets_of_any_kind(tmp_path):
    faces = {"mine": anchors()["joy_L3"][1]}
    save_presets(tmp_path/"p.json", faces)
    text = (tmp_path/"p.json").read_text()
    (tmp_path/"p.json").write_text("\ufeff" + text, encoding="utf-8")
    assert list(read_presets(tmp_path/"p.json")) == ["mine"]
    os.mkfifo(tmp_path/"pipe.json")
    for bad in (
        "[" * 100_000,
        "{\"presets\": " * 5000,
        "9" * 6000,
        "x" * 10**7,
        text.replace("0.", "9" * 400 + "0.", 1),
        '{"presets": {"a": NaN}}',
        "\x00",
        "null",
        text[:400],
    ):
        (tmp_path/"p.json").write_text(bad, encoding="utf-8")
        with pytest.raises(CamelsError) as e:
            read_presets(tmp_path/"p.json")
        assert "\n" not in str(e.value) and len(str(e.value)) < 500
        save_presets(tmp_path/"q.json", faces)
    for place in ("/dev/zero", tmp_path/"pipe.json", tmp_path, tmp_path/"none.json"):
        start = time.process_time()
        with pytest.raises(CamelsError):
            read_presets(place)
        assert time.process_time() - start < 1   # nothing was read: /dev/zero has no end

# The online voice (39)

def test_edge_gives_up_on_a_server_that_keeps_still(monkeypatch):
    edge_tts = pytest.importorskip("edge_tts")
    from camels.voice.core import create_voice
    held = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        def accept():
            try:
                while True:
                    held.append(server.accept())
            except OSError:
                return
        threading.Thread(target=accept, daemon=True).start()
        monkeypatch.setattr(edge_tts.communicate, "WSS_URL", f"ws://127.0.0.1:{server.getsockname()[1]}/?x=1")
        monkeypatch.setattr("camels.voice.edge.WAIT_S", 1.)
        for k in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.delenv(k, raising=False)
        start = time.perf_counter()
        with pytest.raises(CamelsError, match="needs the internet"):
            create_voice("edge").speak("Hello there.")
        assert time.perf_counter() - start < 30   # the library itself would wait a minute

def test_edge_gives_up_on_a_name_that_is_not_found(monkeypatch):
    pytest.importorskip("edge_tts")
    from camels.voice.core import create_voice
    monkeypatch.setattr("camels.voice.edge.WAIT_S", .5)
    monkeypatch.setattr("camels.voice.edge.urllib.request.getproxies", dict)
    over = threading.Event()   # a name server that keeps still
    monkeypatch.setattr("camels.voice.edge.socket.getaddrinfo", lambda *a, **kw: over.wait(60))
    start = time.perf_counter()
    try:
        with pytest.raises(CamelsError, match="needs the internet"):
            create_voice("edge").speak("Hello there.")
        assert time.perf_counter() - start < 30
    finally:
        over.set()

def test_edge_refuses_by_name(monkeypatch, capsys, tmp_path):
    pytest.importorskip("edge_tts")
    for variant in ("x", "en-US", "nobody-Neural x"):
        code, _, err = run(
            monkeypatch, capsys, "animate", "Hi", "--voice", "edge", "--variant", variant, "--out", tmp_path/"x.json"
        )
        assert code == 2 and "unknown variant" in err

@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="a network of its own needs root")
def test_edge_without_a_network(tmp_path):
    try:
        plain = subprocess.run(["unshare", "-n", "true"], capture_output=True)
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if plain.returncode:
        pytest.skip("no network of its own here")
    code = (
        "import sys, time; sys.argv = ['camels', 'animate', 'Hi', '--voice', 'edge', '--out', "
        f"{str(tmp_path/'x.json')!r}]; import camels.express.perform, camels.cli as c, edge_tts; c.main()"
    )
    p = subprocess.run(
        ["unshare", "-n", sys.executable, "-c", code],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert p.returncode == 2 and b"needs the internet" in p.stderr and p.stderr.count(b"\n") == 1

# Models (F19 and V3's folders)

def test_a_pickle_is_never_opened(tmp_path):
    from camels.encoders.core import create_encoder
    from camels.encoders.phoneme import find_wav2vec2
    for f in ("config.json", "vocab.json", "pytorch_model.bin"):
        (tmp_path/f).write_text("{}")
    for ask in (find_wav2vec2, lambda d: create_encoder("wav2vec2-lv-60-espeak-cv-ft", source=d)):
        with pytest.raises(CamelsError, match="a pickle, which is never opened") as e:
            ask(tmp_path)
        assert "convert it once" in str(e.value)

def test_a_download_names_its_revision(monkeypatch):
    import huggingface_hub
    from camels.encoders.phoneme import REVISION, find_wav2vec2
    asked = []
    def fetch(*a, **kw):
        asked.append((a, kw))
        raise OSError("offline")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    with pytest.raises(CamelsError, match="could not be fetched"):
        find_wav2vec2(download=True)
    with pytest.raises(CamelsError, match="could not be fetched"):
        find_wav2vec2("somebody/model@0123abc", download=True)
    with pytest.raises(CamelsError, match="names no revision"):
        find_wav2vec2("somebody/model", download=True)
    assert [kw["revision"] for _, kw in asked] == [REVISION, "0123abc"] and all(
        "pytorch_model.bin" not in kw["allow_patterns"] for _, kw in asked
    )

def spoilt(folder, tmp_path, k, change):
    import shutil
    bad = Path(shutil.copytree(folder, tmp_path/f"m{k}"))
    change(bad)
    return bad

def config(change):
    return lambda d: (d/"config.json").write_text(json.dumps(change(json.loads((d/"config.json").read_text()))))
def network(**kw):
    return config(lambda c: {**c, "network": {**c["network"], **kw}})
def torn(name, n=300):
    return lambda d: (d/name).write_bytes((d/name).read_bytes()[:n])
def text(name, s):
    return lambda d: (d/name).write_text(s)
def without(key):
    return config(lambda c: {k: v for k, v in c.items() if k != key})

CONFIGS = [
    text("config.json", s)
    for s in ("", "null", "[]", "3", '"x"', "[" * 100_000, "{", '{"network": []}', '{"network": 9}', "\ufeff{}")
] + [without(k) for k in ("network", "features", "weights", "emotions", "format")]

def test_v3_folders(tmp_path):
    from camels.core import asset
    from camels.express.v3 import V3, has_v3
    if not has_v3():
        pytest.skip("no trained V3 in this installation")
    changes = CONFIGS + [
        network(width=-1),
        network(width=10**12),
        network(width=96),
        network(ahead=10**9),
        network(trunk=[1]*10**5),
        network(trunk="1"),
        network(mood=None),
        network(features=1.5),
        network(more=1),
        torn("stats.safetensors"),
        torn("model.safetensors"),
        torn("model.onnx"),
        text("model.onnx", ""),
        text("stats.safetensors", "x"),
        lambda d: (d/"stats.safetensors").unlink(),
        lambda d: ((d/"config.json").unlink(), os.mkfifo(d/"config.json")),
        lambda d: ((d/"model.onnx").unlink(), (d/"model.onnx").mkdir()),
    ]
    for k, change in enumerate(changes):
        with pytest.raises(CamelsError) as e:
            V3(spoilt(asset("v3"), tmp_path, k, change), "onnx").track(np.zeros(8000, np.float32), condition("joy"))
        assert "\n" not in str(e.value) and len(str(e.value)) < 700, e.value

def test_text_model_folders(tmp_path):
    from camels.core import asset
    from camels.text.albert import MicroAlbert
    changes = CONFIGS[:-5] + [
        without("network"),
        network(vocab=-1),
        network(hidden=10**12),
        network(heads="x"),
        network(more=1),
        config(lambda c: {**c, "scale": "x"}),
        config(lambda c: {**c, "shift": [1, 2]}),
        text("tokenizer.json", "{}"),
        torn("tokenizer.json"),
        text("model.onnx", "x"),
        torn("model.onnx", 1000),
        lambda d: (d/"tokenizer.json").unlink(),
    ]
    for k, change in enumerate(changes):
        with pytest.raises(CamelsError) as e:
            MicroAlbert(spoilt(asset("text"), tmp_path, k, change)).predict("hello")
        assert "\n" not in str(e.value) and len(str(e.value)) < 700, e.value

def test_sentences_of_any_kind(tmp_path):
    from camels.text.core import read_emobank, read_goemotions, read_sentences
    good = '{"text": "We won!", "emotion": "joy"}\n'
    (tmp_path/"s.jsonl").write_text("\ufeff" + good, encoding="utf-8")
    assert read_sentences(tmp_path/"s.jsonl").texts == ["We won!"]
    for bad in (
        "[" * 100_000,
        "null",
        "3",
        '"text"',
        '{"text": 3}',
        '{"text": "a", "vad": ["x", 1, 2]}',
        '{"text": "a", "emotion": 5}',
        '{"text": "a", "emotion": {"joy": []}}',
        '{"text": "a", "emotion": [["joy"]]}',
        '{"text": "a", "vad": [%s, 0, 0]}' % ("9"*400),
    ):
        (tmp_path/"s.jsonl").write_text(good + bad + "\n")
        with pytest.raises(CamelsError, match="s.jsonl:2"):
            read_sentences(tmp_path/"s.jsonl")
    (tmp_path/"s.jsonl").write_bytes(good.encode() + b"\xff\xfe")
    with pytest.raises(CamelsError, match="UTF-8"):
        read_sentences(tmp_path/"s.jsonl")
    (tmp_path/"train.tsv").write_bytes(b"caf\xe9\t1\tx")
    with pytest.raises(CamelsError, match="UTF-8"):
        read_goemotions(tmp_path)
    (tmp_path/"train.tsv").write_text("We won!\t²\tx", encoding="utf-8")
    with pytest.raises(CamelsError, match="label"):
        read_goemotions(tmp_path)
    for bad in (
        b"\xff\x00",
        b"id,split\n1,train\n",
        b"id,split,V,A,D,text\n1,train,x,3,3,hi\n",
        b'"never closed',
        b"id,split,V,A,D,text\n" + b'1,train,3,3,3,"' + b"x"*200_000 + b'"\n',
    ):
        (tmp_path/"emobank.csv").write_bytes(bad)
        with pytest.raises(CamelsError):
            read_emobank(tmp_path)

# Sound that a command is given (26)

def test_an_audio_error_names_its_file(monkeypatch, capsys, tmp_path):
    from camels.express.perform import animate_audio
    def loud(path, *a, **kw):
        return np.full(16000, 20_000, np.float32)
    monkeypatch.setattr("camels.media.sound.read_audio", loud)
    for by in ("v3", "mixed"):
        with pytest.raises(CamelsError) as e:
            animate_audio(tmp_path/"loud.wav", by=by)
        assert "loud.wav" in str(e.value) and "divide" not in str(e.value)

# A hundred odd calls

def test_odd_arguments(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path/"empty").touch()
    (tmp_path/"text.json").write_text("[" * 1000)
    numbers, words = (
        ("nan", "inf", "-1", "0", "1e400", "9"*5000, "x", ""),
        ("", " ", ".", "/", "\ufeff", ODD, "[", "[]", "[joy", "a=b", "/dev/null", "none", "x"*300),
    )
    calls = (
        [[]]
        + [
            ["compile", "--vad", w]
            for w in ("1,2", "nan,0,0", "1e400,0,0", "a,b,c", ",,", "0,0,0,0", "9"*5000 + ",0,0")
        ]
        + [["compile", f"--{k}", w] for k in ("emotion", "archetype") for w in words]
    )
    calls += [["compile", "--intensity", n] for n in numbers] + [
        ["animate", "Hi", "--out", "x.json", f"--{k}", n]
        for k in ("fps", "size", "person", "intensity")
        for n in numbers
    ]
    calls += (
        [["animate", w, "--out", "x.json"] for w in words[:-1]]
        + [["animate", "Hi", "--out", w] for w in words]
        + [
            ["animate", "Hi", "--out", "x.json", f"--{k}", w]
            for k in ("voice", "variant", "by", "model", "emotion", "vad")
            for w in words[1:]
        ]
    )
    calls += (
        [["animate", "--audio", w, "--out", "x.csv"] for w in (*words, "empty", "text.json")]
        + [["bench", w] for w in words]
        + [
            ["bench", "encode", "empty"],
            ["bench", "latent", "empty"],
            ["bench", "latent", "text.json"],
            ["bench", "encode", "none", "--out", "x"],
        ]
    )
    calls += (
        [["emotion", "--model", w, "x"] for w in words]
        + [["phones", w] for w in (*words, "empty", "text.json")]
        + [["phones", "empty", "--encoder", w] for w in words]
        + [[w] for w in words]
        + [["doctor", w] for w in words[2:4]]
    )
    calls += (
        [["data", "check", w, w] for w in words]
        + [["data", "prepare", w, w] for w in words[:-2]]
        + [["serve", "--port", n, "x/none"] for n in numbers if n not in ("0",)]
    )
    for args in calls:
        code, out, err = run(monkeypatch, capsys, *args)
        assert code in (0, 2, 130) and "fault of this program" not in err and "\x1b" not in out + err, (args, code, err)
    assert len(calls) > 250
