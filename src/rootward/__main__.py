"""`python -m rootward` is `rootward`."""

from rootward.cli import main

if __name__ == "__main__":
    main()
