"""`python -m lanes.cli`: the command `lanes`."""

from lanes.cli.main import main

if __name__ == "__main__":
    main()
