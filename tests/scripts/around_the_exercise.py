def build(rng, sizes):
    i, j, k, l, b = sizes
    shapes = [(j, i), (j,), (k, j), (k,), (l, k), (l,)]
    return [rng.normal(size=shape) for shape in shapes], rng.random((i, b)), rng.normal(size=(l, b))


def loss(parameters, X, Y):
    return squared_loss(forward(parameters, X)[-1], Y)


def gradients(parameters, X, Y):
    return backward(forward(parameters, X), Y, parameters)
