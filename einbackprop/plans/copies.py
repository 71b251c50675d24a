"""Copies of arrays in other layouts, and for how long they are good."""

from __future__ import annotations

from dataclasses import dataclass

from .assembly import Assembly
from .views import View


@dataclass(frozen=True)
class Copy:
    """A copy of a view, and how many steps there were when it was made."""

    source: View
    view: View
    made: int

    def is_valid(self, assembly: Assembly) -> bool:
        """Whether nothing has been written to either since; a copy in a loop is good for its round only."""
        copying, *later = assembly.steps[self.made - 1 :]
        roots = (self.source.root, self.view.root)
        return copying.loop is assembly.loop and all(step.out not in roots for step in later)

    def of(self, view: View) -> View | None:
        """The copy in the letters of a view of the same entries, if it is clear which is which."""
        table: dict[str, str] = {}
        for letter in self.source.term:
            axis = self.source.length(letter), self.source.stride(letter)
            same = [i for i in view.term if (view.length(i), view.stride(i)) == axis and i not in table.values()]
            if not same or (len(same) > 1 and axis[0] > 1):
                return None
            table[letter] = same[0]
        return self.view.named("".join(table[i] for i in self.view.term))
