"""`python -m lanes.cli`: the command `lanes`."""

from lanes.cli.start import main

if __name__ == "__main__":
    main()
