"""The steps of bench_derivatives.py in JAX: S3's own way (siren-jax), and the best ways known to us."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
CHUNK = 4096


def make_step(problem, kind, form):
    """One compiled optimizer step on a problem, and Adam's first moments.

    Args:
        problem: a `problem.Problem`.
        kind: "value", "gradient" or "laplacian".
        form: a key of `FORMS[kind]`; with "_chunked" behind it, the points go through in chunks, whose gradients are
            summed.
    """
    name = form.removesuffix("_chunked")
    chunks = problem.points // math.gcd(problem.points, CHUNK) if name != form else 1
    gradients = functools.partial(FORMS[kind][name], problem.omega_0)
    coords, targets = jnp.asarray(problem.coords), jnp.asarray(problem.targets[kind])
    weights = jax.tree.map(jnp.asarray, problem.weights)
    zeros = jax.tree.map(jnp.zeros_like, weights)

    @functools.partial(jax.jit, donate_argnums=0)
    def update(state, coords, targets):
        count, weights, first, second = state
        loss, slopes = in_chunks(gradients, weights, coords, targets, chunks)
        count += 1
        first = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, first, slopes)
        second = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g**2, second, slopes)
        scale = problem.learning_rate * jnp.sqrt(1 - BETA_2**count) / (1 - BETA_1**count)
        weights = jax.tree.map(lambda w, m, v: w - scale * m / (jnp.sqrt(v) + EPSILON), weights, first, second)
        return (count, weights, first, second), loss

    state = (jnp.zeros(()), weights, zeros, jax.tree.map(jnp.copy, zeros))

    def step():
        nonlocal state
        state, loss = update(state, coords, targets)
        return float(loss)

    return step, lambda: [np.asarray(moment) for moment in jax.tree.leaves(state[2])]


def in_chunks(gradients, weights, coords, targets, chunks):
    """Loss and weight gradients, chunk after chunk."""
    if chunks == 1:
        return gradients(weights, coords, targets)

    def add(total, part):
        return jax.tree.map(lambda a, b: a + b / chunks, total, gradients(weights, *part)), None

    parts = [array.reshape(chunks, -1, *array.shape[1:]) for array in (coords, targets)]
    nothing = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, weights))
    return jax.lax.scan(add, nothing, parts)[0]


def network(omega_0, weights, x):
    """Values (..., 1) at coords (..., 2)."""
    *hidden, (kernel, bias) = weights
    for hidden_kernel, hidden_bias in hidden:
        x = jnp.sin(omega_0 * (x @ hidden_kernel + hidden_bias))
    return (x @ kernel + bias + 1) / 2


def reverse(predict):
    """(omega_0, weights, coords, targets) -> loss, weight gradients; from (omega_0, weights, coords) -> prediction."""

    def loss(weights, omega_0, coords, targets):
        return jnp.mean((predict(omega_0, weights, coords) - targets) ** 2)

    return lambda omega_0, weights, coords, targets: jax.value_and_grad(loss)(weights, omega_0, coords, targets)


def s3_jacobian(omega_0, weights, coords):
    """siren/network.py, jacobian_wrt_input."""
    return jax.vmap(jax.jacfwd(lambda x: network(omega_0, weights, x)))(coords)


def s3_laplacian(omega_0, weights, coords):
    """siren/network.py, hessian_wrt_input, and the sum of siren/model.py."""
    second = jax.vmap(jax.hessian(lambda x: network(omega_0, weights, x)))(coords)
    return jnp.sum(second.diagonal(0, 2, 3), axis=-1)


def slopes_at(omega_0, weights, coords):
    """Gradient (N, 2), by one backward pass over all points, which is a little quicker than vmapped grad."""
    return jax.grad(lambda x: jnp.sum(network(omega_0, weights, x)))(coords)


def reverse_over_reverse_jacobian(omega_0, weights, coords):
    return slopes_at(omega_0, weights, coords)[:, None, :]


def forward_over_reverse_gradients(omega_0, weights, coords, targets):
    """The gradient step: d loss / d weights is a derivative, along the residual, of the plain weight gradient."""
    residual = slopes_at(omega_0, weights, coords) - targets[:, 0]

    def weight_gradient(x):
        return jax.grad(lambda w: jnp.sum(network(omega_0, w, x)))(weights)

    _, along = jax.jvp(weight_gradient, (coords,), (residual * (2 / residual.size),))
    return jnp.mean(residual**2), along


def forward_over_reverse_laplacian(omega_0, weights, coords):
    """A derivative of the gradient along each axis."""

    def along(axis):
        unit = jnp.zeros_like(coords).at[:, axis].set(1)
        return jax.jvp(lambda x: slopes_at(omega_0, weights, x), (coords,), (unit,))[1][:, axis]

    return (along(0) + along(1))[:, None]


def forward_laplacian(omega_0, weights, coords):
    """Value, tangents and Laplacian carried through the layers."""
    *hidden, (kernel, _) = weights
    value, tangents, second = coords, list(jnp.eye(coords.shape[-1])[:, None, :]), jnp.zeros((1, coords.shape[-1]))
    for hidden_kernel, bias in hidden:
        folded = omega_0 * hidden_kernel
        phase, tangents, second = value @ folded + omega_0 * bias, [t @ folded for t in tangents], second @ folded
        sin, cos = jnp.sin(phase), jnp.cos(phase)
        second = cos * second - sin * sum(t**2 for t in tangents)
        value, tangents = sin, [cos * t for t in tangents]
    return second @ kernel / 2


def folx_laplacian(omega_0, weights, coords):
    """The forward Laplacian of the package folx."""
    import folx

    carried = jax.vmap(folx.forward_laplacian(lambda x: network(omega_0, weights, x)))(coords)
    return carried.laplacian


FORMS = {
    "value": {"s3": reverse(network)},
    "gradient": {
        "s3": reverse(s3_jacobian),
        "reverse_over_reverse": reverse(reverse_over_reverse_jacobian),
        "forward_over_reverse": forward_over_reverse_gradients,
    },
    "laplacian": {
        "s3": reverse(s3_laplacian),
        "forward_over_reverse": reverse(forward_over_reverse_laplacian),
        "forward_laplacian": reverse(forward_laplacian),
        "folx": reverse(folx_laplacian),
    },
}
