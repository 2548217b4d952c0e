"""`python -m services.cli` is the `tipstream` command."""

from services.cli.app import main

if __name__ == "__main__":
    main()
