"""Ein kleines Netz, das seine Gewichte selbst verschiebt."""
import numpy as np


class Netz:
    def __init__(self, ein, mitte, aus):
        zufall = np.random.default_rng(4)
        self.v = zufall.normal(size=(ein, mitte))
        self.w = zufall.normal(size=(mitte, aus))

    def antwort(self, e):
        self.m = np.tanh(e @ self.v)
        return self.m @ self.w

    def lerne(self, e, ziel, eta=0.02):
        fehler = ziel - self.antwort(e)
        zurueck = (fehler @ self.w.T) * (1 - self.m ** 2)
        self.w = self.w + eta * self.m.T @ fehler
        self.v = self.v + eta * e.T @ zurueck


netz = Netz(3, 5, 2)
eingabe = np.random.default_rng(5).normal(size=(7, 3))
soll = np.sin(eingabe[:, :2])
for runde in range(30):
    netz.lerne(eingabe, soll)
