"""Chains: what a loop leaves in a program, a sum or a buffer that grows by a link a round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..core.letters import relettered, uses_of
from ..core.program import ONE, Contract, Equation, Factor, Program, Ref, Source, Sum, Update
from ..core.records import dataclass


@dataclass(frozen=True, slots=True)
class Term:
    """What one link of a sum adds: a factor times a value, None for the number 1; and the statement that adds it."""

    factor: Factor
    ref: Ref | None
    source: Source | None


@dataclass(frozen=True, slots=True)
class Chain:
    """A sum or a buffer that grows link by link.

    Attributes
    ----------
    head : Equation
        The last link, whose value is what the chain makes.
    base : Ref or None
        What a buffer is before the first write; None for a sum.
    terms : tuple of Term
        Of a sum.
    others : tuple of Term
        The same with its first link as one: of a sum that began as nothing, that is what the first round adds.
    writes : tuple of Update
        Of a buffer.
    links : tuple of str
        The values on the way.
    """

    head: Equation
    base: Ref | None = None
    terms: tuple[Term, ...] = ()
    others: tuple[Term, ...] = ()
    writes: tuple[Update, ...] = ()
    links: tuple[str, ...] = ()


def chains(program: Program, defining: Mapping[str, Equation]) -> Iterator[Chain]:
    """The chains of a program, in the order of their last links."""
    uses = uses_of(defining.values(), program.outputs)
    before = {name: found for name, e in defining.items() if (found := grown(e, program, defining, uses)) is not None}
    inner = {ref.name for ref in before.values()}
    for name, equation in defining.items():
        if name not in inner and (name in before or (isinstance(equation, Sum) and len(equation.terms) > 1)):
            links = [equation]
            while links[-1].out.name in before:
                links.append(relettered(defining[before[links[-1].out.name].name], equation.out.indices))
            links.reverse()
            own = tuple(link.out.name for link in links)
            if isinstance(equation, Sum):
                terms, first = tuple(terms_of(links, before, defining)), links[0]
                begun = Term(ONE, Ref(own[0], equation.out.indices), first.source)
                others = (begun, *terms[len(first.terms) :]) if len(links) > 1 and isinstance(first, Sum) else ()
                yield Chain(equation, terms=terms, others=others, links=own)
            else:
                writes = tuple(link for link in links if isinstance(link, Update))
                yield Chain(equation, writes[0].base, writes=writes, links=own)


def grown(
    equation: Equation, program: Program, defining: Mapping[str, Equation], uses: Mapping[str, int]
) -> Ref | None:
    """What a link grows from, if that is a link of the same kind and the same name that nothing else reads."""
    if isinstance(equation, Update):
        found: list[Ref | None] = [equation.base]
    elif isinstance(equation, Sum):
        found = [ref for factor, ref in equation.terms if factor == ONE]
    else:
        return None
    for ref in found:
        link = defining.get(ref.name) if ref is not None else None
        if ref is not None and type(link) is type(equation) and uses[ref.name] == 1:
            assert link is not None
            labels = [program.labels.get(name, name) for name in (link.out.name, equation.out.name)]
            sources = [source and source.place for source in (link.source, equation.source)]
            if labels[0] != labels[1] and sources[0] != sources[1]:
                continue
            if ref.indices == equation.out.indices and len(link.out.indices) == len(ref.indices):
                return ref
    return None


def terms_of(links: list[Equation], before: Mapping[str, Ref], defining: Mapping[str, Equation]) -> Iterator[Term]:
    """What the links of a sum add, in order.

    What it begins with may be what another statement of the loop was the first to add, to nothing. A value that every
    round adds, ``total += x[0]``, was made by the first of them alone.
    """
    places = {link.source.place for link in links if link.source is not None}
    told: set[Source | None] = set()
    for link in links:
        assert isinstance(link, Sum)
        grows = before.get(link.out.name)
        for factor, ref in link.terms:
            if grows is None or ref is None or ref.name != grows.name:
                own = defining[ref.name].source if ref is not None and ref.name in defining else None
                own = own if own is not None and own.place in places and own not in told else link.source
                told.add(own)
                yield Term(factor, ref, own)


def is_zero(equation: Equation | None) -> bool:
    """Whether a value is 0 everywhere."""
    return isinstance(equation, Contract) and not equation.operands and equation.factor.number == 0

