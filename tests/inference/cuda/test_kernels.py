from pathlib import Path

import pytest

from tests.interpreter import run_cases


@pytest.mark.slow
@pytest.mark.needs("triton")
def test_kernels_in_the_interpreter() -> None:
    run_cases(Path(__file__).with_name("interpreted.py"))
