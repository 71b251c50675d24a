"""Una red de dos capas, sin funciones: el error es lo que falta a la salida, y nada se llama en inglés."""
import numpy as np

np.random.seed(3)
entradas = np.random.randn(8, 3)
metas = np.array([[0], [1], [1], [0], [1], [0], [0], [1]])
pesos_a = np.random.randn(3, 4)
pesos_b = np.random.randn(4, 1)
paso = 0.4

for vuelta in range(5):
    oculta = np.tanh(entradas @ pesos_a)
    salida = 1 / (1 + np.exp(-(oculta @ pesos_b)))
    falta = metas - salida
    cambio_b = falta * salida * (1 - salida)
    cambio_a = (cambio_b @ pesos_b.T) * (1 - oculta ** 2)
    pesos_b = pesos_b + paso * (oculta.T @ cambio_b)
    pesos_a = pesos_a + paso * (entradas.T @ cambio_a)

print(np.abs(falta).mean())
