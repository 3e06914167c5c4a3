"""Fast inference on NVIDIA GPUs: both directions in one launch, two kernels or so a step, replayed as CUDA graphs."""
