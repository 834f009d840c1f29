"""Proves that two texts compute the same, for rules of every kind.

The prover does not see the plan: it computes both texts, so that mistakes in a rule and in the
rendering are both caught.
"""

from __future__ import annotations

from mapper.proving.convolutions import ConvolutionProver
from mapper.proving.declared import DeclaredProver
from mapper.proving.request import ProofRequest, ProofResult
from mapper.rulebook.loader import Rulebook


class Prover:
    """Proves rewrites, those of convolutions by an engine of their own; results are cached."""

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
