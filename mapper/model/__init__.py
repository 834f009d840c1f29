"""The types that every other package uses: results, options, plans."""
