import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np

from spacy_elmo.util.hdf5_file import write_hdf5
from tests.platforms import resources

_FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from spacy_elmo.util.hdf5_file import write_hdf5
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
done = 0
try:
    with write_hdf5(Path(sys.argv[1])) as writer:
        for done in range(1000):
            writer.add(str(done), np.zeros((3, 10, 256), dtype=np.float32))
except OSError as error:
    print(done, error)
"""


def test_same_as_h5py(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).random((3, 7, 16)).astype(np.float32)
    with write_hdf5(tmp_path / "a.h5") as writer:
        for k in range(300):
            writer.add(str(k), rows + k)
        writer.add("text", ["words"], dtype=h5py.string_dtype())
        writer.file.attrs["layers"] = "all"
    with h5py.File(tmp_path / "a.h5") as file:
        assert len(file) == 301
        assert all((file[str(k)][()] == rows + k).all() for k in range(300))
        assert file["text"][0] == b"words"
        assert file.attrs["layers"] == "all"


@resources
def test_first_failed_write(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _FULL, str(tmp_path / "a.h5")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    count, message = done.stdout.split(" ", 1)
    assert int(count) <= 10
    assert "EL221" in message
    assert "a.h5' could not be written: File too large" in message
    assert os.listdir(tmp_path) == []
