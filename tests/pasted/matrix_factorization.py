# Matrixfaktorisierung fuer Empfehlungen (Uebung 4, Aufgabe 2)
import numpy as np


def vorhersage(P, Q, bu, bi, mu):
    return mu + bu[:, None] + bi[None, :] + P @ Q.T


def kosten(P, Q, bu, bi, R, M, mu, lam):
    # M ist 1, wo eine Bewertung vorliegt, sonst 0
    E = M * (R - vorhersage(P, Q, bu, bi, mu))
    reg = np.sum(P ** 2) + np.sum(Q ** 2) + np.sum(bu ** 2) + np.sum(bi ** 2)
    return np.sum(E ** 2) + lam * reg


def gradient(P, Q, bu, bi, R, M, mu, lam):
    E = M * (R - vorhersage(P, Q, bu, bi, mu))
    dP = -2 * E @ Q + 2 * lam * P
    dQ = -2 * E.T @ P + 2 * lam * Q
    dbu = -2 * E.sum(axis=1) + 2 * lam * bu
    dbi = -2 * E.sum(axis=0) + 2 * lam * bi
    return dP, dQ, dbu, dbi


def trainiere(R, M, k=3, lam=0.05, lr=0.005, schritte=200):
    n, m = R.shape
    rng = np.random.RandomState(0)
    P = 0.1 * rng.randn(n, k)
    Q = 0.1 * rng.randn(m, k)
    bu, bi = np.zeros(n), np.zeros(m)
    mu = R[M == 1].mean()
    for s in range(schritte):
        dP, dQ, dbu, dbi = gradient(P, Q, bu, bi, R, M, mu, lam)
        P -= lr * dP
        Q -= lr * dQ
        bu -= lr * dbu
        bi -= lr * dbi
        if s % 50 == 0:
            print(s, kosten(P, Q, bu, bi, R, M, mu, lam))
    return P, Q, bu, bi


if __name__ == "__main__":
    rng = np.random.RandomState(7)
    # 12 Nutzer, 9 Filme, Bewertungen von 1 bis 5
    R = rng.randint(1, 6, size=(12, 9)).astype(float)
    M = (rng.rand(12, 9) < 0.6).astype(float)
    P, Q, bu, bi = trainiere(R, M)
    mu = R[M == 1].mean()
    print(np.round(vorhersage(P, Q, bu, bi, mu), 1))
