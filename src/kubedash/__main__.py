"""`python -m kubedash`."""

from kubedash.cli.main import main

if __name__ == "__main__":
    main()
