"The command line as a shell sees it: what it prints where, and how it ends."
import json, os, signal, subprocess, sys, time
from pathlib import Path
from urllib.request import urlopen

import pytest

from camels import cli

ROOT = Path(__file__).resolve().parent.parent

def test_interrupt_is_one_line(monkeypatch, capsys):
    def stop(*a):
        raise KeyboardInterrupt
    monkeypatch.setattr("camels.text.albert.get_text_model", stop)
    monkeypatch.setattr(sys, "argv", ["camels", "emotion", "hello"])
    with pytest.raises(SystemExit) as e:
        cli.main()
    said = capsys.readouterr()
    assert e.value.code == 130 and said.out == "" and said.err.strip() == "stopped; what is already written stays"

def test_serve_tells_its_address_as_json(tmp_path):
    p = subprocess.Popen(
        [sys.executable, "-m", "camels.cli", "serve", "emotion", "--no-show", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        url = json.loads(p.stdout.readline())["url"]
        assert "/emotion?token=" in url
        for _ in range(200):
            try:
                assert urlopen(url).status == 200
                break
            except OSError:
                assert p.poll() is None
                time.sleep(.1)
        else:
            raise AssertionError("no answer")
        p.send_signal(signal.SIGINT)
        assert p.communicate(timeout=60)[0] == "" and p.returncode == 0
    finally:
        p.kill()
        p.wait()
