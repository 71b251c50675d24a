"""Word vectors: each pair of words moves a row of one table and all of the other."""
import numpy as np

words = "a b c a d b c d e a".split()
index = {word: n for n, word in enumerate(sorted(set(words)))}
pairs = [(index[one], index[two]) for one, two in zip(words, words[1:])]
rng = np.random.default_rng(3)
inner = rng.normal(size=(len(index), 4)) * 0.3
outer = rng.normal(size=(4, len(index))) * 0.3
rate = 0.1

for epoch in range(3):
    total = 0.0
    for word, near in pairs:
        h = inner[word]
        scores = h @ outer
        p = np.exp(scores - scores.max())
        p /= p.sum()
        total += -np.log(p[near])
        e = p.copy()
        e[near] -= 1
        back = outer @ e
        outer = outer - rate * np.outer(h, e)
        inner[word] = inner[word] - rate * back
