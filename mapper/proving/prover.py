"""The proof that two texts compute the same: the way in for rules of every kind.

The plan behind the text is not trusted and not even seen: both texts are computed, so a mistake in
a rule and one in the rendering are caught alike.
"""

from __future__ import annotations

from mapper.proving.convolutions import ConvolutionProver
from mapper.proving.declared import DeclaredProver
from mapper.proving.request import ProofRequest, ProofResult
from mapper.rulebook.loader import Rulebook


class Prover:
    """Proves rewrites by the family of their rule, and remembers what has been computed once."""

    def __init__(self, rulebook: Rulebook) -> None:
        self._convolutions = ConvolutionProver(rulebook)
        self._declared = DeclaredProver(rulebook)

    def prove(self, request: ProofRequest) -> ProofResult:
        """Compare both texts over every case that their unknowns admit.

        Raises:
            DisprovedError: they differ, MindSpore refuses, or nothing could be compared.
        """
        strategy = request.rule.strategy
        if strategy is not None and "conv" in strategy:
            return self._convolutions.prove(request)
        return self._declared.prove(request)
