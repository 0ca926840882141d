/*
 * Any bytes as an upstream's reply: however they are cut, the reader says the
 * same; it never takes more than it was given and holds its limits. The first
 * four bytes choose method, decoding, limits and the cuts.
 */
#include <stdint.h>

#include "../unit/reply_feeding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t maxima[] = {0, 1, 2, 5, 16, 64, 300, 4096};
    if (size < 4)
        return 0;
    struct reply_limits limits = {
        .bodiless = data[0] & 1,
        .decode = data[0] & 2,
        .header_max = data[1] & 0x80 ? 100000 : 2U * data[1],
        .body_max = data[2] & 0x80 ? 100000 : maxima[data[2] % 8],
    };
    bool ends = data[0] & 4;
    const char *text = (const char *)data + 4;
    size_t len = size - 4;
    const struct {
        size_t most;
        bool places;
    } ways[] = {{1, false}, {1, true}, {7, true}, {len + 1, false}, {len + 1, true}};
    struct feeding whole = feed_reply(&limits, text, len, 0, 0, false, ends);
    if (whole.state == REPLY_COMPLETE)
        assert(whole.outcome.code == OUTCOME_REPLY && whole.outcome.status >= 200);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct feeding cut =
            feed_reply(&limits, text, len, ways[i].most, data[3], ways[i].places, ends);
        assert(same_feeding(&whole, &cut));
        outcome_done(&cut.outcome);
    }
    outcome_done(&whole.outcome);
    return 0;
}
