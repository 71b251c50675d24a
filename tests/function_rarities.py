"""Blocks that few people write, for drawn functions: see ``function_blocks``."""

TABLE = '''
2 | a:S -> o:S
    $1, $o = $a.shape, $a.ravel()
    $o = $o[::-1].reshape($1)
1 | a:ij b:ij -> o:ij
    $o = np.array([[$1 * 2 for $1 in $2] for $2 in $a]) + $b
1 | a:ij -> o:i
    $o = np.array(list(map(lambda $1: $1.sum() * $c, $a)))
1 | a:ij -> o:j
    $o = np.zeros($#j)
    for $1, $2 in np.ndindex($a.shape):
        $o[$2] += $a[$1, $2] * ($1 + 1)
1 | a:ij -> o:ij
    $o = np.apply_along_axis(lambda $1: $1 - $1.mean(), 1, $a)
1 | a:ij b:j -> o:ij
    $o = np.vstack([$1 * $b for $1 in $a])
1 | a:ij -> o:ij
    $o = np.concatenate([$1[None] for $1 in list($a)[::-1]])
1 | a:ij -> o:ij
    $1 = np.triu_indices($#i, k=1, m=$#j)
    $o = $a.copy()
    $o[$1] = $c
1 | a:ij y:i^j -> o:ij
    $o = $a.copy()
    for $1, $2 in enumerate($y):
        $o[$1, $2] -= 1
2 | a:ij y:i^j -> o:
    $1 = $a - np.max($a, axis=1).reshape(-1, 1)
    $2 = np.log(np.exp($1).sum(axis=1))
    $o = np.mean($2 - $1[np.arange(len($y)), $y])
1 | a:ij y:i^j -> o:ij
    $1 = np.zeros($a.shape)
    $1[np.arange($y.size), $y] = 1
    $o = (softmax($a) - $1) / $y.shape[0]
1 | a:ij y:i^j -> o:j
    $o = np.bincount($y, weights=$a[:, 0], minlength=$#j)
1 | a:ij y:i^j -> o:i
    $o = np.take_along_axis($a, $y[:, None], axis=1)[:, 0]
1 | a:ij -> o:ij
    $1 = $a.argsort(axis=0)
    $o = np.take_along_axis($a, $1, axis=0)
1 | a:ij -> o:ij
    $1 = np.argmin($a, axis=0)
    $o = $a.copy()
    $o[$1, np.arange($#j)] *= $c
1 | a:ij -> o:ij
    $o = $a * ($a == np.max($a, axis=1, keepdims=True))
1 | a:ij -> o:
    $o = $a[np.unravel_index(np.argmax($a), $a.shape)]
1 | a:S -> o:S
    $1 = np.abs($a) < 0.4
    $o = np.where($1, 0.5 * $a ** 2, 0.4 * (np.abs($a) - 0.2))
1 | a:S -> o:
    $o = np.mean($a[np.abs($a) < 9])
1 | a:S b:S -> o:S
    $o = $a.copy()
    $o[($a > 0) & ($b > 0)] += $c
    $o[np.logical_or($a < -1, $b > 1)] = 0.0
1 | a:ij -> o:ij
    $o = $a.copy()
    $o[$o[:, 0] > 0] *= $c
1 | a:ij -> o:ij
    $o = $a.copy()
    $o[$o.sum(axis=1) > 0, 0] = $c
1 | a:ij b:j -> o:ij
    $o = $a.copy()
    $o[:, $b > 0] -= 1
1 | a:S -> o:S
    $o = np.zeros_like($a)
    np.copyto($o, $a, where=$a > 0)
1 | a:S -> o:S
    $o = np.ones_like($a)
    np.multiply($a, $c, out=$o, where=$a < 0.5)
1 | a:S -> a:S
    $a[$a != $a] = 0
1 | a:S -> a:S
    np.clip($a, -1.5, 1.5, out=$a)
1 | a:ij -> o:ij
    $o = $a.copy()
    $o[:, 0], $o[:, -1] = $a[:, -1], $a[:, 0]
1 | a:ij -> o:ij
    $o = $a.copy()
    $o[[0, -1]] = $o[[-1, 0]]
1 | a:ij -> o:ij
    $o = $a.copy()
    $o[np.arange($#i)[::2]] *= $c
1 | a:ij -> o:ij
    $1 = np.random.RandomState(3).permutation($#i)
    $o = $a[$1]
1 | a:ij -> o:i
    $o = np.array([$1[$1 > 0].sum() for $1 in $a])
1 | a:ij -> o:ij
    $o = np.array([$a[$1] * $1 for $1 in range($#i)])
1 | a:ijk -> o:ijk
    $o = np.zeros($a.shape)
    for $1 in reversed(range($#j)):
        $o[:, $1] = $a[:, $1] + (0.5 * $o[:, $1 + 1] if $1 + 1 < $#j else 0)
1 | a:ijk -> o:ij
    $o = np.concatenate([$a[:, $1:$1 + 1, 0] for $1 in range($#j)], axis=1)
1 | a:ijk -> o:ik
    $1 = []
    $2 = np.zeros(($#i, $#k))
    for $3 in range($#j):
        $2 = 0.5 * $2 + $a[:, $3]
        $1.append($2)
    $o = $1[-1] + $1[0]
1 | a:ijk -> o:kij
    $o = np.moveaxis($a, -1, 0) * $c
1 | a:ijk -> o:ji
    $o = np.einsum("ntd,ntd->tn", $a, $a)
1 | a:ijk -> o:ijk
    $o = $a - $a.mean(axis=(0, 2), keepdims=True)
1 | a:ijk -> o:ijk
    $1 = $a.reshape(-1, $a.shape[-1])
    $o = ($1 - $1.mean(0)).reshape($a.shape)
1 | a:ijk -> o:ij,k
    $o = $a.transpose(0, 2, 1).reshape(-1, $#j).T.copy().reshape($#j, $#i, $#k).swapaxes(0, 1).reshape($#i, -1)
1 | a:ijk -> o:jk,i
    $o = $a.reshape($#i, -1).T
1 | a:ijk w:kl -> o:ijl
    $o = np.tensordot($a, $w, axes=1)
1 | a:ijk b:ijk -> o:ijj
    $o = $a @ np.swapaxes($b, -1, -2) / np.sqrt($a.shape[-1])
1 | a:ijj b:ijk -> o:ijk
    $1 = np.tril(np.ones(($#j, $#j)))
    $2 = np.where($1 > 0, $a, -1e9)
    $2 = np.exp($2 - $2.max(-1, keepdims=True))
    $o = ($2 / $2.sum(-1, keepdims=True)) @ $b
1 | a:ijk -> o:ijk
    $o = np.pad($a, ((0, 0), (1, 0), (0, 0)))[:, :-1] + $a
1 | a:ij -> o:ij
    $1 = np.pad($a, 1)
    $o = $1[:-2, 1:-1] + $1[2:, 1:-1] - 2 * $1[1:-1, 1:-1]
1 | a:ij -> o:i-1,j
    $o = np.diff($a, axis=0)
1 | a:ij -> o:ij
    $1 = np.lib.stride_tricks.sliding_window_view(np.pad($a, ((1, 1), (0, 0))), 3, axis=0)
    $o = $1.sum(axis=-1)
1 | a:ij -> o:ij
    $o = np.cumsum($a[::-1], axis=0)[::-1]
1 | a:ij -> o:ij
    $o = np.add.accumulate($a, axis=1) * $c
1 | a:ij -> o:ij
    $o = np.subtract.outer($a[:, 0], $a[0])
1 | a:ij b:ij -> o:ij
    $o = np.add.reduce([$a, $b, $a * $b])
1 | a:ij b:ij -> o:ij
    $o = np.mean([$a, $b], axis=0)
1 | a:ij b:ij -> o:ij
    $o = np.sum((($a, $b)), axis=0)
1 | a:ij b:ij -> o:ij
    $o = np.stack([$a, $b], axis=-1).max(axis=-1)
1 | a:ij b:ij -> o:ij
    $1 = np.dstack([$a, $b])
    $1[..., 0] *= $c
    $o = $1.sum(axis=2)
1 | a:ij -> o:ij
    $o, $1 = np.zeros_like($a), $a.shape[0] // 2
    $o[:$1] = $a[:$1] * $c
    $o[$1:] += 1
1 | a:ij -> o:ij
    $1 = np.array_split($a, 2)
    $1[0] *= $c
    $o = np.concatenate($1)
1 | a:ij -> o:ij
    $1, $2 = np.split($a.copy(), [1])
    $1 -= 1
    $o = np.vstack(($2, $1))
1 | a:ij -> o:ij
    $o = np.append($a, $a[:1], axis=0)[1:]
1 | a:ij -> o:ij
    $o = np.insert($a[1:], 0, $c, axis=0)
1 | a:ij -> o:i-1,j
    $o = np.delete($a, 0, axis=0)
1 | a:ij -> o:ij
    $1 = {$2: $3 * $2 for $2, $3 in enumerate($a)}
    $o = np.stack([$1[$2] for $2 in sorted($1)])
1 | a:S b:S -> o:S
    $1 = {"w": $a.copy(), "g": {"w": $b}}
    for $2, $3 in $1["g"].items():
        $1[$2] -= 0.1 * $3
    $o = $1["w"]
1 | a:S b:S -> o:S
    $1 = {}
    $1.setdefault("a", $a * 1.0)
    $1["a"] += $b
    $1["b"] = $1["a"]
    $1["b"] *= $c
    $o = $1["a"]
1 | a:S b:S -> o:S
    $1 = [($a, $b), ($b, $a * $c)]
    $o = 0
    for $2, ($3, $4) in enumerate($1):
        $o = $o + ($2 + 1) * $3 * $4
1 | a:S b:S -> o:S
    $o, *$1 = [$a * 2, $b, $a]
    $o = $o + sum($1)
1 | a:S -> o:S
    $1 = np.zeros((2, *$a.shape))
    $1[0] = $a
    $1[1] = 0.9 * $1[0] + $c
    $o = $1[-1] / np.sqrt($1[0] ** 2 + 1)
1 | a:S b:S -> o:S
    $1, $2 = np.zeros_like($a), 0
    while $2 < 3:
        $1 = 0.5 * $1 + $b
        $2 += 1
        if $2 == 2:
            break
    $o = $a - $1
1 | a:S -> o:S
    $1 = np.float64(2.0) * np.ones($a.shape, dtype=int)
    $o = $1 * $a // 1 + $a
1 | a:S -> o:S
    $1 = np.arange($a.size).reshape($a.shape)
    $o = $a * ($1 % 2) + $1 / $a.size
1 | a:S -> o:S
    $1 = np.zeros($a.shape, dtype=int)
    $1[$a > 0] += 1
    $o = $a + $1 * $c
1 | a:S -> o:S
    $1 = ($a > 0).astype(int) - ($a < 0)
    $o = np.sign($a) * np.abs($a) + $1
1 | a:S -> o:S
    $1 = $a.astype(np.float32)
    $1 = np.round($1, 1)
    $o = $a - $1.astype(np.float64)
1 | a:S -> o:S
    $o = np.nan_to_num(np.where($a > 0, np.sqrt($a), 0))
1 | a:S -> o:S
    $1 = np.isfinite($a).all() and not np.any($a > 1e3)
    $o = $a * (2 if $1 else 3)
1 | a:S -> o:
    $o = $a.sum().item() + $a.reshape(-1)[-1] - $a.min()
1 | a:S -> o:
    $o = float(np.dot($a.ravel(), $a.ravel())) + int($a.size)
1 | a:S b:S -> o:
    $o = np.vdot($a, $b) + np.inner($a.ravel(), $b.ravel())
1 | a:S -> o:
    $o = max(float(np.sum($a)), 0.3) + min(1.0, np.sum($a * $a))
1 | a:S -> o:S
    $o = $a / max(1.0, np.linalg.norm($a))
1 | a:S -> o:S
    $o = $a / np.sqrt(np.sum(np.square($a)) + EPS)
1 | a:S -> o:S
    $o = ($a - np.min($a)) / (np.ptp($a) + 1)
1 | a:S -> o:S
    $o = np.logaddexp($a, 0) + np.hypot($a, 1) + np.expm1(-np.abs($a)) + np.log1p($a ** 2)
1 | a:S -> o:S
    $o = np.arctan($a) + np.sinh($a * 0.1) + np.cos($a) - np.reciprocal(2 + np.tanh($a))
1 | a:S -> o:S
    $o = np.power(np.abs($a) + 0.1, 1.5) * np.heaviside($a, 0.5)
1 | a:S -> o:S
    $o = np.where($a > 0, $a, np.exp(np.minimum($a, 0)) - 1)
1 | a:S b:S -> o:S
    $o = np.select([$a > 0.5, $b > 0.5], [$a, $b * 2], default=$c)
1 | a:S -> o:S
    $o = np.piecewise($a, [$a < 0], [lambda $1: $1 * 0.1, lambda $1: $1])
1 | a:S b:S -> o:S
    $1 = lambda *$2, scale=1.0: sum($2) * scale
    $o = $1($a, $b, scale=$c)
1 | a:S b:S -> o:S
    def $1($2, $3=None):
        if $3 is None:
            return $2
        $3 = $3 * $2
        return $3
    $o = $1($a) + $1($a, $b)
1 | a:S b:S -> o:S
    with np.errstate(divide="ignore"):
        $o = np.divide($a, $b, out=np.zeros_like($a), where=$b > 0.3)
1 | a:ij b:jk d:k -> o:ik
    $o = $a
    for $1, $2 in zip([$b], [$d]):
        $o = np.maximum($o.dot($1) + $2, 0)
1 | a:ii -> o:ii
    $o = $a.copy()
    np.fill_diagonal($o, $c)
1 | a:ii -> o:ii
    $o = $a + $a.T
    $o[np.diag_indices($#i)] *= 0.5
1 | a:ii b:ij -> o:ij
    $o = np.linalg.solve($a + 4 * np.eye($#i), $b)
1 | a:ij b:ij -> o:
    $o = np.trace($a.T @ $b)
1 | a:ij b:kj -> o:ik
    $o = np.sqrt(((($a[:, None, :] - $b[None]) ** 2).sum(-1)) + 0.1)
1 | a:ij b:kj -> o:ik
    $o = (np.sum($a ** 2, axis=1, keepdims=True) - 2 * $a @ $b.T) + np.sum($b ** 2, axis=1)
1 | a:ij -> o:
    $o = np.sum(np.abs($a)) / $a.shape[0] + $a.size / len($a)
1 | a:S -> a:S
    np.place($a, $a > 0.9, [$c])
1 | a:S -> o:S
    $o = np.partition($a, 0, axis=-1)
1 | a:S -> o:
    $o = np.sum(np.extract($a > 0, $a) ** 2)
1 | a:ij -> o:j
    $o = np.compress([True], $a, axis=0)[0]
1 | a:ij -> o:ij
    $o = np.resize($a, $a.shape) + np.atleast_3d($a)[:, :, 0]
1 | a:ij -> o:ij
    $o = $a.copy()
    np.multiply.at($o, (np.arange($#i), 0), $c)
1 | a:ii -> o:ii
    $o = $a.copy()
    np.einsum("ii->i", $o)[...] = $c
'''
