#!/usr/bin/env bash
# All tests: notebooks as tests, house checks and pytest, the documentation build. Ends with "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH" OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 CAMELS_TYPECHECK=1 HF_HUB_OFFLINE=1 MPLBACKEND=agg
cores=$(python -c 'import os; print(len(os.sched_getaffinity(0)))')
passed=0; failed=0; log=$(mktemp); trap 'rm -f "$log"' EXIT

echo "== notebooks"
python tools/pages.py | tee "$log"
n=$(grep -c '^ok ' "$log"); f=$(grep -c '^FAIL ' "$log"); passed=$((passed+n)); failed=$((failed+f))
all=$(find nbs -name '*.ipynb' -not -path '*/.*' -not -name '_*' | wc -l)
[ $((n+f)) = "$all" ] || { echo "FAIL  $((all-n-f)) notebooks gave no verdict"; failed=$((failed+1)); }

echo "== tests"
# Khronos's glTF validator, where npm is; its tests skip without it
[ -d tools/avatar/node_modules/gltf-validator ] || { command -v npm >/dev/null && npm ci --prefix tools/avatar --ignore-scripts --no-audit --no-fund >/dev/null 2>&1; } || echo "no npm: the glTF validator's tests are skipped"
python -m pytest tests -q -n "$cores" --dist worksteal -p no:cacheprovider 2>&1 | tee "$log"
rc=${PIPESTATUS[0]}
count() { local v; v=$(grep -oE "[0-9]+ $1" "$log" | tail -1 | cut -d' ' -f1); echo "${v:-0}"; }
p=$(count passed); f=$(( $(count failed) + $(count errors\?) )); passed=$((passed+p))
[ "$rc" = 0 ] || [ "$f" -gt 0 ] || f=1
failed=$((failed+f))

echo "== documentation"
if python tools/docs.py >"$log" 2>&1; then echo "ok    docs"; passed=$((passed+1)); else echo "FAIL  docs"; tail -30 "$log"; failed=$((failed+1)); fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
