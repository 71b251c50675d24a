"""Blocks with loops, joins, branches, dicts and helpers for drawn functions: see ``function_blocks``."""

TABLE = '''
8 | a:ij b:kj -> o:ik
    $o = np.zeros(($#i, $#k))
    for $1 in range($#i):
        $o[$1] = «$a[$1]» @ $b.T
8 | a:ij d:ik -> o:jk
    $o = np.zeros(($#j, $#k))
    for $1 in range($#i):
        $o += np.outer($a[$1], $d[$1])
6 | a:ij d:i -> o:j
    $o = np.zeros($#j)
    for $1, $2 in zip($a, $d):
        $o += $2 * «$1»
5 | a:ij b:ij -> o:
    $o = 0.0
    for $1 in range(len($a)):
        $2 = np.sum(($a[$1] - $b[$1]) ** 2)
        $o += $2 / $#i
5 | a:ij w:jj -> o:ij
    $1 = np.zeros($#j)
    $o = np.zeros_like($a)
    for $2 in range($#i):
        $1 = np.tanh($a[$2] + $1 @ $w)
        $o[$2] = $1
5 | a:ij w:jj -> o:ij
    $1 = 0
    $o = np.zeros_like($a)
    for $2 in reversed(range($#i)):
        $1 = «$a[$2]» + 0.3 * np.dot($w, $1) if $2 < $#i - 1 else $a[$2]
        $o[$2] += $1
4 | a:ijk w:kl -> o:ijl
    $o = np.zeros(($#i, $#j, $#l))
    for $1 in range($#j):
        $o[:, $1, :] = «$a[:, $1, :]».dot($w)
4 | a:ijk w:kk -> o:ik
    $o = np.zeros(($#i, $#k))
    for $1 in range($#j)[::-1]:
        $o = np.tanh($a[:, $1] + $o @ $w)
4 | a:ij b:j -> o:ij
    $1 = []
    for $2 in $a:
        $1.append(«$2» * $b)
    $o = np.array($1)
3 | a:ij -> o:i
    $o = np.array([np.sum(«$1») for $1 in $a])
3 | a:ij b:ij -> o:j
    $o = sum($1 * $2 for $1, $2 in zip($a, $b))
2 | a:ij -> o:ij
    $o = np.stack([«$a[:, $1]» for $1 in range($#j)], axis=1)
3 | a:ij -> o:ij
    $o = $a.copy()
    for $1 in range(1, $#i):
        $o[$1] += 0.5 * $o[$1 - 1]
3 | a:ij -> o:ij
    $o = np.empty_like($a)
    for $1 in range($#i):
        for $2 in range($#j):
            $o[$1, $2] = $a[$1, $2] * $c + $1
3 | a:ij -> o:i-1,j-1
    $o = np.zeros(($#i - 1, $#j - 1))
    for $1 in range($#i - 1):
        for $2 in range($#j - 1):
            $o[$1, $2] = np.sum($a[$1:$1 + 2, $2:$2 + 2])
2 | a:ij -> o:ij
    $o = np.zeros_like($a)
    for $1 in range($#i - 1):
        for $2 in range($#j - 1):
            $o[$1:$1 + 2, $2:$2 + 2] += $a[$1, $2] * $c
2 | a:ij -> o:ij
    $o = $a * 1.0
    $1 = 0
    while $1 < $#i:
        $o[$1] *= 1 + $1
        $1 += 2
2 | a:ij -> o:j
    $o = $a[0] * 0
    for $1, $2 in enumerate($a):
        if $1 % 2 == 0:
            continue
        $o = $o + $2 * $1

4 | a:ij b:ik -> o:i,j+k
    $o = np.concatenate([$a, $b], axis=1)
3 | a:ij b:ik -> o:i,j+k
    $o = np.hstack(($a, «$b»))
2 | a:ij b:kj -> o:i+k,j
    $o = np.vstack([$a, $b])
2 | a:ij -> o:i,j+1
    $o = np.c_[$a, np.ones($#i)]
2 | a:ij b:ij -> o:2,i,j
    $o = np.stack([$a, $b])
2 | a:ij b:ij -> o:ij p:ij
    $o, $p = np.split(np.concatenate([$a, $b], axis=1), 2, axis=1)
2 | a:ij b:ik -> o:ij p:ik
    $1 = np.hstack([$a, $b])
    $o, $p = $1[:, :$#j], $1[:, $#j:]
3 | a:ij -> o:i+2,j+2
    $o = np.pad($a, ((1, 1), (1, 1)), mode="constant")
2 | a:ij -> o:i+2,j
    $1 = np.zeros(($#i + 2, $#j))
    $1[1:-1] = $a
    $o = $1
1 | a:ij -> o:ij
    $o = np.flip($a, axis=0) + np.roll($a, 1, axis=1)
2 | a:ij -> o:2*i,j
    $o = np.repeat($a, 2, axis=0)
1 | a:ij -> o:i,2*j
    $o = np.tile($a, (1, 2))
1 | a:ii -> o:i
    $o = np.diag($a) + np.trace($a)
1 | a:ij -> o:ij
    $o = np.triu($a) - $a
1 | a:ij b:j -> o:ij
    $o = np.broadcast_to($b, $a.shape) * $a
1 | a:ij -> o:ij
    $o = np.sort($a, axis=1)

6 | a:ij -> o:ij
    $o = softmax($a)
3 | a:Si -> o:S
    $1 = $a.max(axis=-1, keepdims=True)
    $o = np.log(np.sum(np.exp($a - $1), axis=-1)) + $1[..., 0]
3 | a:ij g:j b:j -> o:ij
    $o, $1 = batchnorm($a, $g, $b)
    $o += $1[0] * 0.1
3 | a:ij g:j -> o:ij
    $1 = np.mean($a, axis=1, keepdims=True)
    $2 = np.sqrt(np.mean(($a - $1) ** 2, axis=-1, keepdims=True) + 1e-2)
    $o = $g * (($a - $1) / $2)
2 | a:ij d:ij -> o:ij
    $1 = np.sum($d * $a, axis=1, keepdims=True)
    $o = $a * ($d - $1)
2 | a:ij y:i^j -> o:
    $1 = softmax($a)
    $o = -np.log($1[range($#i), $y]).mean()
2 | a:ij b:kj d:kl -> o:il
    $o = softmax($a @ $b.T / np.sqrt($#j)) @ $d
2 | a:ij y:i^j -> o:
    $1 = np.maximum(0, $a - $a[np.arange($#i), $y][:, None] + 1.0)
    $1[np.arange($#i), $y] = 0
    $o = np.sum($1) / $#i
2 | a:ij -> o:ij
    $1 = np.random.RandomState(0).rand(*$a.shape) < 0.8
    $o = $a * $1 / 0.8

9 | a:S -> o:S
    if $?:
        $o = «$a» * $c
    else:
        $o = np.tanh($a)
4 | a:S -> a:S
    if $?:
        $a *= $c
5 | a:S b:S -> o:S
    $o = «$a» if $? else «$b»
3 | a:S -> o:S
    if $a.ndim == 2:
        $o = $a - $a.mean(axis=1, keepdims=True)
    elif $#N > 3:
        $o = $a + $#N
    else:
        $o = $a * 1
4 | a:S -> a:S
    assert $a.shape == $a.shape and $#N >= 1
2 | a:S -> o:S
    if np.sum($a) > $c:
        $o = «$a»
    else:
        $o = $a - 1
1 | a:S -> o:S
    try:
        $o = $a * OPTIONS["scale"]
    except KeyError:
        $o = $a * $c

5 | a:ij b:j -> o:ij p:j
    $1 = {"W": $a * 2, "b": $b}
    $1["W"] += $c * $a
    for $2 in $1:
        $1[$2] = $1[$2] + 1
    $o, $p = $1["W"], $1["b"]
3 | a:S b:S -> o:S
    $1 = dict(x=$a, y=$b * $b)
    $1.update(z=$1["x"] + $1.get("y", 0))
    $o = $1["z"] * $1.get("missing", $c)
2 | a:S b:S -> o:
    $1 = {"a": $a, "b": $b}
    $o = sum(np.sum($2 ** 2) for $2 in $1.values())
2 | a:S b:S -> o:
    $o = 0
    for $1, $2 in {"a": $a, "b": $b}.items():
        $o += 0.5 * np.sum($2 * $2) * (2 if $1 == "a" else 1)
3 | a:S b:S -> a:S b:S
    $a, $b = $b, $a
2 | a:S b:S -> a:S b:S
    $a, $b = $b + $a, $a * $c
2 | a:ij -> o:ij
    $o = $a - ($1 := $a.sum(axis=0)) / (1 + np.sum($1 ** 2))
2 | a:ij b:jk d:k -> o:ik
    $1 = Layer($b, $d)
    $o = $1.forward($a)
    $o += np.sum($1.x) * $c
3 | a:ij b:jk d:k -> o:jk p:k q:ij
    $1 = Layer($b, $d)
    $1.forward($a)
    $q = $1.backward(np.ones(($#i, $#k)) * $c)
    $o, $p = $1.dW, $1.db
2 | a:S b:S -> o:S
    $o = (lambda $1, $2=$c: $1 * $2 + $b)($a)
4 | a:S -> o:S
    $o = $a * EPS + SCALE
2 | a:ij b:jj -> o:ij
    $o = $a
    for $1, $2 in [($b, 0.5), ($b.T, 1.5)]:
        $o = relu($o @ $1) * $2
2 | a:S b:S -> o:S
    $1 = [$a, $b * 2]
    $1[0] = $1[0] + $1[-1]
    $1 += [$1[0] * $1[1]]
    $o = $1.pop() + $1[0]
'''

HELPERS = {
    "sigmoid": """
def sigmoid(z):
    return 1 / (1 + np.exp(-z))
""",
    "relu": """
def relu(x):
    return np.maximum(0, x)
""",
    "leaky": """
def leaky(x, slope=0.01):
    out = x.copy()
    out[x < 0] *= slope
    return out
""",
    "affine": """
def affine(x, w, b):
    N = x.shape[0]
    out = x.reshape(N, -1).dot(w) + b
    cache = (x, w, b)
    return out, cache
""",
    "softmax": """
def softmax(x):
    shifted = x - np.max(x, axis=1, keepdims=True)
    e = np.exp(shifted)
    e /= np.sum(e, axis=1, keepdims=True)
    return e
""",
    "batchnorm": """
def batchnorm(x, gamma, beta, eps=1e-2):
    mu = x.mean(axis=0)
    xc = x - mu
    var = np.mean(xc ** 2, axis=0)
    std = np.sqrt(var + eps)
    xhat = xc / std
    cache = (xhat, std, gamma)
    return gamma * xhat + beta, cache
""",
    "Layer": """
class Layer:
    def __init__(self, W, b):
        self.W, self.b = W, b
        self.dW = np.zeros_like(W)
        self.db = np.zeros(b.shape)

    def forward(self, x):
        self.x = x
        self.z = np.dot(x, self.W) + self.b
        self.cache = (x, self.z)
        return np.tanh(self.z)

    def backward(self, d):
        x, z = self.cache
        d = d * (1 - np.tanh(z) ** 2)
        self.dW += np.dot(x.T, d)
        self.db += np.sum(d, axis=0)
        return d.dot(self.W.T)
""",
}

GLOBALS = {"EPS": "EPS = 1e-1", "SCALE": "SCALE = 0.5", "OPTIONS": 'OPTIONS = {"rate": 0.1}'}

AROUND = ["{}", "{}", "{}", "{}", "np.tanh({})", "sigmoid({})", "0.5 * {}", "relu({})", "({} ** 2)", "np.sin({})"]
CONDITIONS = ['mode == "train"', 'mode != "train"', "$#N > 2", "$#D % 2 == 0", "len(X) > 1", "y is not None", "reg > 0",
              "$#D <= $#H", "not mode"]
