#!/usr/bin/env bash
# Makes .venv from requirements.lock, every file checked against its hash, and installs camels in it. Safe to run again: a stamp skips finished work.
# Usage: tools/setup.sh [--ui]     --ui also asks for Debian's chromium, which the browser tests drive.
set -euo pipefail
cd "$(dirname "$0")/.."
die() { echo "setup: $*" >&2; exit 1; }

apt_install() { # apt_install PACKAGE…: as root or through sudo, where apt is there
    local as=""; [ "$(id -u)" = 0 ] || as="sudo -n"
    command -v apt-get >/dev/null || return 1
    $as apt-get update -qq >/dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive $as apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1
}

py=""
for c in ${PYTHON:-} python3.11 python3.12 python3; do
    if "$c" -c 'import sys, venv, ensurepip; sys.exit(not (3,11) <= sys.version_info[:2] <= (3,12))' >/dev/null 2>&1; then py=$c; break; fi
done
[ -n "$py" ] || die "Python 3.11 or 3.12 with venv is needed and none was found; install python3.11 and python3.11-venv, or name one: make test PYTHON=/path/to/python3.11"

stamp=.venv/.camels-setup
want=$(cat requirements.lock requirements-torch.lock settings.ini setup.py tools/setup.sh tools/lock.py | sha256sum | cut -d' ' -f1)
if [ "$(cat "$stamp" 2>/dev/null)" != "$want" ]; then
    echo "setup: making .venv from requirements.lock (some minutes, once)"
    [ -x .venv/bin/python ] || "$py" -m venv .venv
    pip="./.venv/bin/python -m pip --disable-pip-version-check"
    # every file has to have a hash that the lock knows; what torch's accelerator build needs besides comes where that build was installed
    ./.venv/bin/python tools/lock.py --install ./.venv/bin/python || die "requirements.lock was not installed; see the line above"
    $pip install -q --no-deps --no-build-isolation -e . || die "could not install camels itself"
    ./.venv/bin/python - <<'P' || die "the installed set does not import; remove .venv and run again, or report the line above"
import torch, mediapipe, lance, cv2
print(f"setup: torch {torch.__version__}, mediapipe {mediapipe.__version__}, lance {lance.__version__} import together")
P
    if [ -e .git ]; then PATH="$PWD/.venv/bin:$PATH" nbdev_install_hooks >/dev/null 2>&1 || echo "setup: note: nbdev's git hooks were not installed"; fi
    echo "$want" > "$stamp"
fi

if [ "${1:-}" = --ui ] && ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null && ! command -v google-chrome >/dev/null; then
    echo "setup: installing chromium for the browser tests"
    apt_install chromium || die "the browser tests need chromium; install it (Debian: apt-get install chromium) and run again"
fi
