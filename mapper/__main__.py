"""`python -m mapper` is `tm2ms`."""

from mapper.cli import main

main()
