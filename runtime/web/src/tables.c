/* The probability tables of `tables.py`, by the same integer arithmetic, so that no page has to download them. */

#include <stdint.h>

#define API __attribute__((visibility("default")))

enum {
    PRECISION = 24,
    REACH = 31,
    ESCAPE = 2 * REACH + 1, /* the last column */
    SCALES = 64,
    FRACTIONS = 16,
    TAILS = FRACTIONS * (REACH + 1) + FRACTIONS / 2 + FRACTIONS + 1
};

/* floor(2^32 exp(-1 / (16 scale))) */
static const uint32_t DECAY[SCALES] = {
    581260615u,  686215098u,  799036310u,  918726428u,  1044178423u, 1174220339u, 1307656790u, 1443305845u, 1580030168u,
    1716761895u, 1852521206u, 1986428948u, 2117713904u, 2245715466u, 2369882518u, 2489769347u, 2605029347u, 2715407188u,
    2820730046u, 2920898383u, 3015876648u, 3105684221u, 3190386796u, 3270088366u, 3344923893u, 3415052718u, 3480652712u,
    3541915164u, 3599040368u, 3652233859u, 3701703250u, 3747655612u, 3790295335u, 3829822416u, 3866431115u, 3900308936u,
    3931635878u, 3960583919u, 3987316691u, 4011989318u, 4034748382u, 4055731996u, 4075069961u, 4092883986u, 4109287957u,
    4124388246u, 4138284039u, 4151067683u, 4162825044u, 4173635859u, 4183574095u, 4192708297u, 4201101925u, 4208813684u,
    4215897841u, 4222404521u, 4228379999u, 4233866970u, 4238904802u, 4243529782u, 4247775344u, 4251672274u, 4255248917u,
    4258531358u,
};

/* How often in 2^24 - 64 a symbol lies below an edge, in sixteenths, given 2^32 times what is left of each tail. */
static uint64_t below(const uint64_t *tails, int32_t edge) {
    const uint64_t room = (1 << PRECISION) - ESCAPE - 1; /* the rest gives every column at least 1 */
    return (edge < 0 ? tails[-edge] : ((uint64_t)1 << 33) - tails[edge]) * room >> 33;
}

/* Of each row `likeliest` is the frequency of its likeliest symbol, `others` (ESCAPE + 2) the cumulative frequencies where it is
   another one. */
API void inrc_tables(uint32_t *likeliest, uint32_t *others) {
    for (int scale = 0; scale < SCALES; scale++) {
        uint64_t tails[TAILS] = {(uint64_t)1 << 32};
        for (int d = 1; d < TAILS; d++) tails[d] = tails[d - 1] * DECAY[scale] >> 32;
        for (int fraction = 0; fraction < FRACTIONS; fraction++, others += ESCAPE + 2) {
            uint64_t frequencies[ESCAPE], most = fraction > 8 ? REACH + 1 : REACH;
            for (int column = 0; column < ESCAPE; column++) {
                int32_t edge = FRACTIONS * (column - REACH) - FRACTIONS / 2 - fraction;
                frequencies[column] = below(tails, edge + FRACTIONS) - below(tails, edge) + 1;
            }
            uint64_t rest = ((uint64_t)1 << PRECISION) - frequencies[most];
            *likeliest++ = (uint32_t)frequencies[most];
            frequencies[most] = 0;
            others[0] = 0;
            for (int column = 0; column < ESCAPE; column++)
                others[column + 1] = others[column] + (uint32_t)(frequencies[column] * ((1 << PRECISION) - ESCAPE - 1) / rest) + 1;
            others[ESCAPE + 1] = 1 << PRECISION;
        }
    }
}
