/* SUMO trials on the note's problem in C, as fast as gcc and libmvec make them: the mark that fastsumo is measured against.
 * Same Philox4x32-10 bits, counter layout, roulette and estimator as fastsumo; built and called by c_peer.py. No statistics
 * here: values and terms are written out, trial by trial. */
#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX2__)
#define BYTES 32
#else
#define BYTES 16
#endif
#define ALIGNED __attribute__((aligned(64)))
#define INLINE static inline __attribute__((always_inline))
typedef uint64_t words __attribute__((vector_size(BYTES)));
typedef double reals __attribute__((vector_size(BYTES)));

enum {
    WIDTH = BYTES / 8,
    BLOCK = 512,       /* samples generated together: the buffers of one block stay in L1 */
    LANES = 32,        /* long trials: prefix sums side by side, enough of them to hide the latency of an add */
    ROWS = BLOCK / LANES,
    TILE = 16384,      /* trials that are ordered by K together */
    GROUP = 512,       /* of these, the trials in lockstep: their running sums stay in L1 */
    LONG = 1024,       /* from this K on, a trial is vectorised along its own samples */
    RESCALE = 16,      /* prefixes multiplied before the exponent is split off: (10 K)^16 is far from overflow */
    GIANT = 1 << 17,   /* from this K on, all threads share a trial */
    SEGMENT = 1 << 14, /* samples of a giant trial that one thread takes at a time */
    WAVE = 32,         /* segments between two meetings of the threads: four megabytes of weights, used again and again */
};

typedef struct {
    int64_t trial, terms;
} Trial;

typedef struct {
    Trial *list;
    int64_t count, room;
    double *weights;                   /* of one wave */
    double totals[WAVE], parts[WAVE]; /* of its segments: sum of weights, sum of log prefixes */
} Giants;

typedef struct {
    int lane, count, active, step; /* weights of sample `step` for `count` lanes; the first `active` need another one */
} Piece;

typedef struct {
    ALIGNED uint64_t trial[BLOCK], index[BLOCK]; /* what to draw */
    ALIGNED double a[BLOCK], b[BLOCK], c[BLOCK], w[BLOCK];
    ALIGNED double sum[TILE], product[TILE], exponent[TILE]; /* by lane: S_k = w_1 + .. + w_k and S_2 S_3 .. S_K */
    ALIGNED double constant[LONG]; /* log K! - K log(K + 1) */
    int32_t lane_trial[TILE], lane_terms[TILE], several[TILE], place[LONG];
    Piece piece[BLOCK];
    Trial longer[TILE];
    int pieces, filled;
} Worker;

/* ---- random numbers ---- */

/* Philox keeps 32-bit words in 64-bit lanes, whose upper halves may hold rubbish: this product ignores them. gcc does not
 * find the instruction by itself, and masks every operand (2.6 ns a sample against 1.9). */
INLINE words product32(words x, words y) {
#if defined(__AVX512F__)
    return (words)_mm512_mul_epu32((__m512i)x, (__m512i)y);
#elif defined(__AVX2__)
    return (words)_mm256_mul_epu32((__m256i)x, (__m256i)y);
#else
    return (x & 0xffffffffULL) * (y & 0xffffffffULL);
#endif
}

/* One Philox4x32-10 block in each lane, as two 64-bit words. */
INLINE void philox(words c0, words c1, words c2, words c3, uint64_t key, words *first, words *second) {
    const words zero = {0}, m0 = zero + 0xD2511F53ULL, m1 = zero + 0xCD9E8D57ULL;
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
#pragma GCC unroll 10
    for (int round = 0; round < 10; round++) {
        words p0 = product32(c0, m0), p1 = product32(c2, m1);
        c0 = (p1 >> 32) ^ c1 ^ (zero + k0);
        c2 = (p0 >> 32) ^ c3 ^ (zero + k1);
        c1 = p1;
        c3 = p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    *first = (c0 & 0xffffffffULL) | (c1 << 32);
    *second = (c2 & 0xffffffffULL) | (c3 << 32);
}

/* ((word >> 12) + 1/2) 2^-52, exactly: the bits make a double in [1, 2), from which 1 - 2^-53 is taken. */
INLINE reals uniform(words word) {
    return (reals)((word >> 12) | 0x3ff0000000000000ULL) - 0x1.fffffffffffffp-1;
}

/* K = min(floor(1/u), cap) of the trials first .. first + BLOCK - 1, to index[]. */
static void draw_terms(Worker *m, int64_t first, int64_t cap, uint64_t key) {
    const double ceiling = cap > 0 ? (double)cap : 0x1p53;
    const words zero = {0};
    for (int i = 0; i < BLOCK; i++) m->trial[i] = (uint64_t)(first + i);
    for (int i = 0; i < BLOCK; i += WIDTH) {
        words trial = *(words *)(m->trial + i), x, y;
        philox(trial, trial >> 32, zero, zero, key, &x, &y);
        *(reals *)(m->a + i) = uniform(x);
    }
#pragma omp simd
    for (int i = 0; i < BLOCK; i++) {
        double k = floor(1.0 / m->a[i]);
        m->index[i] = (uint64_t)(int64_t)(k < ceiling ? k : ceiling);
    }
}

/* ---- importance weights of the note's problem ---- */

/* p/q at x = sqrt(5) z, multiplied out: p is the mixture of two normals, q = N(0, 5 I). */
INLINE double weight(double z0, double z1) {
    const double square = z0 * z0 + z1 * z1;
    const double near = exp(-2.0 * square - 4.472135954999579393 * z0 - 2.0);
    const double wide = exp(-0.125 * square + 1.118033988749894848 * z0 - 0.5);
    return 15.70796326794896619 * near + 3.926990816987241548 * wide;
}

/* The weights of samples (trial[i], index[i]), i < n, n a multiple of WIDTH. One loop for each function of libmvec: a
 * vector call clobbers every register, so that a fused loop would only spill. */
INLINE void draw_weights(Worker *m, int n, uint64_t key, double *w) {
    for (int i = 0; i < n; i += WIDTH) {
        words trial = *(words *)(m->trial + i), index = *(words *)(m->index + i), x, y;
        philox(trial, trial >> 32, index, ((index >> 32) << 12) + 1, key, &x, &y);
        *(reals *)(m->a + i) = uniform(x);
        *(reals *)(m->b + i) = 6.283185307179586477 * uniform(y);
    }
#pragma omp simd
    for (int i = 0; i < n; i++) m->a[i] = sqrt(-2.0 * log(m->a[i]));
#pragma omp simd
    for (int i = 0; i < n; i++) m->c[i] = m->a[i] * cos(m->b[i]);
#pragma omp simd
    for (int i = 0; i < n; i++) m->b[i] = m->a[i] * sin(m->b[i]);
#pragma omp simd
    for (int i = 0; i < n; i++) w[i] = weight(m->c[i], m->b[i]);
#if defined(LOG_WEIGHT)
    /* What it costs to know the weights by their logarithm only, as fastsumo does: a model there returns log p - log q. */
#pragma omp simd
    for (int i = 0; i < n; i++) w[i] = log(w[i]);
    __asm__ volatile("" ::: "memory");
#pragma omp simd
    for (int i = 0; i < n; i++) w[i] = exp(w[i]);
#endif
}

/* ---- trials side by side: value = K L_{K+1} - (L_2 + .. + L_K), whose logs are taken of one product ---- */

INLINE void add_piece(Worker *m, Piece piece, const double *w) {
    double *restrict sum = m->sum + piece.lane, *restrict product = m->product + piece.lane;
    double *restrict exponent = m->exponent + piece.lane;
    if (piece.step == 0) {
        for (int i = 0; i < piece.count; i++) {
            sum[i] = w[i];
            product[i] = 1.0;
            exponent[i] = 0.0;
        }
        return;
    }
#pragma omp simd
    for (int i = 0; i < piece.active; i++) {
        sum[i] += w[i];
        product[i] *= sum[i];
    }
#pragma omp simd
    for (int i = piece.active; i < piece.count; i++) sum[i] += w[i];
    if (piece.step % RESCALE) return;
#pragma omp simd
    for (int i = 0; i < piece.active; i++) {
        uint64_t bits;
        memcpy(&bits, product + i, 8);
        exponent[i] += (double)((int64_t)(bits >> 52) - 1023);
        bits = (bits & 0xfffffffffffffULL) | 0x3ff0000000000000ULL;
        memcpy(product + i, &bits, 8);
    }
}

static void flush(Worker *m, uint64_t key) {
    int n = (m->filled + WIDTH - 1) / WIDTH * WIDTH;
    for (int i = m->filled; i < n; i++) m->trial[i] = m->index[i] = 0;
    draw_weights(m, n, key, m->w);
    const double *w = m->w;
    for (int i = 0; i < m->pieces; i++) {
        add_piece(m, m->piece[i], w);
        w += m->piece[i].count;
    }
    m->pieces = m->filled = 0;
}

/* All samples of a group of trials whose K do not increase from lane to lane; weights are drawn a full block at a time,
 * whichever steps and groups they belong to. */
static void run_group(Worker *m, int lane, int lanes, int64_t first, uint64_t key) {
    const int32_t *terms = m->lane_terms + lane;
    int count = lanes;
    for (int step = 0; count > 0; step++) {
        int active = count;
        while (active > 0 && terms[active - 1] <= step) active--;
        for (int done = 0; done < count;) {
            int take = count - done < BLOCK - m->filled ? count - done : BLOCK - m->filled;
            int stay = active - done < 0 ? 0 : active - done < take ? active - done : take;
            const int32_t *trial = m->lane_trial + lane + done;
#pragma omp simd
            for (int i = 0; i < take; i++) {
                m->trial[m->filled + i] = (uint64_t)(first + trial[i]);
                m->index[m->filled + i] = (uint64_t)step;
            }
            m->piece[m->pieces++] = (Piece){lane + done, take, stay, step};
            m->filled += take;
            done += take;
            if (m->filled == BLOCK) flush(m, key);
        }
        count = active;
    }
}

static void write_values(Worker *m, int lanes, double *values) {
    for (int lane = 0; lane < lanes; lane += BLOCK) {
        int n = lanes - lane < BLOCK ? lanes - lane : BLOCK;
        const double *sum = m->sum + lane, *product = m->product + lane, *exponent = m->exponent + lane;
        const int32_t *terms = m->lane_terms + lane, *trial = m->lane_trial + lane;
        if (terms[0] == 1) { /* half of all trials: their product is empty */
#pragma omp simd
            for (int i = 0; i < n; i++) m->a[i] = log(0.5 * sum[i]);
        } else {
#pragma omp simd
            for (int i = 0; i < n; i++) m->a[i] = terms[i] * log(sum[i]) + m->constant[terms[i]];
#pragma omp simd
            for (int i = 0; i < n; i++) m->a[i] -= log(product[i]) + 0.693147180559945309417 * exponent[i];
        }
        for (int i = 0; i < n; i++) values[trial[i]] = m->a[i];
    }
}

/* ---- one trial along its own samples: value = L_1 + sum over k of (L_{K+1} - L_k), in units of a typical mean ---- */

/* A full block has its samples in LANES runs, run by run down the lanes; a last, shorter one has them in order. */
static void draw_block(Worker *m, int64_t trial, int64_t first, int n, uint64_t key, double *w) {
    int padded = (n + WIDTH - 1) / WIDTH * WIDTH;
    for (int i = 0; i < padded; i++) m->trial[i] = (uint64_t)trial;
    if (n == BLOCK) {
        for (int row = 0; row < ROWS; row++)
            for (int lane = 0; lane < LANES; lane++) m->index[row * LANES + lane] = (uint64_t)(first + lane * ROWS + row);
        draw_weights(m, BLOCK, key, w);
    } else {
        for (int i = 0; i < padded; i++) m->index[i] = (uint64_t)(first + i);
        draw_weights(m, padded, key, w);
    }
}

/* Sum over the samples k of a block of log(S_k / k * scale); `sum` goes from S before the block to S after it. */
static double log_prefixes(const double *w, int64_t first, int n, double scale, double *sum) {
    double total = 0.0, s = *sum;
    if (n < BLOCK) {
        double p = 1.0, q = 1.0;
        for (int i = 0; i < n; i++) {
            s += w[i];
            p *= s * scale;
            q *= (double)(first + i + 1);
            if (i % ROWS == ROWS - 1 || i == n - 1) {
                total += log(p / q);
                p = q = 1.0;
            }
        }
        *sum = s;
        return total;
    }
    ALIGNED double before[LANES], ratio[LANES], number[LANES];
    double power = scale;
    for (int i = 1; i < ROWS; i *= 2) power *= power;
    for (int g = 0; g < LANES; g += WIDTH) {
        reals t = {0};
        for (int row = 0; row < ROWS; row++) t += *(reals *)(w + row * LANES + g);
        *(reals *)(before + g) = t;
    }
    for (int lane = 0; lane < LANES; lane++) {
        double t = before[lane];
        before[lane] = s;
        s += t;
        number[lane] = (double)(first + lane * ROWS);
    }
    for (int g = 0; g < LANES; g += WIDTH) {
        reals t = *(reals *)(before + g), k = *(reals *)(number + g), p = {0}, q = {0};
        p += 1.0;
        q += 1.0;
        for (int row = 0; row < ROWS; row++) {
            t += *(reals *)(w + row * LANES + g);
            k += 1.0;
            p *= t;
            q *= k;
        }
        *(reals *)(ratio + g) = p / q * power;
    }
#pragma omp simd reduction(+ : total)
    for (int lane = 0; lane < LANES; lane++) total += log(ratio[lane]);
    *sum = s;
    return total;
}

/* First weight of a long trial, and one over the mean of its first block: the unit that keeps the logs small. */
static double first_block(Worker *m, int64_t trial, uint64_t key, double *scale) {
    double total = 0.0;
    draw_block(m, trial, 0, BLOCK, key, m->w);
    for (int i = 0; i < BLOCK; i++) total += m->w[i];
    *scale = BLOCK / total;
    return m->w[0];
}

static double long_value(double first, double sum, double logs, double scale, int64_t samples) {
    return log(first) + (double)samples * log(sum / (double)samples * scale) - logs;
}

static double long_trial(Worker *m, Trial t, uint64_t key) {
    const int64_t samples = t.terms + 1;
    double scale, sum = 0.0, first = first_block(m, t.trial, key, &scale);
    double logs = log_prefixes(m->w, 0, BLOCK, scale, &sum);
    for (int64_t k = BLOCK; k < samples; k += BLOCK) {
        int n = samples - k < BLOCK ? (int)(samples - k) : BLOCK;
        draw_block(m, t.trial, k, n, key, m->w);
        logs += log_prefixes(m->w, k, n, scale, &sum);
    }
    return long_value(first, sum, logs, scale, samples);
}

/* Called by all threads of a team. A wave of segments is drawn in any order and kept; then the prefix of each segment is
 * known, and its logs are summed in any order. Sums run in the order of segments, so the value does not depend on the team. */
static double giant_trial(Worker *m, Trial t, uint64_t key, Giants *shared) {
    const int64_t samples = t.terms + 1;
    double scale, base = 0.0, logs = 0.0, first = first_block(m, t.trial, key, &scale);
    for (int64_t wave = 0; wave < samples; wave += WAVE * SEGMENT) {
        const int64_t left = samples - wave < WAVE * SEGMENT ? samples - wave : WAVE * SEGMENT;
        const int segments = (int)((left + SEGMENT - 1) / SEGMENT);
#pragma omp for schedule(dynamic, 1)
        for (int s = 0; s < segments; s++) {
            const int64_t start = (int64_t)s * SEGMENT;
            const int n = left - start < SEGMENT ? (int)(left - start) : SEGMENT;
            double *w = shared->weights + start, total = 0.0;
            for (int i = 0; i < n; i += BLOCK) draw_block(m, t.trial, wave + start + i, n - i < BLOCK ? n - i : BLOCK, key, w + i);
            for (int i = 0; i < n; i++) total += w[i];
            shared->totals[s] = total;
        }
#pragma omp for schedule(dynamic, 1)
        for (int s = 0; s < segments; s++) {
            const int64_t start = (int64_t)s * SEGMENT;
            const int n = left - start < SEGMENT ? (int)(left - start) : SEGMENT;
            double *w = shared->weights + start, sum = base, part = 0.0;
            for (int i = 0; i < s; i++) sum += shared->totals[i];
            for (int i = 0; i < n; i += BLOCK)
                part += log_prefixes(w + i, wave + start + i, n - i < BLOCK ? n - i : BLOCK, scale, &sum);
            shared->parts[s] = part;
        }
        for (int s = 0; s < segments; s++) {
            base += shared->totals[s];
            logs += shared->parts[s];
        }
#pragma omp barrier
    }
    return long_value(first, base, logs, scale, samples);
}

/* ---- tiles and threads ---- */

/* All trials of a tile but the giant ones, which are noted. Returns the importance samples of the whole tile. */
static int64_t run_tile(Worker *m, int64_t first, int n, int64_t cap, uint64_t key, double *values, int64_t *terms, Giants *giants) {
    int several = 0, ones = 0, longer = 0, top = 0;
    int64_t samples = n;
    for (int i = 0; i < n; i += BLOCK) {
        draw_terms(m, first + i, cap, key);
        memcpy(terms + i, m->index, 8 * (size_t)(n - i < BLOCK ? n - i : BLOCK));
    }
    /* K = 1 is half of all trials; without branches, and out of the counting sort, where they would queue for one counter. */
    for (int i = 0; i < n; i++) {
        samples += terms[i];
        m->several[several] = i;
        m->lane_trial[ones] = i;
        several += terms[i] != 1;
        ones += terms[i] == 1;
    }
    memset(m->place, 0, sizeof m->place);
    for (int i = 0; i < several; i++) {
        int64_t k = terms[m->several[i]];
        if (k >= LONG)
            m->longer[longer++] = (Trial){first + m->several[i], k};
        else
            m->place[k]++;
    }
    for (int k = LONG - 1; k > 1; k--) {
        int count = m->place[k];
        m->place[k] = top;
        top += count;
    }
    memmove(m->lane_trial + top, m->lane_trial, sizeof(int32_t) * (size_t)ones);
    for (int i = 0; i < ones; i++) m->lane_terms[top + i] = 1;
    for (int i = 0; i < several; i++) {
        int64_t k = terms[m->several[i]];
        if (k >= LONG) continue;
        m->lane_terms[m->place[k]] = (int32_t)k;
        m->lane_trial[m->place[k]++] = m->several[i];
    }
    const int lanes = top + ones;
    for (int lane = 0; lane < lanes; lane += GROUP) run_group(m, lane, lanes - lane < GROUP ? lanes - lane : GROUP, first, key);
    if (m->filled) flush(m, key);
    write_values(m, lanes, values);
    for (int i = 0; i < longer; i++) {
        Trial t = m->longer[i];
        if (t.terms < GIANT) {
            values[t.trial - first] = long_trial(m, t, key);
            continue;
        }
#pragma omp critical
        {
            if (giants->count == giants->room) {
                giants->room = 2 * giants->room + 64;
                giants->list = realloc(giants->list, sizeof(Trial) * (size_t)giants->room);
            }
            giants->list[giants->count++] = t;
        }
    }
    return samples;
}

/* Trials 0 .. n - 1 of a seed on a team of threads; cap 0 is uncapped. Returns the importance samples used, or -1 where
 * there is no memory. */
int64_t sumo_trials(uint64_t seed, int64_t n, int64_t cap, int threads, double *values, int64_t *terms) {
    Giants giants = {0};
    int64_t samples = 0;
    Worker *workers = aligned_alloc(64, sizeof(Worker) * (size_t)threads);
    giants.weights = aligned_alloc(64, sizeof(double) * WAVE * SEGMENT);
    if (!workers || !giants.weights) samples = -1;
#pragma omp parallel num_threads(threads) reduction(+ : samples) if (samples == 0)
    if (workers && giants.weights) {
        Worker *m = workers + omp_get_thread_num();
        m->pieces = m->filled = 0;
        for (int k = 0; k < LONG; k++) m->constant[k] = k ? m->constant[k - 1] + log(k) : 0.0;
        for (int k = 0; k < LONG; k++) m->constant[k] -= k * log(k + 1.0);
#pragma omp for schedule(dynamic, 1)
        for (int64_t first = 0; first < n; first += TILE) {
            int size = n - first < TILE ? (int)(n - first) : TILE;
            samples += run_tile(m, first, size, cap, seed, values + first, terms + first, &giants);
        }
        for (int64_t i = 0; i < giants.count; i++) {
            double value = giant_trial(m, giants.list[i], seed, &giants);
            if (omp_get_thread_num() == 0) values[giants.list[i].trial] = value;
        }
    }
    free(giants.list);
    free(giants.weights);
    free(workers);
    return samples;
}

/* IWAE(k) of the trials 0 .. n - 1 of a seed, a block of trials side by side; values only. Returns the samples, or -1. */
int64_t iwae_trials(uint64_t seed, int64_t n, int64_t k, int threads, double *values) {
    Worker *workers = aligned_alloc(64, sizeof(Worker) * (size_t)threads);
    if (!workers) return -1;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (int64_t first = 0; first < n; first += BLOCK) {
        Worker *m = workers + omp_get_thread_num();
        for (int i = 0; i < BLOCK; i++) {
            m->trial[i] = (uint64_t)(first + i);
            m->sum[i] = 0.0;
        }
        for (int64_t j = 0; j < k; j++) {
            for (int i = 0; i < BLOCK; i++) m->index[i] = (uint64_t)j;
            draw_weights(m, BLOCK, seed, m->w);
            for (int i = 0; i < BLOCK; i++) m->sum[i] += m->w[i];
        }
#pragma omp simd
        for (int i = 0; i < BLOCK; i++) m->a[i] = log(m->sum[i] / (double)k);
        memcpy(values + first, m->a, sizeof(double) * (size_t)(n - first < BLOCK ? n - first : BLOCK));
    }
    free(workers);
    return n * k;
}
