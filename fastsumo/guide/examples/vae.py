"""A variational autoencoder in PyTorch: its test log likelihood, six ways.

    python vae.py

Needs PyTorch. Pictures of 8 by 8 pixels with a spot somewhere; an encoder proposes where and how bright. The network is
called by fastsumo for whole batches of samples, with the rows that `prepare` has sent through the encoder once.
"""

import math

import numpy as np

import fastsumo as fs

TOGETHER, K, RATE = 100, 6, 0.003  # rows of a step, samples of each, step of Adam


def spots(number, seed):
    """Pictures with one spot each, and some noise."""
    rng = np.random.default_rng(seed)
    x, y, bright = rng.uniform(1, 6, (number, 1)), rng.uniform(1, 6, (number, 1)), rng.uniform(0.5, 1.5, (number, 1))
    rows, columns = np.divmod(np.arange(64), 8)
    clean = bright * np.exp(-0.5 * ((columns - x) ** 2 + (rows - y) ** 2))
    return clean + 0.1 * rng.normal(size=clean.shape)


def train(pictures, latent, hidden, steps, seed=0):
    """Weights of a VAE, by name: tanh layers, normal pixels of one noise, trained on IWAE(6)."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    pixels = pictures.shape[1]
    leaves = {"log_noise": torch.tensor(math.log(pictures.std()))}
    for name, sizes in {"encoder": (pixels, hidden, 2 * latent), "decoder": (latent, hidden, pixels)}.items():
        for layer in range(2):
            inside, outside = sizes[layer : layer + 2]
            leaves[f"{name}_w{layer}"] = torch.randn(inside, outside, generator=generator) / math.sqrt(inside)
            leaves[f"{name}_b{layer}"] = torch.zeros(outside)
    optimizer = torch.optim.Adam([leaf.requires_grad_() for leaf in leaves.values()], lr=RATE)
    data = torch.from_numpy(pictures).float()
    for _ in range(steps):
        x = data[torch.randint(len(data), (TOGETHER,), generator=generator)]
        x = torch.cat([x, encoded(torch.tanh, leaves, x)], 1).repeat_interleave(K, 0)
        noise = torch.randn(len(x), latent, generator=generator)
        log_weights = log_weight(torch, leaves, noise, x).reshape(TOGETHER, K)
        optimizer.zero_grad()
        (math.log(K) - torch.logsumexp(log_weights, 1)).mean().backward()
        optimizer.step()
    return {name: leaf.detach().numpy() for name, leaf in leaves.items()}


def encoded(tanh, weights, x):
    """Means and then log scales of the normal proposals for pictures."""
    return tanh(x @ weights["encoder_w0"] + weights["encoder_b0"]) @ weights["encoder_w1"] + weights["encoder_b1"]


def log_weight(library, weights, z, x):
    """``log p(picture, latent) - log q(latent)`` at ``latent = mean + scale z``; rows are picture, mean, log scale.

    The library is PyTorch, NumPy or JAX's NumPy.
    """
    latent = z.shape[1]
    picture, mean, log_scale = x[:, : -2 * latent], x[:, -2 * latent : -latent], x[:, -latent:]
    at = mean + library.exp(log_scale) * z
    hidden = library.tanh(at @ weights["decoder_w0"] + weights["decoder_b0"])
    miss = (picture - hidden @ weights["decoder_w1"] - weights["decoder_b1"]) * library.exp(-weights["log_noise"])
    likelihood = -0.5 * (miss**2).sum(1) - picture.shape[1] * (weights["log_noise"] + 0.5 * math.log(2.0 * math.pi))
    return likelihood - 0.5 * (at**2).sum(1) + 0.5 * (z**2).sum(1) + log_scale.sum(1)


def in_torch(weights, device="cpu"):
    """The log weight as PyTorch computes it, as a function of batches."""
    import torch

    held = {name: torch.from_numpy(value).to(device) for name, value in weights.items()}

    @torch.no_grad()
    def function(z, x):
        return log_weight(torch, held, *(torch.from_numpy(each).to(device, torch.float32) for each in (z, x)))

    return function


def model(weights, pictures, make=in_torch, batch=8192):
    """What fastsumo runs: one log evidence a picture."""

    def prepare(rows, params):
        return np.hstack([rows, encoded(np.tanh, weights, rows)])

    latent = len(weights["decoder_w0"])
    return fs.Model(make(weights), latent, data=pictures, prepare=prepare, vectorized=True, batch=batch, name="vae")


if __name__ == "__main__":
    weights = train(spots(2_000, seed=0), latent=3, hidden=32, steps=400)
    vae = model(weights, spots(100, seed=1))
    samples = 600  # a row, for each estimator
    estimators = {
        "ELBO": fs.ELBO(),
        "IWAE(10)": fs.IWAE(10),
        "IWAE(100)": fs.IWAE(100),
        "JVI(100)": fs.JVI(100),
        "SUMO": fs.SUMO(fs.roulette.Harmonic(cap=80)),
        "MLMC": fs.MLMC(),
    }
    for name, estimator in estimators.items():
        found = fs.evaluate(vae, estimator, trials=round(samples / estimator.expected_cost()))
        mean, error = found.total / found.rows, found.total_error / found.rows
        print(f"{name:9} {found.cost.sum() / found.rows:5.0f} samples a row: {mean:8.3f} ± {error:.3f}")
