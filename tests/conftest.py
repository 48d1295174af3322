import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
root = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared():
    "The development data folder; tests that need it skip where it is absent."
    p = Path(os.environ.get("CAMELS_DATA") or root.parent/"shared"/"data")
    if not p.exists():
        pytest.skip("no development data (../shared/data)")
    return p
