/* The synthesis of `pyramid`, row by row: upsampling of all grids, features mixed of some stacks, the 1x1 network, the
3x3 residuals and the linear path.

A level keeps the few rows that the next finer one still looks at, so that a picture takes memory by its width alone, and
what is made is used while it is in cache. `models/parts/upsampling.py`, `mixing.py` and `synthesis.py` say what is
computed. Rows are padded to whole blocks and have EDGE samples more on either side, which repeat the first and the last.
*/

#include <stddef.h>
#include <stdint.h>

#include "pixels.h"

enum {
    LEVELS_MAX = 16,
    STACK_MAX = 3, /* grids of a level: its own, and those for colour */
    HIDDEN_MAX = 256,
    RESIDUALS = 2,
    MIXED = 3, /* features of a level */
    TAPS = 4,
    EDGE = 4,
    LANES = 4,
    BLOCK = 16,   /* samples that the 1x1 network and the 3x3 convolutions take at once */
    FILTERED = 8, /* rows kept, a power of two: a filter sees 7, a doubling 4, a convolution 3 */
    WIDE = 4,
    KEPT = 4
};

#define NOINLINE static __attribute__((noinline)) /* what is called in several places: a page loads all of this */

typedef float Floats __attribute__((vector_size(4 * LANES)));

/* As `synthesis.js` writes it: sizes, grids from fine to coarse, tensors in row-major order. */
typedef struct {
    int32_t levels, hidden, channels, height, width;
    int32_t counts[LEVELS_MAX]; /* of each level's grids */
    const int32_t *grids[LEVELS_MAX][STACK_MAX];
    int32_t mixing; /* channels, or 0 */
    const float *mixing_first[LEVELS_MAX], *mixing_bias[LEVELS_MAX], *mixing_last[LEVELS_MAX]; /* NULL where nothing is mixed */
    const float *kernels, *filters; /* (levels - 1, TAPS) */
    const float *hidden_weight, *pixel_weight, *skip_weight, *residual_weight[RESIDUALS];
    const float *hidden_bias, *pixel_bias, *residual_bias[RESIDUALS];
} Picture;

typedef struct {
    int32_t height, width, own, stacked, channels; /* `own` grids, then the coarser levels', then mixed ones */
    size_t stride;                               /* of a row of one channel */
    int32_t next_filtered, next_wide, next_raw;  /* the first row that has not been made */
    float *filtered, *wide, *row, *raw, *hidden; /* `raw` and `hidden` where something is mixed */
} Level;

/* `kept[0]` are the 1x1 network's rows, `kept[1]` those of the first residual, `line` the linear path's. */
typedef struct {
    const Picture *picture;
    Level levels[LEVELS_MAX];
    float *kept[RESIDUALS], *line;
    int32_t next_kept[RESIDUALS], next;
} Synthesis;

static inline Floats load(const float *at) {
    Floats values;
    __builtin_memcpy(&values, at, sizeof values);
    return values;
}

static inline void store(float *at, Floats values) { __builtin_memcpy(at, &values, sizeof values); }

static inline Floats all(float value) { return (Floats){value, value, value, value}; }

static inline int32_t clamped(int32_t value, int32_t end) { return value < 0 ? 0 : value < end ? value : end - 1; }

static void repeat_edges(float *row, int32_t width) {
    for (int i = 1; i <= EDGE; i++) row[-i] = row[0];
    for (int i = 0; i < EDGE; i++) row[width + i] = row[width - 1];
}

static size_t stride_of(int32_t width) { return ((size_t)width + BLOCK - 1) / BLOCK * BLOCK + 2 * EDGE; }

static float *taken(float **scratch, size_t rows, size_t stride) {
    float *first = *scratch + EDGE;
    *scratch += rows * stride;
    return first;
}

static int is_mixed(const Picture *picture, int k) { return picture->mixing && picture->mixing_last[k]; }

/* Lay out the levels from `scratch` on; returns how many floats that takes. */
static size_t laid_out(Synthesis *s, const Picture *picture, float *scratch) {
    float *begin = scratch;
    for (int32_t k = picture->levels - 1, channels = 0; k >= 0; k--) {
        int32_t height = ((picture->height - 1) >> k) + 1, width = ((picture->width - 1) >> k) + 1;
        int32_t own = picture->counts[k], coarser = channels;
        size_t stride = stride_of(width);
        channels += own;
        s->levels[k] = (Level){.height = height, .width = width, .own = own, .stacked = channels, .stride = stride};
        if (is_mixed(picture, k)) {
            s->levels[k].raw = taken(&scratch, (size_t)KEPT * channels, stride);
            s->levels[k].hidden = taken(&scratch, (size_t)KEPT * picture->mixing, stride);
            channels += MIXED;
        }
        s->levels[k].channels = channels;
        s->levels[k].filtered = taken(&scratch, FILTERED, stride);
        s->levels[k].wide = taken(&scratch, (size_t)WIDE * coarser, stride);
        s->levels[k].row = taken(&scratch, channels, stride);
    }
    size_t rows = (size_t)KEPT * picture->channels, stride = s->levels[0].stride;
    for (int i = 0; i < RESIDUALS; i++) s->kept[i] = taken(&scratch, rows, stride);
    s->line = taken(&scratch, rows, stride);
    return (size_t)(scratch - begin);
}

API size_t inrc_synthesis_size(void) { return sizeof(Synthesis); }

API size_t inrc_synthesis_scratch(Synthesis *s, const Picture *picture) { return laid_out(s, picture, NULL); }

API void inrc_synthesis_begin(Synthesis *s, const Picture *picture, float *scratch) {
    *s = (Synthesis){.picture = picture};
    laid_out(s, picture, scratch);
}

static void to_floats(const int32_t *grid, int32_t width, float *row) {
    for (int32_t x = 0; x < width; x++) row[x] = (float)grid[x];
    repeat_edges(row, width);
}

/* A row of `grid` through the filter's row, using `row` for its floats. */
static void filter_row(const int32_t *grid, int32_t width, const float *side, float *row, float *out) {
    to_floats(grid, width, row);
    for (int32_t x = 0; x < width; x += LANES) {
        Floats sum = (1 + side[0]) * load(row + x);
        for (int k = 1; k < TAPS; k++) sum += side[k] * (load(row + x - k) + load(row + x + k));
        store(out + x, sum);
    }
}

/* Twice as many samples of a row: even[i] = sum of taps[k] x[i - 2 + k], the odd ones mirrored. */
static void double_row(const float *x, int32_t width, const float *taps, float *out) {
    for (int32_t i = 0; i < width; i += LANES) {
        Floats even = all(0), odd = all(0);
        for (int k = 0; k < TAPS; k++) {
            even += taps[k] * load(x + i - 2 + k);
            odd += taps[TAPS - 1 - k] * load(x + i - 1 + k);
        }
        store(out + 2 * i, __builtin_shufflevector(even, odd, 0, 4, 1, 5));
        store(out + 2 * i + LANES, __builtin_shufflevector(even, odd, 2, 6, 3, 7));
    }
}

static void make_row(Synthesis *s, int k, int32_t y);

/* Row y of the stack of level k, finest grid first, before it is mixed; rows are made in order. */
static void stack_row(Synthesis *s, int k, int32_t y) {
    Level *here = &s->levels[k], *coarser = here + 1;
    const int32_t *const *grids = s->picture->grids[k];
    size_t stride = here->stride;
    if (here->stacked == here->own) {
        for (int c = 0; c < here->own; c++) to_floats(grids[c] + (size_t)y * here->width, here->width, here->row + c * stride);
        return;
    }
    const float *side = s->picture->filters + k * TAPS, *taps = s->picture->kernels + k * TAPS;
    for (; here->next_filtered <= clamped(y + TAPS - 1, here->height); here->next_filtered++)
        filter_row(grids[0] + (size_t)here->next_filtered * here->width, here->width, side, here->row,
                   here->filtered + here->next_filtered % FILTERED * stride);
    int32_t first = y / 2 - 2 + y % 2; /* of TAPS rows of the coarser level */
    for (; here->next_wide <= clamped(first + TAPS - 1, coarser->height); here->next_wide++) {
        make_row(s, k + 1, here->next_wide);
        for (int c = 0; c < coarser->channels; c++)
            double_row(coarser->row + c * coarser->stride, coarser->width, taps,
                       here->wide + (size_t)(here->next_wide % WIDE * coarser->channels + c) * stride);
    }
    const float *near[2 * TAPS - 1];
    for (int i = 0; i < 2 * TAPS - 1; i++)
        near[i] = here->filtered + clamped(y + i + 1 - TAPS, here->height) % FILTERED * stride;
    for (int32_t x = 0; x < here->width; x += LANES) {
        Floats sum = (1 + side[0]) * load(near[TAPS - 1] + x);
        for (int i = 1; i < TAPS; i++) sum += side[i] * (load(near[TAPS - 1 - i] + x) + load(near[TAPS - 1 + i] + x));
        store(here->row + x, sum);
    }
    repeat_edges(here->row, here->width);
    for (int c = 1; c < here->own; c++) to_floats(grids[c] + (size_t)y * here->width, here->width, here->row + c * stride);
    for (int c = 0; c < coarser->channels; c++) {
        float *row = here->row + (here->own + c) * stride;
        for (int i = 0; i < TAPS; i++)
            near[i] = here->wide + (size_t)(clamped(first + i, coarser->height) % WIDE * coarser->channels + c) * stride;
        for (int32_t x = 0; x < here->width; x += LANES) {
            Floats sum = all(0);
            for (int i = 0; i < TAPS; i++) sum += taps[y % 2 ? TAPS - 1 - i : i] * load(near[i] + x);
            store(row + x, sum);
        }
        repeat_edges(row, here->width);
    }
}

/* out[j][lane] = bias[j] + sum over k of weights[j][k] x[k][lane] of a BLOCK */
NOINLINE void product(const float *weights, const float *bias, int outputs, int inputs, const float *x, size_t stride, float *out,
                      size_t out_stride) {
    for (int j = 0; j < outputs; j++, weights += inputs) {
        Floats sums[BLOCK / LANES];
        for (int v = 0; v < BLOCK / LANES; v++) sums[v] = all(bias ? bias[j] : 0);
        for (int k = 0; k < inputs; k++)
            for (int v = 0; v < BLOCK / LANES; v++) sums[v] += weights[k] * load(x + k * stride + LANES * v);
        for (int v = 0; v < BLOCK / LANES; v++) store(out + j * out_stride + LANES * v, sums[v]);
    }
}

/* out = x + bias, if they are there, + the 3x3 convolution, weights (outputs, inputs, 3, 3), of three rows of each input. */
NOINLINE void convolved(const float *const *rows, const float *x, const float *bias, const float *weights, int outputs, int inputs,
                        int32_t width, size_t stride, float *out) {
    for (int o = 0; o < outputs; o++)
        for (int32_t at = 0; at < width; at += BLOCK) {
            const float *weight = weights + o * inputs * 9;
            Floats sums[BLOCK / LANES];
            for (int v = 0; v < BLOCK / LANES; v++) sums[v] = x ? bias[o] + load(x + o * stride + at + LANES * v) : all(0);
            for (int c = 0; c < inputs; c++)
                for (int dy = 0; dy < 3; dy++)
                    for (int dx = -1; dx < 2; dx++, weight++)
                        for (int v = 0; v < BLOCK / LANES; v++)
                            sums[v] += *weight * load(rows[dy] + c * stride + at + dx + LANES * v);
            for (int v = 0; v < BLOCK / LANES; v++) store(out + o * stride + at + LANES * v, sums[v]);
        }
}

/* The same with the features that are mixed of it, if any are. */
static void make_row(Synthesis *s, int k, int32_t y) {
    const Picture *p = s->picture;
    if (!is_mixed(p, k)) {
        stack_row(s, k, y);
        return;
    }
    Level *here = &s->levels[k];
    size_t stride = here->stride;
    for (; here->next_raw <= clamped(y + 1, here->height); here->next_raw++) {
        float *raw = here->raw + (size_t)(here->next_raw % KEPT * here->stacked) * stride;
        float *hidden = here->hidden + (size_t)(here->next_raw % KEPT * p->mixing) * stride;
        stack_row(s, k, here->next_raw);
        for (int c = 0; c < here->stacked; c++)
            __builtin_memcpy(raw + c * stride, here->row + c * stride, sizeof(float) * here->width);
        for (int32_t x = 0; x < here->width; x += BLOCK)
            product(p->mixing_first[k], p->mixing_bias[k], p->mixing, here->stacked, here->row + x, stride, hidden + x, stride);
        for (int c = 0; c < p->mixing; c++) {
            float *row = hidden + c * stride;
            for (int32_t x = 0; x < here->width; x++) row[x] = positive(row[x]);
            repeat_edges(row, here->width);
        }
    }
    const float *rows[3], *raw = here->raw + (size_t)(y % KEPT * here->stacked) * stride;
    float *more = here->row + here->stacked * stride;
    for (int dy = 0; dy < 3; dy++)
        rows[dy] = here->hidden + (size_t)(clamped(y + dy - 1, here->height) % KEPT * p->mixing) * stride;
    convolved(rows, NULL, NULL, p->mixing_last[k], MIXED, p->mixing, here->width, stride, more);
    for (int c = 0; c < here->stacked; c++)
        __builtin_memcpy(here->row + c * stride, raw + c * stride, sizeof(float) * here->width);
    for (int c = 0; c < here->channels; c++) repeat_edges(here->row + c * stride, here->width);
}

/* Row y of the 1x1 network, and of the linear path. */
static void pointwise(Synthesis *s, int32_t y) {
    const Picture *p = s->picture;
    const Level *finest = s->levels;
    float hidden[HIDDEN_MAX * BLOCK];
    size_t stride = finest->stride, at = (size_t)(y % KEPT * p->channels) * stride;
    make_row(s, 0, y);
    for (int32_t x = 0; x < p->width; x += BLOCK) {
        const float *features = finest->row + x;
        product(p->hidden_weight, p->hidden_bias, p->hidden, finest->channels, features, stride, hidden, BLOCK);
        for (int i = 0; i < p->hidden * BLOCK; i++) hidden[i] = positive(hidden[i]);
        product(p->pixel_weight, p->pixel_bias, p->channels, p->hidden, hidden, BLOCK, s->kept[0] + at + x, stride);
        product(p->skip_weight, NULL, p->channels, finest->channels, features, stride, s->line + at + x, stride);
    }
    for (int c = 0; c < p->channels; c++) repeat_edges(s->kept[0] + at + c * stride, p->width);
}

/* Row y of residual i, x + conv(x), into `out` (channels, stride). */
static void residual(Synthesis *s, int i, int32_t y, float *out) {
    const Picture *p = s->picture;
    size_t stride = s->levels[0].stride;
    const float *rows[3];
    for (int dy = 0; dy < 3; dy++) rows[dy] = s->kept[i] + (size_t)(clamped(y + dy - 1, p->height) % KEPT * p->channels) * stride;
    convolved(rows, rows[1], p->residual_bias[i], p->residual_weight[i], p->channels, p->channels, p->width, stride, out);
}

/* Row y after the first residual and its ReLU. */
static void make_first(Synthesis *s, int32_t y) {
    const Picture *p = s->picture;
    size_t stride = s->levels[0].stride;
    for (; s->next_kept[0] <= clamped(y + 1, p->height); s->next_kept[0]++) pointwise(s, s->next_kept[0]);
    float *out = s->kept[1] + (size_t)(y % KEPT * p->channels) * stride;
    residual(s, 0, y, out);
    for (int c = 0; c < p->channels; c++) {
        float *row = out + c * stride;
        for (int32_t x = 0; x < p->width; x++) row[x] = positive(row[x]);
        repeat_edges(row, p->width);
    }
}

/* The next `rows` rows of the picture, (rows, width, channels) of 1 or 2 `bytes` a sample. `image` holds a row of each channel,
   as long as a level's. */
API void inrc_synthesize(Synthesis *s, int32_t rows, int32_t bytes, float *image, uint8_t *samples) {
    const Picture *p = s->picture;
    size_t stride = s->levels[0].stride;
    float peak = bytes == 1 ? 255 : 65535;
    image += EDGE;
    for (int32_t end = s->next + rows; s->next < end; s->next++) {
        for (; s->next_kept[1] <= clamped(s->next + 1, p->height); s->next_kept[1]++) make_first(s, s->next_kept[1]);
        residual(s, 1, s->next, image);
        for (int c = 0; c < p->channels; c++) {
            const float *row = image + c * stride, *line = s->line + (size_t)(s->next % KEPT * p->channels + c) * stride;
            for (int32_t x = 0; x < p->width; x++) {
                size_t at = (size_t)x * p->channels + c;
                int32_t value = quantized(row[x] + line[x], peak);
                if (bytes == 1) samples[at] = (uint8_t)value;
                else ((uint16_t *)samples)[at] = (uint16_t)value;
            }
        }
        samples += (size_t)p->width * p->channels * bytes;
    }
}
