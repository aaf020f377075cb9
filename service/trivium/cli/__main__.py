"""`python -m trivium.cli`."""

from trivium.cli import main


main(prog_name="trivium")
