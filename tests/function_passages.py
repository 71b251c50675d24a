"""Longer passages that people write, as blocks for drawn functions: see ``function_blocks``."""

TABLE = '''
6 | a:ij w:jj -> o:ij p:jj
    $1 = {-1: np.zeros($#j)}
    for $2 in range($#i):
        $1[$2] = np.tanh($a[$2] + np.dot($w, $1[$2 - 1]))
    $p, $3 = np.zeros_like($w), np.zeros_like($1[0])
    $o = np.zeros_like($a)
    for $2 in reversed(range($#i)):
        $4 = (1 - $1[$2] ** 2) * ($1[$2] - $a[$2] + $3)
        $p += np.outer($4, $1[$2 - 1])
        $o[$2] = $4
        $3 = np.dot($w.T, $4)
5 | a:ij b:jk d:k -> o:ik p:jk q:k
    $1 = [{"W": $b * 1, "b": $d * 1}, {"W": $b * 0.5, "b": $d + 1}]
    $o = np.zeros(($#i, $#k))
    for $2 in $1:
        $2["W"] -= 0.1 * $a.T.dot($a.dot($2["W"]) + $2["b"]) / $#i
        $o += $a @ $2["W"]
    $p, $q = $1[0]["W"], $1[-1]["b"]
5 | a:ij w:jj b:j -> o:ij p:jj
    $1, $2 = {"W0": $w * 1.0, "W1": $w.T * 0.5, "b0": $b, "b1": -$b}, []
    $3 = $a
    for $4 in range(2):
        $2.append(($3, $1["W" + str($4)]))
        $3 = np.maximum(0, $3 @ $1["W" + str($4)] + $1[f"b{$4}"])
    $o = $3
    $5 = {}
    $6 = np.ones_like($3) / $#i
    for $4 in reversed(range(len($2))):
        $7, $8 = $2[$4]
        $5[f"dW{$4}"] = $7.T @ $6
        $6 = ($6 @ $8.T) * ($7 > 0)
    $p = $5["dW0"] + $5["dW1"]
4 | a:ij w:jj b:j -> o:ij p:jj
    $1 = [Layer($w, $b), Layer($w * 0.5, $b)]
    $2 = $a
    for $3 in $1:
        $2 = $3.forward($2)
    $o = ($2 - $a) / $#i
    for $3 in $1[::-1]:
        $o = $3.backward($o)
    for $3 in $1:
        $3.W = $3.W - 0.1 * $3.dW
    $p = $1[0].W + $1[1].dW
4 | a:ij y:i^j -> o:ij p:
    $1 = softmax($a)
    $p = -np.sum(np.log($1[np.arange($#i), $y])) / $#i
    $o = $1.copy()
    $o[np.arange($#i), $y] -= 1
    $o /= $#i
4 | a:ij g:j d:ij -> o:ij p:j q:j
    $1, $2 = batchnorm($a, $g, $g * 0)
    $3, $4, $5 = $2
    $q = np.sum($d, axis=0)
    $p = np.sum($d * $3, axis=0)
    $6 = $d * $5
    $o = (1.0 / $#i) / $4 * ($#i * $6 - np.sum($6, axis=0) - $3 * np.sum($6 * $3, axis=0))
4 | a:S b:S -> o:S
    $1, $2, $3 = np.zeros_like($a), np.zeros_like($a), $a.copy()
    for $4 in range(1, 3):
        $5 = $b * $3
        $1 = 0.9 * $1 + 0.1 * $5
        $2 = 0.99 * $2 + 0.01 * ($5 ** 2)
        $3 -= 0.1 * ($1 / (1 - 0.9 ** $4)) / (np.sqrt($2 / (1 - 0.99 ** $4)) + 0.1)
    $o = $3
3 | a:ij w:jj -> o:ij p:ij
    $1, $2 = np.zeros($#j), np.zeros($#j)
    $o, $p = np.zeros($a.shape), []
    for $3 in range($#i):
        $4 = np.hstack(($a[$3] + $1 @ $w, $a[$3], $1, $2))
        $5, $6, $7, $8 = np.split($4, 4)
        $2 = sigmoid($5) * $2 + sigmoid($6) * np.tanh($7)
        $1 = sigmoid($8) * np.tanh($2)
        $o[$3, :] = $1
        $p.append($2)
    $p = np.vstack($p)
3 | a:ijk -> o:ij,k p:ijk
    $1, $2, $3 = $a.shape
    $4 = $a.reshape($1, $2 * $3)
    $5 = $4.copy()
    $5[$5 < 0] = 0
    $p = $5.reshape($1, $2, $3)
    $p[:, 0] += $a[:, -1]
    $o = $5 * $c
3 | a:ij w:jj -> o:ij p:jj
    $1, $p = $a.copy(), np.zeros_like($w)
    for $2 in range($#i):
        $3 = $1[$2:$2 + 1]
        $4 = $3 @ $w
        $p += $3.T @ $4
        $1[$2] = $4[0] * $c
    $o = $1
    $p *= $c
    $p += 0.1 * $w
3 | a:ij b:kj -> o:ik
    $o = np.zeros(($a.shape[0], $b.shape[0]))
    for $1 in range($a.shape[0]):
        for $2 in range($b.shape[0]):
            $o[$1, $2] = np.sqrt(np.sum(np.square($a[$1] - $b[$2])) + 0.1)
3 | a:ij -> o:i-1,j-1 p:ij
    $1, $2 = $a.shape
    $o = np.zeros(($1 - 1, $2 - 1))
    $p = np.zeros_like($a)
    for $3 in range($1 - 1):
        for $4 in range($2 - 1):
            $5 = $a[$3:$3 + 2, $4:$4 + 2]
            $o[$3, $4] = np.max($5)
            $p[$3:$3 + 2, $4:$4 + 2] += ($5 == $o[$3, $4]) * $c
2 | a:ijk w:kl -> o:ijl p:kl
    $1 = np.pad($a, ((0, 0), (1, 0), (0, 0)), mode="constant")
    $o, $p = np.zeros(($#i, $#j, $#l)), np.zeros_like($w)
    for $2 in range($#j):
        $3 = $1[:, $2, :] + $1[:, $2 + 1, :]
        $o[:, $2, :] = $3 @ $w
        $p += $3.T @ $o[:, $2, :]
2 | a:ij y:i^j -> o:ij p:
    $1 = $a[np.arange($#i), $y].reshape($#i, 1)
    $2 = np.maximum(0, $a - $1 + 0.5)
    $2[np.arange($#i), $y] = 0
    $p = np.sum($2) / $#i
    $o = np.zeros_like($a)
    $o[$2 > 0] = 1
    $o[np.arange($#i), $y] -= np.sum($o, axis=1)
    $o = $o / $#i + $a * 0.1
2 | a:ij y:i^j -> o:ij p:
    $p, $o = 0.0, np.zeros($a.shape)
    for $1 in range($#i):
        $2 = $a[$1] - np.max($a[$1])
        $3 = np.exp($2) / np.sum(np.exp($2))
        $p += -np.log($3[$y[$1]])
        for $4 in range($#j):
            $o[$1, $4] = $3[$4] - ($4 == $y[$1])
    $p /= $#i
2 | a:ij b:ij -> o:ij p:ij
    $1 = {"a": $a * 1, "b": $b * 1}
    $2 = {$3: np.zeros_like($4) for $3, $4 in $1.items()}
    for $3 in $1:
        $2[$3] += 0.5 * $1[$3] + $c
        $1[$3] -= 0.1 * $2[$3]
    $o, $p = $1["a"], $2["b"]
2 | a:S b:S -> o:S
    $1 = [$a * 1.0, $b * 2.0]
    for $2, $3 in zip($1, [$b, $a]):
        $2 -= 0.1 * $3
        np.clip($2, -0.9, 0.9, out=$2)
    $o = $1[0] * $1[1]
2 | a:ij w:jj -> o:ij
    def $1($2, $3=$w, *, n=2):
        for $4 in range(n):
            $2 = np.tanh($2 @ $3) + $2
        return $2
    $o = $1($a, n=2 if $? else 1)
2 | a:ij b:kj d:kl -> o:il p:ik
    $1 = $a @ $b.T / np.sqrt($a.shape[-1])
    $1 -= $1.max(axis=-1, keepdims=True)
    $p = np.exp($1)
    $p /= $p.sum(axis=-1, keepdims=True)
    $2 = np.ones(($#i, $#l))
    $3 = $2 @ $d.T
    $4 = $p * ($3 - np.sum($3 * $p, axis=-1, keepdims=True))
    $o = $p @ $d + ($4 @ $b).sum()
2 | a:ij y:i^j -> o:ij p:j
    $1, $2 = np.zeros(($#j, $#j)), np.zeros($#j)
    for $3, $4 in zip($a, $y):
        $1[$4] += $3
        $2[$4] += 1
    $1 = $1 / np.maximum($2, 1)[:, None]
    $o, $p = $a - $1[$y], $1.sum(1)
2 | a:ij b:jk -> o:ij p:jk
    $1, $2 = $a.copy(), $b.copy()
    for $3 in range(2):
        $4 = $1 @ $2
        $1 -= 0.1 * $4 @ $2.T
        $2 -= 0.1 * $1.T @ $4
    $o, $p = $1, $2
2 | a:ijk -> o:ijk
    $1 = $a.mean(axis=-1, keepdims=True)
    $2 = ((($a - $1) ** 2).mean(axis=-1, keepdims=True) + 0.01) ** -0.5
    $3 = ($a - $1) * $2
    $4 = $3 * $c
    $o = $2 * ($4 - $4.mean(-1, keepdims=True) - $3 * ($4 * $3).mean(-1, keepdims=True))
2 | a:ij -> o:ij
    $1 = (np.random.RandomState(1).rand(*$a.shape) < 0.7) / 0.7
    $2 = $a * $1
    $2 += $1 * $c
    $o = $2 if mode == "train" else $a
2 | a:ij b:ij -> o:ij
    $1 = np.concatenate((np.zeros((1, $#j)), $a), axis=0)
    $1[1:] += $b
    $1[:-1] *= 0.5
    $o = $1[1:] - $1[:-1]
2 | a:ij -> o:ij
    $1 = $a.T.reshape(-1)
    $2 = $1.copy()
    $2[1::2] = -$2[1::2]
    $o = $2.reshape($a.T.shape).T
2 | a:ijk -> o:ikj
    $1 = np.transpose($a, (0, 2, 1)).reshape(-1, $#j)
    $1 *= $c
    $1[0] = 0.5
    $o = $1.reshape($#i, $#k, $#j)
2 | a:ij -> a:ij o:ji
    $o = $a.T
    $o += 0.1
    $a *= $c
    $o[0] -= 1
1 | a:ij b:ij -> o:ij
    $1 = np.zeros((2, $#i, $#j))
    $1[0], $1[1] = $a, $b
    $2 = $1.reshape(2, -1)
    $2[1] += $2[0]
    $o = $1[1] * $1[0]
1 | a:ij -> o:ij
    $o = np.zeros_like($a)
    $1 = $o.T
    for $2 in range($#j):
        $1[$2] = $a[:, $2] * ($2 + 1)
    $1 += 1
1 | a:ij b:ij -> o:ij
    $1 = [None] * 2
    $1[0] = $a
    $1[1] = $b if $1[0] is not None else $a
    $2, ($3, $4) = $a[0], ($1[0], $1[1])
    $o = $3 * $4 + $2
'''
