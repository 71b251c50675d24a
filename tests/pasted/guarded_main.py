"""Tout se passe dans ``principal``."""
import numpy as np


class Reseau:
    def preparer(self, tailles, pas):
        rng = np.random.default_rng(2)
        self.pas = pas
        self.poids = [rng.normal(size=(m, n)) for n, m in zip(tailles, tailles[1:])]
        self.biais = [np.zeros((m, 1)) for m in tailles[1:]]

    def avant(self, X):
        sorties = [X.T]
        for poids, biais in zip(self.poids, self.biais):
            sorties.append(1 / (1 + np.exp(-(poids @ sorties[-1] + biais))))
        return sorties

    def corriger(self, X, Y):
        sorties = self.avant(X)
        delta = (sorties[-1] - Y.T) * sorties[-1] * (1 - sorties[-1])
        for k in reversed(range(len(self.poids))):
            suivant = (self.poids[k].T @ delta) * sorties[k] * (1 - sorties[k])
            self.poids[k] -= self.pas * delta @ sorties[k].T
            self.biais[k] -= self.pas * delta.sum(axis=1, keepdims=True)
            delta = suivant

    def entrainer(self, X, Y, epoques):
        for _ in range(epoques):
            self.corriger(X, Y)


def principal():
    donnees = np.random.rand(9, 3)
    cibles = (donnees.sum(axis=1, keepdims=True) > 1.5).astype(float)
    reseau = Reseau()
    reseau.preparer([3, 4, 1], 0.5)
    reseau.entrainer(donnees, cibles, 50)
    print(reseau.avant(donnees)[-1])


if __name__ == "__main__":
    principal()
