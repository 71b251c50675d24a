"""Code that is pasted into the page: a network, right and with a mistake, and what is asked of its gradients."""

from einbackprop.shell import gallery

MYNET = gallery.example("mynet").text
ASKED = {"loss": "loss(weights, X, T)", "grads": "gradients(weights, X, T)", "wrt": "weights"}
RIGHT = "dW2 = first.T @ d_second"
WRONG = MYNET.replace(RIGHT, "dW2 = second.T @ d_second")
LINE = WRONG[: WRONG.index("dW2 = second")].count("\n") + 1
