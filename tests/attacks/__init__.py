"""Programs that try to make a rewrite compute something else without a word.

Each says what has to become of it: `equal` (migrated, and it computes the same), `left` (to torch),
or `raises`. `tests/test_attacks.py` looks at what is written, and
`tests/oracle/test_attacks_executed.py` executes each before and after with both frameworks.
"""
