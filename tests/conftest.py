"""Ctrl-C means what it means at a keyboard, also where the tests run in the background of a shell, which ignores it."""

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
