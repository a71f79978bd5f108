/* What turns numbers into samples: `pixels.quantize`. */

#ifndef INRC_PIXELS_H
#define INRC_PIXELS_H

#include <stdint.h>

#define API __attribute__((visibility("default")))

static inline float positive(float value) { return value > 0 ? value : 0; } /* 0 for what is no number */

/* An integer from 0 to `peak` of a sample in [0, 1], rounded half to even. */
static inline int32_t quantized(float sample, float peak) {
    const float whole = 12582912; /* 1.5 * 2^23: what is added to it loses its fraction */
    float scaled = positive(sample * peak);
    return (int32_t)((scaled < peak ? scaled : peak) + whole - whole);
}

#endif
