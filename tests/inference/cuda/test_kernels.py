from pathlib import Path

from tests.interpreter import run_cases


def test_kernels_in_the_interpreter() -> None:
    run_cases(Path(__file__).with_name("interpreted.py"))
