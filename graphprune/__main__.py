"""``python -m graphprune`` is the command line."""

from graphprune.cli import main

if __name__ == "__main__":
    main()
