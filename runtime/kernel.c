/* The decoder's inner loops: range decoder, integer context network, wavefronts and cosets, bytes of 4:2:0 to RGB.

Optional: NumPy does the same, slower, and every symbol is equal (`network.py` and `tables.py` say what is computed and
why it is exact). C99 and the vector types of gcc and clang; no libraries, allocation or floats, so that it also becomes
WebAssembly or part of an app. Integers wrap in uint32_t, which is defined; the sums themselves fit int32_t, which the
caller has checked, as it has that the network's layers fit each other.
*/

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define API __declspec(dllexport)
void *PyInit__kernel(void) { return NULL; } /* the name that setuptools exports from a library there */
#else
#define API __attribute__((visibility("default")))
#endif

/* One library for all x86-64: the widest vectors that the machine has, chosen when it is loaded. */
#if defined(__x86_64__) && defined(__gnu_linux__)
#define WIDEST __attribute__((target_clones("arch=x86-64-v4", "avx2", "sse4.1", "default")))
#define WIDTH 8
#else
#define WIDEST
#define WIDTH 4 /* of 32 bits, as processors have them: wider ones gcc takes apart in memory, which is twice as slow */
#endif

enum {
    MARGIN = 4,
    UNIT_BITS = 6,
    WEIGHT_BITS = 8,
    LIMIT = 64,
    TOP = LIMIT << UNIT_BITS,
    CENTRE_SHIFT = 10, /* sums are in 2^-14, a centre in 2^-4 */
    CENTRE_MAX = LIMIT << 4,
    SCALE_SHIFT = 11, /* a scale index in 2^-3 octaves */
    SCALE_ZERO = 40,
    SCALES = 64,
    SCALES_PER_OCTAVE = 8,
    SCALE_MAX = SCALES + 3 * SCALES_PER_OCTAVE - 1,
    PRECISION = 24,
    REACH = 31,
    COLUMNS = 64, /* of a table row: REACH below, zero, REACH above, escape */
    ESCAPE_BITS = 25,
    MISSED = -COLUMNS, /* no residual: another one than the likeliest, still to come */
    INPUTS_MAX = 64, /* neighbours and features; as wide are the hidden layers */
    LANES = 32,      /* latents of a wavefront that the network takes at once */
    VECTORS = LANES / WIDTH,
    BATCH = 1 << 14 /* latents of a coset that are coded at once, in whole rows */
};

typedef uint32_t Vector __attribute__((vector_size(4 * WIDTH)));

/* The state of constriction's `RangeDecoder` with 32-bit words and 64 bits of state; behind the data come zeros. */
typedef struct {
    const uint8_t *data;
    size_t size, at, beyond; /* `beyond`: words read past the end */
    uint64_t lower, range, point;
    int guess; /* of latents that the data lack */
} Coder;

/* Weights in row-major order, one row per output: `head` is (width + 2, inputs), its last rows the linear path. */
typedef struct {
    const int32_t *head, *head_bias, *second, *second_bias, *last;
    int32_t inputs, width;
} Network;

API void inrc_kernel_3(void) {} /* the version of these functions; `native.py` has the same */

API size_t inrc_coder_size(void) { return sizeof(Coder); }

static uint32_t next_word(Coder *coder) {
    uint32_t word = 0;
    coder->beyond += coder->at >= coder->size;
    for (int shift = 0; shift < 32; shift += 8)
        if (coder->at < coder->size) word |= (uint32_t)coder->data[coder->at++] << shift;
    return word;
}

API size_t inrc_beyond(const Coder *coder) { return coder->beyond; }

API void inrc_begin(Coder *coder, const uint8_t *data, size_t size) {
    *coder = (Coder){data, size, 0, 0, 0, UINT64_MAX, 0, 0};
    coder->point = (uint64_t)next_word(coder) << 32;
    coder->point |= next_word(coder);
}

/* From here on latents may be lacking: as `partial.py` has it, each is then the likeliest. */
API void inrc_guess(Coder *coder) { coder->guess = 1; }

static inline int lacking(const Coder *coder) { return coder->guess && coder->beyond; }

/* Take the symbol whose frequencies are left ... left + width - 1 in units of `scale`. */
static void take(Coder *coder, uint64_t scale, uint32_t left, uint32_t width) {
    coder->lower += scale * left;
    coder->range = scale * width;
    if (coder->range >> 32 == 0) {
        coder->lower <<= 32;
        coder->range <<= 32;
        coder->point = coder->point << 32 | next_word(coder);
    }
}

/* 0 with probability frequency / 2^24, else 1, or -1 where the data are no stream. */
static inline int flag(Coder *coder, uint32_t frequency) {
    uint64_t scale = coder->range >> PRECISION, at = coder->point - coder->lower;
    if (at < scale * frequency) {
        take(coder, scale, 0, frequency);
        return 0;
    }
    if (at >= scale << PRECISION) return -1;
    take(coder, scale, frequency, (1u << PRECISION) - frequency);
    return 1;
}

/* A column of the table row whose cumulative frequencies these are, or -1 where the data are no stream. */
static inline int tabled(Coder *coder, const uint32_t *cumulative) {
    uint64_t scale = coder->range >> PRECISION, at = coder->point - coder->lower;
    if (at >= scale << PRECISION) return -1;
    int column = REACH;
    while (at < scale * cumulative[column]) column--;
    while (at >= scale * cumulative[column + 1]) column++;
    take(coder, scale, cumulative[column], cumulative[column + 1] - cumulative[column]);
    return column;
}

/* One of `size` equally likely values, or -1 where the data are no stream. */
static int32_t uniform(Coder *coder, uint32_t size) {
    if (size < 2) return 0;
    if (lacking(coder)) return (int32_t)(size / 2);
    uint64_t scale = coder->range >> PRECISION, quantile = (coder->point - coder->lower) / scale;
    if (quantile >> PRECISION) return -1;
    uint32_t each = (1u << PRECISION) / size, value = (uint32_t)quantile / each;
    if (value >= size) value = size - 1; /* the last one has what is left */
    take(coder, scale, value * each, value == size - 1 ? (1u << PRECISION) - value * each : each);
    return (int32_t)value;
}

/* All functions that decode return 0, or -1 where the data are no stream. */
API int inrc_flags(Coder *coder, const uint32_t *likeliest, const int32_t *rows, size_t n, int32_t *flags) {
    for (size_t i = 0; i < n; i++)
        if ((flags[i] = flag(coder, likeliest[rows[i]])) < 0) return -1;
    return 0;
}

API int inrc_tabled(Coder *coder, const uint32_t *table, const int32_t *rows, size_t n, int32_t *columns) {
    for (size_t i = 0; i < n; i++)
        if ((columns[i] = tabled(coder, table + (size_t)rows[i] * (COLUMNS + 1))) < 0) return -1;
    return 0;
}

API int inrc_uniform(Coder *coder, const int32_t *sizes, size_t n, int32_t *values) {
    for (size_t i = 0; i < n; i++)
        if ((values[i] = uniform(coder, (uint32_t)sizes[i])) < 0) return -1;
    return 0;
}

static inline int32_t clip(int64_t value, int32_t low, int32_t high) {
    return (int32_t)(value < low ? low : value > high ? high : value);
}

static inline int32_t wrapped(uint32_t sum) { return (int32_t)sum; }

/* ReLU in fixed point. */
static inline int32_t relu(uint32_t sum) {
    int32_t value = wrapped(sum);
    value = value < 0 ? 0 : value;
    value >>= WEIGHT_BITS;
    return value > TOP ? TOP : value;
}

/* out[j][lane] = bias[j] + sum over k of weights[j][k] x[k][lane] */
static inline void product(const int32_t *weights, const int32_t *bias, int outputs, int inputs,
                           const int32_t *const *x, uint32_t (*out)[LANES]) {
    for (int j = 0; j < outputs; j++, weights += inputs) {
        Vector sums[VECTORS];
        for (int v = 0; v < VECTORS; v++) sums[v] = (Vector){0} + (bias ? (uint32_t)bias[j] : 0);
        for (int k = 0; k < inputs; k++) {
            uint32_t weight = (uint32_t)weights[k];
            for (int v = 0; v < VECTORS; v++) {
                Vector values;
                __builtin_memcpy(&values, x[k] + WIDTH * v, sizeof values);
                sums[v] += weight * values;
            }
        }
        __builtin_memcpy(out[j], sums, sizeof sums);
    }
}

/* Centres in sixteenths and scale indices of LANES latents; x holds their inputs. */
WIDEST static void predict(const Network *net, const int32_t *const *x, int32_t *centres, int32_t *scales) {
    uint32_t head[INPUTS_MAX + 2][LANES], sums[INPUTS_MAX][LANES];
    int32_t hidden[INPUTS_MAX][LANES];
    const int32_t *layer[INPUTS_MAX];
    int width = net->width;
    product(net->head, net->head_bias, width + 2, net->inputs, x, head);
    for (int j = 0; j < width; j++) {
        layer[j] = hidden[j];
        for (int i = 0; i < LANES; i++) hidden[j][i] = relu(head[j][i]);
    }
    product(net->second, net->second_bias, width, width, layer, sums);
    for (int j = 0; j < width; j++)
        for (int i = 0; i < LANES; i++) hidden[j][i] = relu(sums[j][i]);
    product(net->last, NULL, 2, width, layer, sums);
    for (int i = 0; i < LANES; i++) {
        int64_t centre = wrapped(sums[0][i] + head[width][i]), scale = wrapped(sums[1][i] + head[width + 1][i]);
        centres[i] = clip((centre + (1 << (CENTRE_SHIFT - 1))) >> CENTRE_SHIFT, -CENTRE_MAX, CENTRE_MAX);
        scale += (int64_t)SCALE_ZERO << SCALE_SHIFT;
        scales[i] = clip((scale + (1 << (SCALE_SHIFT - 1))) >> SCALE_SHIFT, 0, SCALE_MAX);
    }
}

/* What the columns of a wavefront become where they are escapes: first all lengths in bits, then the bits below the leading. */
static int code_escapes(Coder *coder, int32_t *residuals, int n) {
    for (int i = 0; i < n; i++)
        if (residuals[i] > REACH) {
            int32_t length = uniform(coder, ESCAPE_BITS);
            if (length < 0) return -1;
            residuals[i] = REACH + 1 + length;
        }
    for (int i = 0; i < n; i++)
        if (residuals[i] > REACH) {
            int32_t leading = (int32_t)((1u << (residuals[i] - REACH - 1)) >> 1);
            int32_t below = uniform(coder, (uint32_t)leading);
            if (below < 0) return -1;
            int32_t folded = leading + below, size = folded / 2 + REACH + 1;
            residuals[i] = folded % 2 ? -size : size;
        }
    return 0;
}

static inline int octaves_beyond(int32_t scale) { /* by which a scale is shifted down to the tables' */
    return scale < SCALES ? 0 : (scale - SCALES + SCALES_PER_OCTAVE) / SCALES_PER_OCTAVE;
}

/* n symbols as likely as any, in place of their centres. */
static int guess_laplace(const int32_t *scales, int n, int32_t *centres) {
    for (int i = 0; i < n; i++) centres[i] = (centres[i] >> 4) + (!octaves_beyond(scales[i]) && (centres[i] & 15) > 8);
    return 0;
}

/* n Laplace symbols, in place of their centres: first which are their row's likeliest, then the others. */
static int code_laplace(Coder *coder, const uint32_t *likeliest, const uint32_t *table, const int32_t *scales, int n,
                        int32_t *centres, int32_t *residuals) {
    int wide = 0, missed = 0, escaped = 0;
    if (lacking(coder)) return guess_laplace(scales, n, centres);
    for (int i = 0; i < n; i++) {
        int shift = octaves_beyond(scales[i]), fraction = shift ? 0 : centres[i] & 15;
        int another = flag(coder, likeliest[(scales[i] - SCALES_PER_OCTAVE * shift) * 16 + fraction]);
        if (another < 0) return lacking(coder) ? guess_laplace(scales, n, centres) : -1;
        residuals[i] = another ? MISSED : fraction > 8;
        wide |= shift;
        missed |= another;
    }
    if (lacking(coder)) return guess_laplace(scales, n, centres);
    for (int i = 0; missed && i < n; i++)
        if (residuals[i] == MISSED) {
            int shift = octaves_beyond(scales[i]), fraction = shift ? 0 : centres[i] & 15;
            int row = (scales[i] - SCALES_PER_OCTAVE * shift) * 16 + fraction;
            int column = lacking(coder) ? REACH : tabled(coder, table + row * (COLUMNS + 1));
            if (column < 0) return -1;
            residuals[i] = column - REACH;
            escaped |= residuals[i] > REACH;
        }
    if (escaped && code_escapes(coder, residuals, n)) return -1;
    for (int i = 0; i < n; i++) centres[i] = (centres[i] >> 4) + residuals[i];
    for (int i = 0; wide && i < n; i++) {
        int shift = octaves_beyond(scales[i]);
        int32_t low = uniform(coder, 1u << shift);
        if (low < 0) return -1;
        centres[i] += residuals[i] * ((1 << shift) - 1) - (1 << shift) / 2 + low;
    }
    return 0;
}

static int32_t short_rows(int32_t height, int32_t width, int32_t slope) {
    int32_t rows = (width + MARGIN) / slope + 1;
    return rows < height + MARGIN ? rows : height + MARGIN;
}

/* How many zeros `inrc_wavefronts` needs as scratch. */
API size_t inrc_wavefronts_scratch(int32_t height, int32_t width, int32_t slope) {
    size_t rows = (size_t)short_rows(height, width, slope), steps = (size_t)slope * (height - 1) + width;
    return (steps + 2 * (slope + 1) * MARGIN) * rows + height + LANES + 3 * (rows + LANES) + INPUTS_MAX * LANES;
}

/* One grid (height, width) of latents, by wavefronts slope * r + c, in the skewed layout of `wavefronts.py`. `neighbours`
   are (rows, columns) of each; `inter` (features, height / 2, width / 2), rounded up, or NULL where features are zero. */
API int inrc_wavefronts(Coder *coder, const uint32_t *likeliest, const uint32_t *table, const Network *net,
                        const int32_t *neighbours, int32_t count, int32_t height, int32_t width, int32_t slope, const int32_t *inter,
                        int32_t *scratch, int32_t *grid) {
    int32_t rows = short_rows(height, width, slope), steps = slope * (height - 1) + width, top = (slope + 1) * MARGIN;
    int32_t *centres = scratch, *scales = centres + rows + LANES, *residuals = scales + rows + LANES;
    int32_t *features = residuals + rows + LANES, *inputs = features + INPUTS_MAX * LANES;
    int32_t inter_width = (width + 1) / 2;
    size_t inter_size = (size_t)((height + 1) / 2) * inter_width;
    ptrdiff_t offsets[INPUTS_MAX];
    const int32_t *x[INPUTS_MAX];
    for (int k = 0; k < count; k++) {
        int32_t dy = neighbours[2 * k], dx = neighbours[2 * k + 1];
        offsets[k] = (ptrdiff_t)(slope * dy + dx) * rows + dy;
    }
    for (int k = count; k < net->inputs; k++) x[k] = features + (k - count) * LANES;
    for (int32_t t = 0; t < steps; t++) {
        int32_t first = t < width ? 0 : (t - width) / slope + 1;
        int32_t last = t / slope < height - 1 ? t / slope : height - 1, n = last + 1 - first;
        int32_t *here = inputs + ((size_t)top + t) * rows + MARGIN + first;
        for (int32_t i = 0; i < n; i += LANES) {
            for (int k = 0; k < count; k++) x[k] = here + i + offsets[k];
            for (int32_t j = i; inter && j < n && j < i + LANES; j++) {
                int32_t r = first + j, c = t - slope * r;
                const int32_t *parent = inter + (size_t)(r / 2) * inter_width + c / 2;
                for (int k = 0; k < net->inputs - count; k++) features[k * LANES + j - i] = parent[k * inter_size];
            }
            predict(net, x, centres + i, scales + i);
        }
        if (code_laplace(coder, likeliest, table, scales, n, centres, residuals)) return -1;
        for (int32_t i = 0; i < n; i++) {
            int32_t r = first + i;
            grid[(size_t)r * width + t - slope * r] = centres[i];
            here[i] = clip(centres[i], -LIMIT, LIMIT) * (1 << UNIT_BITS);
        }
    }
    return 0;
}

static int32_t rows_at_once(int32_t height, int32_t width) {
    int32_t rows = BATCH / width < 1 ? 1 : BATCH / width;
    return rows < height ? rows : height;
}

/* How many values `inrc_coset` needs as scratch. */
API size_t inrc_coset_scratch(int32_t height, int32_t width) {
    return 3 * ((size_t)rows_at_once(height, width) * width + LANES);
}

/* One coset (height, width), as `cosets.py` does it. Input k of latent (r, c) is inputs[k][r * strides[k] + c]; up to
   LANES - 1 values behind the last are read and ignored. */
API int inrc_coset(Coder *coder, const uint32_t *likeliest, const uint32_t *table, const Network *net,
                   const int32_t *const *inputs, const int32_t *strides, int32_t height, int32_t width, int32_t *scratch, int32_t *symbols) {
    int32_t rows = rows_at_once(height, width);
    int32_t *scales = scratch, *residuals = scales + (size_t)rows * width + LANES;
    int32_t *centres = residuals + (size_t)rows * width + LANES;
    const int32_t *x[INPUTS_MAX];
    for (int32_t top = 0; top < height; top += rows) {
        int32_t n = (height - top < rows ? height - top : rows) * width;
        for (int32_t at = 0; at < n; at += width)
            for (int32_t i = 0; i < width; i += LANES) {
                for (int k = 0; k < net->inputs; k++) x[k] = inputs[k] + (size_t)(top + at / width) * strides[k] + i;
                predict(net, x, centres + at + i, scales + at + i);
            }
        if (code_laplace(coder, likeliest, table, scales, n, centres, residuals)) return -1;
        for (int32_t i = 0; i < n; i++) *symbols++ = centres[i];
    }
    return 0;
}

/* `values`, of `count` inputs each, to `features` of one row: LANES - 1 more of either are in memory. */
WIDEST static void inter_row(const int32_t *weights, const int32_t *bias, int32_t count, int32_t features, int32_t width,
                             const int32_t *const *values, int32_t *out, size_t size) {
    uint32_t sums[INPUTS_MAX][LANES];
    const int32_t *x[INPUTS_MAX];
    for (int32_t c = 0; c < width; c += LANES) {
        for (int g = 0; g < count; g++) x[g] = values[g] + c;
        product(weights, bias, features, count, x, sums);
        for (int f = 0; f < features; f++)
            for (int i = 0; i < LANES && c + i < width; i++)
                out[f * size + c + i] = clip(wrapped(sums[f][i]) >> WEIGHT_BITS, -TOP, TOP);
    }
}

/* Inter-grid features (features, height, width) of `count` decoded grids, each of `sizes` (rows, columns) and repeated
   2^shift times. `weights` are (features, count); `scratch` holds count * (width + LANES). */
API void inrc_inter(const int32_t *weights, const int32_t *bias, int32_t count, int32_t features, int32_t height,
                    int32_t width, const int32_t *const *grids, const int32_t *sizes, const int32_t *shifts,
                    int32_t *scratch, int32_t *out) {
    size_t stride = (size_t)width + LANES, size = (size_t)height * width;
    const int32_t *values[INPUTS_MAX];
    for (int g = 0; g < count; g++) values[g] = scratch + g * stride;
    for (int32_t r = 0; r < height; r++) {
        for (int g = 0; g < count; g++) {
            if (r & ((1 << shifts[g]) - 1)) continue; /* the row is still there */
            const int32_t *row = grids[g] + (size_t)(r >> shifts[g]) * sizes[2 * g + 1];
            for (int32_t c = 0; c < width; c++)
                scratch[g * stride + c] = clip(row[c >> shifts[g]], -LIMIT, LIMIT) * (1 << UNIT_BITS);
        }
        inter_row(weights, bias, count, features, width, values, out + (size_t)r * width, size);
    }
}

static inline uint8_t byte(int value) { return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value); }

/* Squares of a row from their planes (above and beside each other: y[0] y[1], the second row's y[2] y[3]), as `squares.py`. */
WIDEST static void square_row(const uint8_t *const *planes, size_t at, int32_t squares, int second, uint8_t *out) {
    const uint8_t *left = planes[2 * second] + at, *right = planes[2 * second + 1] + at, *us = planes[4] + at, *vs = planes[5] + at;
    for (int32_t i = 0; i < squares; i++) {
        int16_t u = (int16_t)(us[i] - 128), v = (int16_t)(vs[i] - 128);
        int16_t red = (int16_t)(90 * v + 32) >> 6, green = (int16_t)(32 - 22 * u - 46 * v) >> 6, blue = (int16_t)(113 * u + 32) >> 6;
        out[6 * i] = byte(left[i] + red);
        out[6 * i + 1] = byte(left[i] + green);
        out[6 * i + 2] = byte(left[i] + blue);
        out[6 * i + 3] = byte(right[i] + red);
        out[6 * i + 4] = byte(right[i] + green);
        out[6 * i + 5] = byte(right[i] + blue);
    }
}

/* (6, rows, columns) bytes of 4:2:0 to (height, width, 3), at most (2 rows, 2 columns) of them. */
API void inrc_squares(const uint8_t *squares, int32_t rows, int32_t columns, int32_t height, int32_t width, uint8_t *out) {
    const uint8_t *planes[6];
    for (int k = 0; k < 6; k++) planes[k] = squares + (size_t)k * rows * columns;
    for (int32_t r = 0; r < height; r++, out += (size_t)width * 3) {
        size_t at = (size_t)(r / 2) * columns;
        square_row(planes, at, width / 2, r % 2, out);
        if (width % 2) {
            uint8_t last[6];
            square_row(planes, at + width / 2, 1, r % 2, last);
            for (int k = 0; k < 3; k++) out[(size_t)(width - 1) * 3 + k] = last[k];
        }
    }
}
