"""`pytest -p tests.enable_gpu`: run on the GPU, through CuPy."""

from thinc.api import require_gpu

require_gpu()
