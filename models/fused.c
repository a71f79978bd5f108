/* What a step of training spends its time on, fused for CPUs: each part goes over strips of samples that stay in cache,
 * forward and, at once, backward. `fused.py` calls it; without it the same is done by torch.
 *
 * It is built once for each kind of processor (pyproject.toml), in vectors as wide as that has: wider ones gcc takes apart in
 * memory, which is seventeen times as slow.
 *
 * Matrices of weights lie with their inputs as rows. A strip is LANES samples of every input, channel by channel. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define INRC_FUSED inrc_fused_7 /* VERSION in fused.py */
#if defined(__AVX512F__)
#define WIDTH 16
#elif defined(__AVX__)
#define WIDTH 8
#else
#define WIDTH 4
#endif
#define LANES 64
#define VECTORS (LANES / WIDTH)
#define SIDE 64              /* inputs or outputs of a layer, at most */
#define PROBABILITY_MIN 0x1p-16f /* as in rates.py */
#define LN2 0.69314718056f
#define TAPS_MAX 7

#define INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(4 * WIDTH)));
typedef int32_t ivec __attribute__((vector_size(4 * WIDTH)));
typedef vec strip[VECTORS];

INLINE vec all(float x) { return (vec){0} + x; }
INLINE vec choose(ivec where, vec a, vec b) { return (vec)((where & (ivec)a) | (~where & (ivec)b)); }
INLINE vec positive(vec x) { return (vec)((x > 0) & (ivec)x); }
INLINE vec magnitude(vec x) { return (vec)((ivec)x & 0x7fffffff); }
INLINE vec bounded(vec x, float low, float high)
{
    x = choose(x < low, all(low), x);
    return choose(x > high, all(high), x);
}

INLINE float total(vec x)
{
    float sum = 0;
    for (int i = 0; i < WIDTH; i++)
        sum += x[i];
    return sum;
}

/* 2^x for -126 <= x <= 126: Taylor's series for the fraction, which lies in [-1/2, 1/2], to 2e-7 of it. */
INLINE vec exp2_of(vec x)
{
    vec shifted = x + 0x1.8p23f, f = (x - (shifted - 0x1.8p23f)) * LN2;
    ivec n = (ivec)shifted << 23; /* the low bits of the sum are the integer */
    vec p = f * (1.0f / 720) + 1.0f / 120;
    p = p * f + 1.0f / 24;
    p = p * f + 1.0f / 6;
    p = p * f + 0.5f;
    p = p * f + 1.0f;
    p = p * f + 1.0f;
    return (vec)((ivec)p + n);
}

/* log2 of a normal x > 0: exponent, and the series of atanh for the mantissa in [sqrt(1/2), sqrt(2)]. */
INLINE vec log2_of(vec x)
{
    ivec bits = (ivec)x - 0x3f3504f3, e = bits >> 23;
    vec m = (vec)((bits & 0x7fffff) + 0x3f3504f3);
    vec s = (m - 1.0f) / (m + 1.0f), q = s * s;
    vec p = q * (1.0f / 9) + 1.0f / 7;
    p = p * q + 1.0f / 5;
    p = p * q + 1.0f / 3;
    p = p * q + 1.0f;
    return __builtin_convertvector(e, vec) + p * s * (2 / LN2);
}

/* Zeros behind the last rows and columns, up to multiples of 4. */
typedef struct {
    int rows, columns; /* rounded up */
    float weights[SIDE * SIDE];
} matrix;

INLINE int whole(int n) { return (n + 3) & ~3; }

INLINE void fill(matrix *m, int rows, int columns, const float *weights, int by_row, int by_column)
{
    m->rows = whole(rows), m->columns = whole(columns);
    memset(m->weights, 0, sizeof m->weights[0] * m->rows * m->columns);
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++)
            m->weights[r * m->columns + c] = weights[r * by_row + c * by_column];
}

/* out = weights' x + out, for whole blocks of 4 outputs. */
INLINE void multiply(const matrix *m, const strip *x, strip *out)
{
    for (int o = 0; o < m->columns; o += 4)
        for (int v = 0; v < VECTORS; v += 2) {
            vec a[4][2];
            for (int i = 0; i < 4; i++)
                a[i][0] = out[o + i][v], a[i][1] = out[o + i][v + 1];
            const float *w = m->weights + o;
            for (int k = 0; k < m->rows; k++, w += m->columns) {
                vec left = x[k][v], right = x[k][v + 1];
                for (int i = 0; i < 4; i++)
                    a[i][0] += w[i] * left, a[i][1] += w[i] * right;
            }
            for (int i = 0; i < 4; i++)
                out[o + i][v] = a[i][0], out[o + i][v + 1] = a[i][1];
        }
}

/* sums[k][o] += x[k] * g[o], lane by lane; of as many rows and columns as `m` has. */
INLINE void correlate(const matrix *m, const strip *x, const strip *g, vec *sums)
{
    for (int k = 0; k < m->rows; k += 4)
        for (int o = 0; o < m->columns; o += 2) {
            vec a[4][2];
            for (int i = 0; i < 4; i++)
                a[i][0] = sums[(k + i) * m->columns + o], a[i][1] = sums[(k + i) * m->columns + o + 1];
            for (int v = 0; v < VECTORS; v++) {
                vec left = g[o][v], right = g[o + 1][v];
                for (int i = 0; i < 4; i++)
                    a[i][0] += x[k + i][v] * left, a[i][1] += x[k + i][v] * right;
            }
            for (int i = 0; i < 4; i++)
                sums[(k + i) * m->columns + o] = a[i][0], sums[(k + i) * m->columns + o + 1] = a[i][1];
        }
}

INLINE void spread(const float *bias, int n, strip *out)
{
    for (int o = 0; o < n; o++)
        for (int v = 0; v < VECTORS; v++)
            out[o][v] = all(bias[o]);
}

INLINE void clear(strip *x, int from, int to)
{
    memset(x + from, 0, sizeof(strip) * (to - from));
}

INLINE void add_up(const strip *g, int n, vec *sums)
{
    for (int o = 0; o < n; o++)
        for (int v = 0; v < VECTORS; v++)
            sums[o] += g[o][v];
}

INLINE void gathered(const vec *sums, int rows, int columns, int stride, float *out, int by_row, int by_column)
{
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++)
            out[r * by_row + c * by_column] += total(sums[r * stride + c]);
}

/* Lanes of a row, zeros behind the last. */
INLINE void load(const float *from, int n, vec *to)
{
    if (n == LANES)
        memcpy(to, from, sizeof(strip));
    else {
        memset(to, 0, sizeof(strip));
        memcpy(to, from, sizeof(float) * n);
    }
}

INLINE void add_to(float *to, int n, const vec *x)
{
    const float *from = (const float *)x;
    for (int i = 0; i < n; i++)
        to[i] += from[i];
}

typedef struct { /* of a context network; gradients have the same form */
    float *first, *first_bias, *second, *second_bias, *last, *last_bias, *skip;
} network;

typedef struct {
    matrix first, second, last, skip, first_back, second_back, last_back, skip_back;
    strip x[SIDE], h1[SIDE], h2[SIDE], out[4], g_out[4], g_h2[SIDE], g_h1[SIDE], g_x[SIDE];
    vec first_sums[SIDE * SIDE], second_sums[SIDE * SIDE], last_sums[SIDE * 4], skip_sums[SIDE * 4];
    vec first_bias[SIDE], second_bias[SIDE], last_bias[4];
} rate_scratch;

size_t inrc_rate_scratch(void) { return sizeof(rate_scratch); }

/* A row's strip of n from values of which each is for `cell` places, 1 or 2. */
INLINE void load_cells(const float *from, int n, int cell, vec *to)
{
    if (cell == 1) {
        load(from, n, to);
        return;
    }
    float *two = (float *)to;
    for (int i = 0; i < n / 2; i++)
        two[2 * i] = two[2 * i + 1] = from[i];
    memset(two + n, 0, sizeof(float) * (LANES - n));
}

INLINE void add_cells_to(float *to, int n, int cell, const vec *x)
{
    if (cell == 1) {
        add_to(to, n, x);
        return;
    }
    const float *two = (const float *)x;
    for (int i = 0; i < n / 2; i++)
        to[i] += two[2 * i] + two[2 * i + 1];
}

/* Bits of the latents in the rows `top` to `bottom` of a plane, beginning at `plane` and `columns` wide, that `mask` weighs, and, where
 * there are gradients, theirs: see `_Rate` in context.py. `features` are of all the plane, one for each `cell` of 1 or of 2x2 latents, in
 * so many `cells` of rows. `near`: latents as neighbours; `range`: of the scale's logarithm. */
double inrc_rate(rate_scratch *s, const float *latents, const float *near, const float *features, const float *mask, size_t plane,
                 size_t columns, size_t top, size_t bottom, int cell, const int64_t *offsets, int neighbours, int n_features,
                 int cells, int width, const network *net, const float *range, float *g_latents, float *g_features,
                 const network *g)
{
    int inputs = neighbours + n_features, all_in = whole(inputs), all_width = whole(width);
    double bits = 0;
    fill(&s->first, inputs, width, net->first, width, 1), fill(&s->first_back, width, inputs, net->first, 1, width);
    fill(&s->second, width, width, net->second, width, 1), fill(&s->second_back, width, width, net->second, 1, width);
    fill(&s->last, width, 2, net->last, 2, 1), fill(&s->last_back, 2, width, net->last, 1, 2);
    fill(&s->skip, inputs, 2, net->skip, 2, 1), fill(&s->skip_back, 2, inputs, net->skip, 1, 2);
    memset(s->first_sums, 0, (char *)(s + 1) - (char *)s->first_sums);
    clear(s->x, inputs, all_in), clear(s->g_out, 0, 4);
    size_t strips = (columns + LANES - 1) / LANES, stride = columns / cell * cells;
    for (size_t each = top * strips; each < bottom * strips; each++) {
        size_t row = each / strips, column = each % strips * LANES, i = plane + row * columns + column;
        size_t place = row / cell * (columns / cell) + column / cell;
        int n = columns - column < LANES ? (int)(columns - column) : LANES, any = 0;
        strip counted, value;
        load(mask + i, n, counted);
        for (int v = 0; v < VECTORS; v++)
            for (int j = 0; j < WIDTH; j++)
                any |= counted[v][j] != 0;
        if (!any)
            continue;
        load(latents + i, n, value);
        for (int k = 0; k < neighbours; k++)
            load(near + i + offsets[k], n, s->x[k]);
        for (int k = 0; k < n_features; k++)
            load_cells(features + k * stride + place, n, cell, s->x[neighbours + k]);
        spread(net->first_bias, width, s->h1), clear(s->h1, width, all_width);
        multiply(&s->first, s->x, s->h1);
        spread(net->second_bias, width, s->h2), clear(s->h2, width, all_width);
        spread(net->last_bias, 2, s->out), clear(s->out, 2, 4);
        for (int o = 0; o < all_width; o++)
            for (int v = 0; v < VECTORS; v++)
                s->h1[o][v] = positive(s->h1[o][v]);
        multiply(&s->second, s->h1, s->h2);
        for (int o = 0; o < all_width; o++)
            for (int v = 0; v < VECTORS; v++)
                s->h2[o][v] = positive(s->h2[o][v]);
        multiply(&s->last, s->h2, s->out), multiply(&s->skip, s->x, s->out);
        vec sum = {0};
        for (int v = 0; v < VECTORS; v++) {
            vec residual = value[v] - s->out[0][v], log2_scale = bounded(s->out[1][v], range[0], range[1]);
            vec per_scale = exp2_of(-log2_scale), right = residual + 0.5f, left = residual - 0.5f;
            vec upper = exp2_of(bounded(magnitude(right) * per_scale * (-1 / LN2), -126, 0));
            vec lower = exp2_of(bounded(magnitude(left) * per_scale * (-1 / LN2), -126, 0));
            vec p = choose(right * left < 0, 1 - 0.5f * (upper + lower), 0.5f * magnitude(upper - lower));
            p = choose(p < PROBABILITY_MIN, all(PROBABILITY_MIN), p);
            sum -= log2_of(p) * counted[v];
            vec per_bit = -0.5f / LN2 * per_scale / p * counted[v];
            vec by_residual = per_bit * (upper - lower);
            s->g_out[0][v] = -by_residual;
            s->g_out[1][v] = per_bit * (left * lower - right * upper) * LN2;
        }
        bits += total(sum);
        if (!g_latents)
            continue;
        for (int v = 0; v < VECTORS; v++)
            value[v] = -s->g_out[0][v];
        add_to(g_latents + i, n, value);
        correlate(&s->last, s->h2, s->g_out, s->last_sums), correlate(&s->skip, s->x, s->g_out, s->skip_sums);
        add_up(s->g_out, 2, s->last_bias);
        clear(s->g_h2, 0, all_width), multiply(&s->last_back, s->g_out, s->g_h2);
        for (int o = 0; o < all_width; o++)
            for (int v = 0; v < VECTORS; v++)
                s->g_h2[o][v] = (vec)((s->h2[o][v] > 0) & (ivec)s->g_h2[o][v]);
        correlate(&s->second, s->h1, s->g_h2, s->second_sums), add_up(s->g_h2, width, s->second_bias);
        clear(s->g_h1, 0, all_width), multiply(&s->second_back, s->g_h2, s->g_h1);
        for (int o = 0; o < all_width; o++)
            for (int v = 0; v < VECTORS; v++)
                s->g_h1[o][v] = (vec)((s->h1[o][v] > 0) & (ivec)s->g_h1[o][v]);
        correlate(&s->first, s->x, s->g_h1, s->first_sums), add_up(s->g_h1, width, s->first_bias);
        clear(s->g_x, 0, all_in), multiply(&s->first_back, s->g_h1, s->g_x), multiply(&s->skip_back, s->g_out, s->g_x);
        for (int k = 0; k < neighbours; k++)
            add_to(g_latents + i + offsets[k], n, s->g_x[k]);
        for (int k = 0; k < n_features; k++)
            add_cells_to(g_features + k * stride + place, n, cell, s->g_x[neighbours + k]);
    }
    if (g_latents) {
        gathered(s->first_sums, inputs, width, all_width, g->first, width, 1);
        gathered(s->second_sums, width, width, all_width, g->second, width, 1);
        gathered(s->last_sums, width, 2, 4, g->last, 2, 1), gathered(s->skip_sums, inputs, 2, 4, g->skip, 2, 1);
        gathered(s->first_bias, width, 1, 1, g->first_bias, 1, 1), gathered(s->second_bias, width, 1, 1, g->second_bias, 1, 1);
        gathered(s->last_bias, 2, 1, 1, g->last_bias, 1, 1);
    }
    return bits;
}

typedef struct { /* of the synthesis's 1x1 layers; gradients have the same form */
    float *hidden, *hidden_bias, *pixel, *pixel_bias, *skip;
} pointwise;

typedef struct {
    matrix hidden, pixel, skip, hidden_back, pixel_back, skip_back;
    strip x[SIDE], h[SIDE], out[4], line[4], g_h[SIDE], g_x[SIDE];
    vec hidden_sums[SIDE * SIDE], pixel_sums[SIDE * 4], skip_sums[SIDE * 4], hidden_bias[SIDE], pixel_bias[4];
} pointwise_scratch;

size_t inrc_pointwise_scratch(void) { return sizeof(pointwise_scratch); }

/* Of n samples a channel those from `start` to `stop`: pixel relu(hidden x + bias) + bias into `out` and skip x into `line`;
 * or, where there are `g_x` and `g`, from the gradients that `out` and `line` then hold: see `_Pointwise` in synthesis.py. */
void inrc_pointwise(pointwise_scratch *s, const float *x, size_t n, size_t start, size_t stop, int levels, int hidden,
                    int channels, const pointwise *w, float *out, float *line, float *g_x, const pointwise *g)
{
    int all_in = whole(levels), all_hidden = whole(hidden);
    fill(&s->hidden, levels, hidden, w->hidden, 1, levels), fill(&s->hidden_back, hidden, levels, w->hidden, levels, 1);
    fill(&s->pixel, hidden, channels, w->pixel, 1, hidden), fill(&s->pixel_back, channels, hidden, w->pixel, hidden, 1);
    fill(&s->skip, levels, channels, w->skip, 1, levels), fill(&s->skip_back, channels, levels, w->skip, levels, 1);
    memset(s->hidden_sums, 0, (char *)(s + 1) - (char *)s->hidden_sums);
    clear(s->x, levels, all_in), clear(s->out, 0, 4), clear(s->line, 0, 4);
    for (size_t i = start; i < stop; i += LANES) {
        int count = stop - i < LANES ? (int)(stop - i) : LANES;
        for (int k = 0; k < levels; k++)
            load(x + k * n + i, count, s->x[k]);
        spread(w->hidden_bias, hidden, s->h), clear(s->h, hidden, all_hidden);
        multiply(&s->hidden, s->x, s->h);
        for (int o = 0; o < all_hidden; o++)
            for (int v = 0; v < VECTORS; v++)
                s->h[o][v] = positive(s->h[o][v]);
        if (!g_x) {
            spread(w->pixel_bias, channels, s->out), clear(s->line, 0, 4);
            multiply(&s->pixel, s->h, s->out), multiply(&s->skip, s->x, s->line);
            for (int o = 0; o < channels; o++) {
                memcpy(out + o * n + i, s->out[o], sizeof(float) * count);
                memcpy(line + o * n + i, s->line[o], sizeof(float) * count);
            }
            continue;
        }
        for (int o = 0; o < channels; o++)
            load(out + o * n + i, count, s->out[o]), load(line + o * n + i, count, s->line[o]);
        correlate(&s->pixel, s->h, s->out, s->pixel_sums), correlate(&s->skip, s->x, s->line, s->skip_sums);
        add_up(s->out, channels, s->pixel_bias);
        clear(s->g_h, 0, all_hidden), multiply(&s->pixel_back, s->out, s->g_h);
        for (int o = 0; o < all_hidden; o++)
            for (int v = 0; v < VECTORS; v++)
                s->g_h[o][v] = (vec)((s->h[o][v] > 0) & (ivec)s->g_h[o][v]);
        correlate(&s->hidden, s->x, s->g_h, s->hidden_sums), add_up(s->g_h, hidden, s->hidden_bias);
        clear(s->g_x, 0, all_in), multiply(&s->hidden_back, s->g_h, s->g_x), multiply(&s->skip_back, s->line, s->g_x);
        for (int k = 0; k < levels; k++)
            memcpy(g_x + k * n + i, s->g_x[k], sizeof(float) * count);
    }
    if (g_x) {
        gathered(s->hidden_sums, levels, hidden, all_hidden, g->hidden, 1, levels);
        gathered(s->pixel_sums, hidden, channels, 4, g->pixel, 1, hidden);
        gathered(s->skip_sums, levels, channels, 4, g->skip, 1, levels);
        gathered(s->hidden_bias, hidden, 1, 1, g->hidden_bias, 1, 1);
        gathered(s->pixel_bias, channels, 1, 1, g->pixel_bias, 1, 1);
    }
}

/* How long a row of `columns` is with room for a vector behind the two places at either end. */
INLINE size_t roomy(size_t columns) { return columns + 4 + 32; }

/* What lies at i - taps / 2 + k of n, where edges repeat. */
INLINE size_t at(size_t i, int k, int taps, size_t n)
{
    ptrdiff_t place = (ptrdiff_t)i - taps / 2 + k;
    return place < 0 ? 0 : (size_t)place >= n ? n - 1 : (size_t)place;
}

/* A line of n, with its ends repeated `by` times to either side. */
INLINE void widen(const float *x, size_t n, int by, float *to)
{
    for (int k = 0; k < by; k++)
        to[k] = x[0], to[by + n + k] = x[n - 1];
    memcpy(to + by, x, sizeof(float) * n);
}

size_t inrc_conv3x3_scratch(int inputs, int outputs, size_t columns)
{
    return sizeof(vec) * 9 * inputs * outputs + sizeof(float) * roomy(columns) * (3 * outputs + 2);
}

/* 3x3 convolution of `inputs` planes of rows x columns, whose edges repeat, into the rows from top to bottom of `outputs`: see
   `_Conv3x3`. */
void inrc_conv3x3(void *scratch, const float *restrict x, int inputs, int outputs, size_t rows, size_t columns, size_t top,
                  size_t bottom, const float *weight, const float *bias, float *restrict out)
{
    float *wide = scratch;
    for (int o = 0; o < outputs; o++)
        for (size_t k = top * columns; k < bottom * columns; k++)
            out[o * rows * columns + k] = bias ? bias[o] : 0;
    for (size_t y = top ? top - 1 : 0; y < rows && y <= bottom; y++)
        for (int i = 0; i < inputs; i++) {
            widen(x + (i * rows + y) * columns, columns, 1, wide);
            for (size_t r = y > top ? y - 1 : top; r < bottom && r < y + 2; r++)
                for (int dy = 0; dy < 3; dy++)
                    for (int o = 0; o < outputs && y == at(r, dy, 3, rows); o++) {
                        const float *w = weight + ((o * inputs + i) * 3 + dy) * 3;
                        float *to = out + (o * rows + r) * columns;
                        for (size_t k = 0; k < columns; k++)
                            to[k] += w[0] * wide[k] + w[1] * wide[k + 1] + w[2] * wide[k + 2];
                    }
        }
}

INLINE vec loaded(const float *from)
{
    vec x;
    memcpy(&x, from, sizeof x);
    return x;
}

/* Its gradients, as far as rows of `x` from top to bottom have a part in them: into `g_x`, and added to what `g_weight`
   holds. */
void inrc_conv3x3_back(void *scratch, const float *restrict x, int inputs, int outputs, size_t rows, size_t columns, size_t top,
                       size_t bottom, const float *weight, const float *restrict g, float *restrict g_x,
                       float *restrict g_weight)
{
    size_t length = roomy(columns);
    vec *sums = scratch;
    float *wide = (float *)(sums + 9 * inputs * outputs), *back = wide + length, *given = back + length;
    memset(scratch, 0, inrc_conv3x3_scratch(inputs, outputs, columns));
    for (size_t y = top; y < bottom; y++) {
        size_t first = y ? y - 1 : 0, last = y + 1 < rows ? y + 1 : y;
        for (size_t r = y > top ? last : first; r <= last; r++) /* the others are there already */
            for (int o = 0; o < outputs; o++)
                memcpy(given + (r % 3 * outputs + o) * length + 2, g + (o * rows + r) * columns, sizeof(float) * columns);
        for (int i = 0; i < inputs; i++) {
            widen(x + (i * rows + y) * columns, columns, 1, wide);
            memset(back, 0, sizeof(float) * length);
            for (size_t r = first; r <= last; r++)
                for (int dy = 0; dy < 3; dy++)
                    for (int o = 0; o < outputs && y == at(r, dy, 3, rows); o++) {
                        const float *from = given + (r % 3 * outputs + o) * length;
                        size_t tap = ((o * inputs + i) * 3 + dy) * 3;
                        vec a = sums[tap], b = sums[tap + 1], c = sums[tap + 2];
                        vec u = all(weight[tap]), v = all(weight[tap + 1]), w = all(weight[tap + 2]);
                        for (size_t k = 0; k < columns + 2; k += WIDTH) {
                            vec here = loaded(from + k + 2), to = loaded(back + k);
                            a += here * loaded(wide + k), b += here * loaded(wide + k + 1), c += here * loaded(wide + k + 2);
                            to += u * here + v * loaded(from + k + 1) + w * loaded(from + k);
                            memcpy(back + k, &to, sizeof to);
                        }
                        sums[tap] = a, sums[tap + 1] = b, sums[tap + 2] = c;
                    }
            float *to = g_x + (i * rows + y) * columns;
            memcpy(to, back + 1, sizeof(float) * columns);
            to[0] += back[0], to[columns - 1] += back[columns + 1];
        }
    }
    gathered(sums, 1, 9 * inputs * outputs, 0, g_weight, 0, 1);
}

INLINE float dot(const float *a, const float *b, size_t n)
{
    vec sum = {0};
    size_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH)
        sum += loaded(a + i) * loaded(b + i);
    float rest = total(sum);
    for (; i < n; i++)
        rest += a[i] * b[i];
    return rest;
}

/* Planes of rows x columns into `count` times as many rows, by `phases` (count, taps) of the rows around each; edges repeat. */
INLINE void rows_by(int count, int taps, const float *restrict x, size_t planes, size_t rows, size_t columns,
                    const float *phases, float *restrict out)
{
    for (size_t p = 0; p < planes; p++, x += rows * columns)
        for (size_t i = 0; i < rows; i++) {
            const float *around[TAPS_MAX];
            for (int k = 0; k < taps; k++)
                around[k] = x + at(i, k, taps, rows) * columns;
            for (int phase = 0; phase < count; phase++, out += columns) {
                size_t j = 0;
                for (; j + WIDTH <= columns; j += WIDTH) {
                    vec sum = {0};
                    for (int k = 0; k < taps; k++)
                        sum += phases[phase * taps + k] * loaded(around[k] + j);
                    memcpy(out + j, &sum, sizeof sum);
                }
                for (; j < columns; j++) {
                    out[j] = 0;
                    for (int k = 0; k < taps; k++)
                        out[j] += phases[phase * taps + k] * around[k][j];
                }
            }
        }
}

/* Gradients: added to `g_x` and `g_phases`. */
INLINE void rows_by_back(int count, int taps, const float *restrict x, size_t planes, size_t rows, size_t columns,
                         const float *phases, const float *restrict g, float *restrict g_x, float *restrict g_phases)
{
    for (size_t p = 0; p < planes; p++, x += rows * columns, g_x += rows * columns)
        for (size_t i = 0; i < rows; i++, g += count * columns)
            for (int k = 0; k < taps; k++) {
                size_t line = at(i, k, taps, rows) * columns;
                for (int phase = 0; phase < count; phase++)
                    g_phases[phase * taps + k] += dot(g + phase * columns, x + line, columns);
                for (size_t j = 0; j < columns; j++)
                    for (int phase = 0; phase < count; phase++)
                        g_x[line + j] += phases[phase * taps + k] * g[phase * columns + j];
            }
}

/* The same of columns, for lines of n; `buffer` takes (count + 2) (n + taps). */
INLINE void columns_by(int count, int taps, const float *restrict x, size_t lines, size_t n, const float *phases,
                       float *restrict out, float *restrict buffer)
{
    for (size_t l = 0; l < lines; l++, x += n, out += count * n) {
        widen(x, n, taps / 2, buffer);
        for (size_t i = 0; i < n; i++)
            for (int phase = 0; phase < count; phase++) {
                float sum = 0;
                for (int k = 0; k < taps; k++)
                    sum += phases[phase * taps + k] * buffer[i + k];
                out[count * i + phase] = sum;
            }
    }
}

INLINE void columns_by_back(int count, int taps, const float *restrict x, size_t lines, size_t n, const float *phases,
                            const float *restrict g, float *restrict g_x, float *restrict g_phases, float *restrict buffer)
{
    float *padded = buffer, *back = padded + n + taps, *apart = back + n + taps;
    for (size_t l = 0; l < lines; l++, x += n, g += count * n, g_x += n) {
        widen(x, n, taps / 2, padded);
        memset(back, 0, sizeof(float) * (n + taps));
        for (int phase = 0; phase < count; phase++)
            for (size_t i = 0; i < n; i++)
                apart[phase * n + i] = g[count * i + phase];
        for (int k = 0; k < taps; k++) {
            for (int phase = 0; phase < count; phase++)
                g_phases[phase * taps + k] += dot(apart + phase * n, padded + k, n);
            for (size_t i = 0; i < n; i++)
                for (int phase = 0; phase < count; phase++)
                    back[k + i] += phases[phase * taps + k] * apart[phase * n + i];
        }
        memcpy(g_x, back + taps / 2, sizeof(float) * n);
        for (int k = 0; k < taps / 2; k++)
            g_x[0] += back[k], g_x[n - 1] += back[taps / 2 + n + k];
    }
}

/* By those that upsampling.py has: kernels of 5 taps in two phases, filters of 7 in one. */
void inrc_rows(int count, int taps, const float *x, size_t planes, size_t rows, size_t columns, const float *phases, float *out)
{
    if (count == 2 && taps == 5)
        rows_by(2, 5, x, planes, rows, columns, phases, out);
    else
        rows_by(1, 7, x, planes, rows, columns, phases, out);
}

void inrc_rows_back(int count, int taps, const float *x, size_t planes, size_t rows, size_t columns, const float *phases,
                    const float *g, float *g_x, float *g_phases)
{
    if (count == 2 && taps == 5)
        rows_by_back(2, 5, x, planes, rows, columns, phases, g, g_x, g_phases);
    else
        rows_by_back(1, 7, x, planes, rows, columns, phases, g, g_x, g_phases);
}

void inrc_columns(int count, int taps, const float *x, size_t lines, size_t n, const float *phases, float *out, float *buffer)
{
    if (count == 2 && taps == 5)
        columns_by(2, 5, x, lines, n, phases, out, buffer);
    else
        columns_by(1, 7, x, lines, n, phases, out, buffer);
}

void inrc_columns_back(int count, int taps, const float *x, size_t lines, size_t n, const float *phases, const float *g,
                       float *g_x, float *g_phases, float *buffer)
{
    if (count == 2 && taps == 5)
        columns_by_back(2, 5, x, lines, n, phases, g, g_x, g_phases, buffer);
    else
        columns_by_back(1, 7, x, lines, n, phases, g, g_x, g_phases, buffer);
}

INLINE vec soft_round(vec x, float temperature, float height, vec *slope)
{
    vec middle = x - 0.5f + 0x1.8p23f - 0x1.8p23f + 0.5f; /* floor(x) + 1/2; at integers either is right */
    vec power = exp2_of(bounded((x - middle) * (2 / LN2 / temperature), -126, 126)), wave = 1 - 2 / (power + 1);
    *slope = (1 - wave * wave) * (height / temperature);
    return middle + wave * height;
}

/* s(s(x) + noise), and its derivative; `height` is 1 / (2 tanh(1 / 2T)): see `_SoftRoundNoise` in quantizers.py. */
void inrc_soft_round_noise(const float *x, const float *noise, size_t n, float temperature, float height, float *out,
                           float *slope)
{
    for (size_t i = 0; i < n; i += LANES) {
        int count = n - i < LANES ? (int)(n - i) : LANES;
        strip value, by, inner;
        load(x + i, count, value), load(noise + i, count, by);
        for (int v = 0; v < VECTORS; v++) {
            value[v] = soft_round(value[v], temperature, height, &inner[v]) + by[v];
            value[v] = soft_round(value[v], temperature, height, &by[v]), by[v] *= inner[v];
        }
        memcpy(out + i, value, sizeof(float) * count), memcpy(slope + i, by, sizeof(float) * count);
    }
}

void INRC_FUSED(void) {}
