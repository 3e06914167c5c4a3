"""A busy program: multiplies matrices on one thread until its input is closed, or who started it has ended."""

import os
import sys
import threading

import numpy as np


def end_with_the_input():
    sys.stdin.buffer.read()
    os._exit(0)


threading.Thread(target=end_with_the_input, daemon=True).start()
matrix = np.ones((512, 512), np.float32) / 512
product = matrix @ matrix
print("busy", flush=True)
while True:
    np.matmul(matrix, matrix, out=product)
