"""Inference on GPUs: both directions in one launch, two kernels a step, replayed as CUDA graphs."""
