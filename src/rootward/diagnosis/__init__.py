"""Diagnosis: why the recall of some vectors is poor, and what to try next."""

from rootward.diagnosis.diagnose import diagnose
from rootward.diagnosis.diagnosis import Diagnosis

__all__ = ["Diagnosis", "diagnose"]
