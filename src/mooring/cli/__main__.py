"""`python -m mooring.cli`: the program, where its own path is not known. Must not: do anything else."""

from mooring.cli.main import main

main()
