# Recomendador: factorización con sesgos, una valoración cada vez
import random
import numpy as np

random.seed(3)
np.random.seed(3)

tasa, lam = 0.05, 0.02
gustos, generos = np.random.randn(9, 2), np.random.randn(7, 2)
notas = [(u, i, gustos[u] @ generos[i]) for u in range(9) for i in range(7) if random.random() < 0.6]
media = np.mean([r for _, _, r in notas])
P = np.random.normal(0, 0.1, (9, 3))
Q = np.random.normal(0, 0.1, (7, 3))
sesgo_u, sesgo_p = np.zeros(9), np.zeros(7)


def predecir(u, i):
    return media + sesgo_u[u] + sesgo_p[i] + P[u].dot(Q[i])


def entrenar():
    random.shuffle(notas)
    for u, i, r in notas:
        e = r - predecir(u, i)
        pu = P[u].copy()
        sesgo_u[u] += tasa * (e - lam * sesgo_u[u])
        sesgo_p[i] += tasa * (e - lam * sesgo_p[i])
        P[u] += tasa * (e * Q[i] - lam * P[u])
        Q[i] += tasa * (e * pu - lam * Q[i])


for epoca in range(5):
    entrenar()
print(np.sqrt(np.mean([(r - predecir(u, i)) ** 2 for u, i, r in notas])))
