"""A row of one table against columns of another, for a pair of numbers, and no loss anywhere."""
import numpy as np


class Pairs:
    def __init__(self, many, wide, rate):
        self.rows = np.random.randn(many, wide) * 0.3
        self.columns = np.random.randn(wide, many) * 0.3
        self.rate = rate

    def shares(self, scores):
        raised = np.exp(scores - scores.max())
        return raised / raised.sum()

    def learn(self, middle, beside):
        h = self.rows[middle]
        e = self.shares(h @ self.columns)
        e[beside] -= 1
        back = self.columns @ e
        self.columns -= self.rate * np.outer(h, e)
        self.rows[middle] -= self.rate * back


np.random.seed(6)
words = [0, 3, 1, 4, 2, 3, 0]
model = Pairs(5, 3, 0.1)
for turn in range(4):
    for n in range(1, len(words)):
        middle, beside = words[n], words[n - 1]
        model.learn(middle, beside)
print(model.rows)
