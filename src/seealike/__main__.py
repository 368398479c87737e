"""`python -m seealike` is the command line."""

from seealike.cli import main

if __name__ == "__main__":
    main()
