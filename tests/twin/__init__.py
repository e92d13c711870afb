"""Every kernel once more, in plain NumPy: slow, short, and close to the formulas.

One module for each noun, which opens with its equations; `cases` and `golden` hold what the tests run on.
Everything is computed in the dtype of `kernel` (of `y`, `x` and `w` where there is none).
"""

from twin import losses, net
from twin.activations import activation_pair
from twin.average import average_backward, average_forward
from twin.cases import (Case, dot_products, numeric_gradient, odd_versions, parameters, products,
                        random_case, random_direction, random_mask)
from twin.dense import DenseGradients, dense_backward, dense_forward, matmul
from twin.golden import golden, golden_case, named_activation
from twin.losses import mse_backward, mse_forward
from twin.optimizers import Optimizer, adam_step, clip, rmsprop_step, sgd_step
from twin.rate import rate_encode
from twin.snu import Gradients, final_state, snu_backward, snu_forward, snu_tangent

__all__ = [
    "Case", "DenseGradients", "Gradients", "Optimizer", "activation_pair", "adam_step", "average_backward",
    "average_forward", "clip", "dense_backward", "dense_forward", "dot_products", "final_state", "golden",
    "golden_case", "losses", "matmul", "mse_backward", "mse_forward", "named_activation", "net",
    "numeric_gradient", "odd_versions", "parameters", "products", "random_case", "random_direction",
    "random_mask", "rate_encode", "rmsprop_step", "sgd_step", "snu_backward", "snu_forward", "snu_tangent",
]
