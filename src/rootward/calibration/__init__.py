"""Calibration: where answer sets end, for queries whose answers nobody knows."""

from rootward.calibration.calibrate import Calibration, calibrate
from rootward.calibration.set_report import SetFigures, SetReport

__all__ = ["Calibration", "SetFigures", "SetReport", "calibrate"]
