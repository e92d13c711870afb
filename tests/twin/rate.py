"""Rate coding: a spike where the data times max_is_present_for / N_ts is above a random number."""

import numpy as np


def rate_encode(data2D, N_ts, max_is_present_for, seed=0):
    data = np.asarray(data2D, np.float64)
    random = np.random.RandomState(seed)
    spikes = np.zeros((data.shape[0], N_ts, *data.shape[1:]), np.uint8)
    for t in range(N_ts):
        spikes[:, t] = (data * max_is_present_for) / N_ts > random.random_sample(data.shape)
    return spikes
