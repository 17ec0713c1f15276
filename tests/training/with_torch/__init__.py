"""Tests of what needs PyTorch, which the product and its other tests do without."""

REASON = "PyTorch is for training only; training/README.md tells how to run these tests"
