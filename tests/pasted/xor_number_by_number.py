# exclusive or, every number by itself, so that I see what happens
import math
import random

random.seed(3)
samples = [[0, 0], [0, 1], [1, 0], [1, 1]]
wanted = [0, 1, 1, 0]
hidden = 3
v = [[random.uniform(-1, 1) for _ in range(2)] for _ in range(hidden)]
u = [random.uniform(-1, 1) for _ in range(hidden)]
start = 0.2
rate = 0.4


def squash(s):
    return 1 / (1 + math.exp(-s))


for epoch in range(40):
    printed_error = 0
    for s in range(4):
        x = samples[s]
        a = [0.0] * hidden
        for j in range(hidden):
            total = 0.0
            for i in range(2):
                total += v[j][i] * x[i]
            a[j] = squash(total)
        out = start
        for j in range(hidden):
            out += u[j] * a[j]
        out = squash(out)
        miss = wanted[s] - out
        printed_error += miss ** 2
        delta = miss * out * (1 - out)
        back = [delta * u[j] * a[j] * (1 - a[j]) for j in range(hidden)]
        for j in range(hidden):
            u[j] += rate * delta * a[j]
            for i in range(2):
                v[j][i] += rate * back[j] * x[i]
        start += rate * delta
    if epoch % 10 == 0:
        print(epoch, printed_error)
