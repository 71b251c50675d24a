"""Blocks of statements that drawn functions are made of, each with its weight and the shapes that it needs and makes.

A header is ``weight | values it reads -> values it makes``. Shapes are letters of dimensions, ``S`` is any shape,
``y:i^j`` are labels over j, ``m:S?`` is a mask. A value after ``->`` may be one that is written into. In the code
``$a`` is a value, ``$#i`` a text for the size of a dimension, ``$1`` a local name, ``$c`` a number, ``$?`` a condition;
``«…»`` may become a function of what is inside.

Weights are percent of functions, as measured on 325 hand-written NumPy functions of 82 public repositories.
"""

TABLE = '''
85 | a:S b:S -> o:S
    $o = «$a» + $c * «$b»
85 | a:S b:S -> o:S
    $o = «$a» * «$b»
30 | a:ij b:j -> o:ij
    $o = «$a» - $b
20 | a:S b:S -> o:S
    $o = $a / (1 + $b ** 2)
19 | a:S -> o:S
    $o = -«$a»
14 | a:S -> o:S
    $o = «$a» ** 2
8 | a:S -> o:S
    $o = np.log($a ** 2 + 1)
8 | a:S -> o:S
    $o = np.exp(-np.abs($a))
7 | a:S -> o:S
    $o = np.tanh($a)
5 | a:S -> o:S
    $o = np.sqrt($a * $a + 0.5)
5 | a:S b:S -> o:S
    $o = np.multiply(np.add($a, $c), np.subtract($b, $a))
3 | a:S -> o:S
    $o = np.clip($a, -0.8, 0.7)
3 | a:S b:S -> o:S
    $o = np.maximum($a, $b) + np.minimum($a, 0.2)
15 | a:S -> o:S
    $o = sigmoid($a)
10 | a:S -> o:S
    $o = relu($a)
4 | a:S -> o:S
    $o = leaky($a, slope=0.2)

30 | a:ij b:jk -> o:ik
    $o = np.dot(«$a», $b)
15 | a:ij b:jk -> o:ik
    $o = $a.dot(«$b»)
15 | a:ij b:jk -> o:ik
    $o = $a @ $b
25 | a:ij b:ik -> o:jk
    $o = $a.T.dot($b)
10 | a:ij b:kj -> o:ik
    $o = np.matmul($a, $b.T) / $#j
8 | a:ij b:j -> o:i
    $o = $a @ $b
8 | a:ij b:jk d:k -> o:ik
    $o = $a @ $b + $d
5 | a:ij b:jk d:k -> o:ik
    $o, $1 = affine($a, $b, $d)
    $o = $o + np.sum($1[0] * $1[0]) * 0.1
4 | a:i b:j -> o:ij
    $o = np.outer($a, «$b»)
3 | a:ij b:kj -> o:ik
    $o = np.einsum("ij,kj->ik", $a, $b)
2 | a:ij b:jk -> o:ki
    $o = np.tensordot($b, $a, axes=([0], [1]))
3 | a:ijk b:kl -> o:ijl
    $o = $a @ $b
2 | a:ijk b:lk -> o:ijl
    $o = np.einsum("ntd,hd->nth", $a, $b)

30 | a:ij -> o:j
    $o = np.sum($a, axis=0)
10 | a:Si -> o:S
    $o = $a.sum(axis=-1)
12 | a:ij -> o:i1
    $o = np.sum(«$a», axis=1, keepdims=True)
16 | a:S -> o:
    $o = np.sum(«$a»)
5 | a:ij -> o:j
    $o = $a.mean(axis=0)
5 | a:S -> o:
    $o = np.mean($a ** 2)
8 | a:ijk -> o:k
    $o = np.sum($a, axis=(0, 1))
3 | a:ij -> o:ij
    $o = ($a - $a.mean(axis=0)) / np.sqrt($a.var(axis=0) + 1e-2)
2 | a:ij -> o:j
    $o = np.std($a * 3, axis=0) + 1
4 | a:ij -> o:i1
    $o = np.max($a, axis=1, keepdims=True)
2 | a:ij -> o:j
    $o = $a.max(axis=0) - $a.min(0)
3 | a:ij -> o:ij
    $1 = np.argmax($a, axis=1)
    $o = $a * 1.0
    $o[np.arange($#i), $1] -= $c
2 | a:ij -> o:i
    $o = $a[np.arange(len($a)), $a.argmax(1)]
2 | a:ij -> o:ij
    $o = np.cumsum($a, axis=1)
1 | a:ij -> o:i
    $o = np.linalg.norm($a + 2, axis=1)

25 | a:ij -> o:ji
    $o = «$a».T
9 | a:ijk -> o:kij
    $o = $a.transpose(2, 0, 1)
4 | a:ijk -> o:ikj
    $o = np.swapaxes($a, 1, 2)
3 | a:ij -> o:ji
    $o = np.transpose($a)
6 | a:ijk -> o:i,j*k
    $o = $a.reshape($#i, -1)
5 | a:ijk -> o:i*j,k
    $o = $a.reshape($#i * $#j, $#k)
5 | a:ijk b:kl -> o:ijl
    $1, $2, $3 = $a.shape
    $o = $a.reshape($1 * $2, $3).dot($b).reshape($1, $2, -1)
9 | a:S b:S -> o:S
    $o = ($a.ravel() * 2 + $c).reshape($b.shape)
6 | a:S -> o:S
    $1 = $a.flatten()
    $1[0] = $c
    $1[1:] *= 0.9
    $o = $1.reshape($a.shape)
5 | a:i -> o:i1
    $o = $a[:, None]
4 | a:i b:j -> o:ij
    $o = $a[:, np.newaxis] * $b[None, :]
3 | a:i1 -> o:i
    $o = $a.squeeze(1)
3 | a:ij -> o:ij
    $o = np.reshape($a.T, (-1,)).reshape($#j, $#i).T

8 | a:ij -> o:i,j//2
    $o = $a[:, :$#j // 2]
6 | a:ij -> o:i,j-j//2
    $o = $a[:, $#j // 2:]
6 | a:ij -> o:i-1,j
    $o = $a[1:] - $a[:-1]
4 | a:ij -> o:i-1,j
    $o = $a[:$#i - 1] * $c
4 | a:ij -> o:j
    $o = $a[-1]
4 | a:ij -> o:i
    $o = $a[:, 0] + $a[..., -1]
4 | a:ij -> o:ij
    $o = $a[::-1] + $a[:, ::-1]
3 | a:ij -> o:i,(j+1)//2
    $o = $a[:, ::2]
3 | a:ijk -> o:ik
    $o = $a[:, -1, :]
3 | a:ijk -> o:ik
    $o = $a[:, $#j - 1] - $a[:, 0]
4 | a:ijk -> o:jk
    $1 = $#i // 2
    $o = $a[$1]
2 | a:ij -> o:i-1,j
    $1 = slice(1, None)
    $o = $a[$1]

13 | a:S -> b:S
    $b = $a
13 | a:S b:S -> a:S
    $a = «$a» + $b
7 | a:S -> o:S
    $o = $a.copy()
3 | a:S -> o:S
    $o = np.array($a)
2 | a:S -> o:S
    $o = np.asarray($a, dtype=np.float64)
2 | a:S -> o:S
    $o = $a.astype(float)
1 | a:S -> o:S
    $o = ($a > 0.1).astype(np.float32) * $a
3 | a: -> o:
    $o = float($a)
15 | a:S b:S -> a:S
    $a += $c * $b
8 | a:S b:S -> a:S
    $a -= «$b»
4 | a:S -> a:S
    $a *= $c
2 | a:S -> a:S
    $a /= $#N
4 | a:ij b:j -> a:ij
    $a += $b
8 | a:ij b:j -> a:ij
    $a[0] += $b
8 | a:ij b:i -> a:ij
    $a[:, -1] = «$b»
6 | a:ij b:ij -> a:ij
    $a[1:] -= «$b»[:-1]
6 | a:ij b:j -> a:ij
    $a[-1, :] = $b
4 | a:ij -> a:ij
    $a[:, :$#j // 2] *= $c
4 | a:ij -> a:ij
    $a[..., 0] = $c
3 | a:ij b:ij -> a:ij
    $a[::2] = $b[::2]
3 | a:ijk b:ik -> a:ijk
    $a[:, 0] += $b
3 | a:ijk b:ik -> a:ijk
    $a[:, $#j - 1, :] = $b
3 | a:ij b:ij -> a:ij
    $a[...] = $a * $b
2 | a:S b:S -> a:S
    np.add($a, $b, out=$a)
1 | a:S -> a:S
    np.tanh($a, out=$a)

3 | a:ij b:j -> a:ij v:j
    $v = $a[0]
    $v *= 2
    $v += $b
3 | a:S -> a:S
    $1 = $a
    $1 -= $c
3 | a:ij -> a:ij v:ji
    $v = $a.T
    $v[0] += $c
3 | a:ij b:ij -> o:ij
    $1 = $a * $b
    $1.reshape(-1)[1:] = $c
    $o = $1 + $b
2 | a:ij -> o:ij
    $o = np.zeros_like($a)
    $1, $2 = $o[:, :$#j // 2], $o[:, $#j // 2:]
    $1 += $c
    $2[...] = $a[:, $#j // 2:]
2 | a:ij -> o:ij
    $o = $a.copy()
    for $1 in $o:
        $1 -= $1.mean()
2 | a:ij -> a:ij
    $1 = $a.ravel()
    $1[::2] = $c
2 | a:ijk -> o:ijk
    $o = $a * 1
    $1 = $o.transpose(1, 0, 2)
    $1[0] *= $c
    $1[-1] += 0.3

9 | a:ij b:ij -> o:ij
    $1 = $a > 0
    $o = $b * $1
5 | a:S b:S -> b:S
    $b[$a <= 0] = 0
4 | a:S -> o:S
    $1 = $a < $c
    $o = «$a»
    $o = $o + 0
    $o[$1] *= 0.1
2 | a:S b:S -> o:S
    $o = $a.copy()
    $1 = $a > 0.2
    $o[$1] = $b[$1] * 2
4 | a:S b:S -> o:S
    $o = np.where($a > $b, «$a», $c * $b)
1 | a:S -> o:
    $o = np.sum($a[$a > 0])
2 | a:S -> m:S?
    $m = ($a > -0.5) & ($a < 0.5)
4 | m:S? b:S -> o:S
    $o = $b * $m
2 | m:S? b:S -> b:S
    $b[~$m] = $c
1 | m:S? -> o:
    $o = np.sum($m) / $m.size

8 | a:ij y:i^j -> o:i
    $o = $a[np.arange($#i), $y]
6 | a:ij y:i^j -> a:ij
    $a[range($#i), $y] -= 1
4 | a:ij y:i^j -> o:ij
    $o = np.zeros_like($a)
    $o[np.arange($#i), $y] = 1
3 | a:ij y:i^j -> o:ij
    $1 = np.zeros(($#i, $#j))
    for $2 in range($#i):
        $1[$2, $y[$2]] = 1.0
    $o = «$a» - $1
4 | a:jk y:i^j -> o:ik
    $o = $a[$y]
3 | a:jk d:ik y:i^j -> o:jk
    $o = np.zeros_like($a)
    np.add.at($o, $y, $d)
2 | d:ik y:i^j -> o:jk
    $o = np.zeros(($#j, $#k))
    for $1 in range(len($y)):
        $o[$y[$1]] += $d[$1]
2 | a:ij y:i^j -> o:ij
    $o = (np.eye($#j)[$y] - softmax($a)) / $#i
1 | a:ij y:i^j -> o:i
    $o = $a[list(range($#i)), $y.astype(int)] * $c
1 | d:i y:i^j -> o:j
    $o = np.array([np.sum($d[$y == $1]) for $1 in range($#j)])
'''
