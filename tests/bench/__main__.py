"""`python -m bench` from the tests folder."""

from bench.run import main

main()
