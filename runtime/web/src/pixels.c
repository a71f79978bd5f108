/* Samples of what graphs make, and what a canvas takes: red, green, blue and opacity of 8 bits. */

#include "pixels.h"

#include <stddef.h>

enum { CHANNELS_MAX = 4, PLANES = 6 };

/* (rows, width, channels) samples of 1 or 2 `bytes` of planes of `size` floats, whose rows are `stride` apart. */
API void inrc_quantize(const float *planes, size_t size, int32_t stride, int32_t channels, int32_t bytes, int32_t rows,
                       int32_t width, uint8_t *samples) {
    float peak = bytes == 1 ? 255 : 65535;
    for (int32_t y = 0; y < rows; y++, planes += stride)
        for (int32_t x = 0; x < width; x++)
            for (int c = 0; c < channels; c++, samples += bytes) {
                int32_t value = quantized(planes[c * size + x], peak);
                if (bytes == 1) *samples = (uint8_t)value;
                else *(uint16_t *)samples = (uint16_t)value;
            }
}

/* Samples as a canvas takes them: n pixels of red, green, blue and opacity, 8 bits each. */
API void inrc_rgba(const uint8_t *samples, int32_t channels, int32_t bytes, size_t n, uint8_t *out) {
    for (size_t i = 0; i < n; i++, out += 4) {
        uint8_t pixel[CHANNELS_MAX] = {0};
        for (int c = 0; c < channels; c++) {
            size_t at = i * channels + c;
            pixel[c] = bytes == 1 ? samples[at] : (uint8_t)((((const uint16_t *)samples)[at] + 128) / 257);
        }
        int grey = channels < 3;
        out[0] = pixel[0];
        out[1] = grey ? pixel[0] : pixel[1];
        out[2] = grey ? pixel[0] : pixel[2];
        out[3] = channels % 2 ? 255 : pixel[channels - 1];
    }
}

static inline uint8_t byte(int32_t value) { return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value); }

/* (PLANES, rows, columns) bytes of 4:2:0, four of luma and two of chroma for each square of pixels, as `squares.py` has them. */
API void inrc_squares_rgba(const uint8_t *squares, int32_t rows, int32_t columns, int32_t height, int32_t width, uint8_t *out) {
    const uint8_t *planes[PLANES];
    for (int k = 0; k < PLANES; k++) planes[k] = squares + (size_t)k * rows * columns;
    for (int32_t y = 0; y < height; y++)
        for (int32_t x = 0; x < width; x++, out += 4) {
            size_t at = (size_t)(y / 2) * columns + x / 2;
            int32_t luma = planes[y % 2 * 2 + x % 2][at], u = planes[4][at] - 128, v = planes[5][at] - 128;
            out[0] = byte(luma + ((90 * v + 32) >> 6));
            out[1] = byte(luma + ((32 - 22 * u - 46 * v) >> 6));
            out[2] = byte(luma + ((113 * u + 32) >> 6));
            out[3] = 255;
        }
}
