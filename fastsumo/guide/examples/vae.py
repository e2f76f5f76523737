"""A variational autoencoder in PyTorch: its test log likelihood, by every estimator.

    python vae.py

Needs PyTorch. Pictures of 8 by 8 pixels with a spot somewhere; an encoder proposes where and how bright. The network is
called by fastsumo for whole batches of samples, with the rows that `prepare` has sent through the encoder once.
"""

import math

import numpy as np

import fastsumo as fs

LATENT, HIDDEN, PIXELS, NOISE, STEPS = 3, 32, 64, 0.1, 1500


def spots(number, seed):
    """Pictures with one spot each, and some noise."""
    rng = np.random.default_rng(seed)
    x, y, bright = rng.uniform(1, 6, (number, 1)), rng.uniform(1, 6, (number, 1)), rng.uniform(0.5, 1.5, (number, 1))
    rows, columns = np.divmod(np.arange(PIXELS), 8)
    clean = bright * np.exp(-0.5 * ((columns - x) ** 2 + (rows - y) ** 2))
    return clean + NOISE * rng.normal(size=clean.shape)


def train(pictures):
    """Encoder and decoder, trained on IWAE(8)."""
    import torch

    def network(inside, outside):
        return torch.nn.Sequential(torch.nn.Linear(inside, HIDDEN), torch.nn.Tanh(), torch.nn.Linear(HIDDEN, outside))

    torch.manual_seed(0)
    encoder, decoder = network(PIXELS, 2 * LATENT), network(LATENT, PIXELS)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=0.003)
    data = torch.from_numpy(pictures).float()
    for _ in range(STEPS):
        rows = data[torch.randint(len(data), (100,))]
        proposed = torch.cat([rows, encoder(rows)], 1).repeat_interleave(8, 0)
        weights = log_weight(torch, decoder, torch.randn(len(proposed), LATENT), proposed).reshape(100, 8)
        optimizer.zero_grad()
        (-torch.logsumexp(weights, 1).mean()).backward()
        optimizer.step()
    return encoder, decoder


def log_weight(torch, decoder, z, row):
    """``log p(picture, latent) - log q(latent)`` at ``latent = mean + scale z``; rows are picture, mean, log scale."""
    picture, mean, log_scale = row.split([PIXELS, LATENT, LATENT], 1)
    latent = mean + log_scale.exp() * z
    miss = (picture - decoder(latent)) / NOISE
    likelihood = -0.5 * (miss**2).sum(1) - PIXELS * math.log(NOISE * math.sqrt(2.0 * math.pi))
    return likelihood - 0.5 * (latent**2).sum(1) + 0.5 * (z**2).sum(1) + log_scale.sum(1)


def model_of(encoder, decoder, pictures):
    """What fastsumo runs."""
    import torch

    @torch.no_grad()
    def function(z, row):
        return log_weight(torch, decoder, torch.from_numpy(z).float(), torch.from_numpy(row).float())

    @torch.no_grad()
    def prepare(rows, params):
        return np.hstack([rows, encoder(torch.from_numpy(rows).float()).numpy()])

    return fs.Model(function, LATENT, data=pictures, prepare=prepare, vectorized=True, name="vae")


if __name__ == "__main__":
    vae = model_of(*train(spots(2_000, seed=0)), spots(100, seed=1))
    samples = 600  # a row, for each estimator
    law = fs.roulette.Harmonic(cap=80)
    for estimator in (fs.ELBO(), fs.IWAE(10), fs.IWAE(100), fs.JVI(100), fs.SUMO(law), fs.MLMC()):
        found = fs.evaluate(vae, estimator, trials=round(samples / estimator.expected_cost()))
        mean, error = found.total / found.rows, found.total_error / found.rows
        name, cost = type(estimator).__name__, found.cost.sum() / found.rows
        print(f"{name:5} {cost:5.0f} samples a row: {mean:8.3f} ± {error:.3f}")
