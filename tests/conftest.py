"""Settings that must stand before numpy and LightGBM are loaded."""

from __future__ import annotations

import os

# Threads that spin while they wait cost several times the work itself as soon as anything else runs
# on the same cores: one matrix of 200 columns took OpenBLAS's two threads 100 times as long as one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
