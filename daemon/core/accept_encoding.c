/*
 * Where a client weighs gzip and identity the same, gzip it is: it asked for codings. What is
 * not named has the weight of `*`; identity without either is always acceptable, and the
 * last choice. A client that accepts neither gets a plain reply, which the RFC allows.
 */
#include "core/accept_encoding.h"

#include <string.h>

enum { WEIGHT_ONE = 1000, WEIGHT_DIGITS = 3 };

/* "0.5" in thousandths: a digit, and after a point three more at most (RFC 9110 12.4.2). */
static bool read_weight(struct field_text text, int *ret_weight)
{
    int unit = WEIGHT_ONE / 10;
    if (text.len == 0 || (text.data[0] != '0' && text.data[0] != '1') ||
        text.len > 2 + WEIGHT_DIGITS || (text.len > 1 && text.data[1] != '.'))
        return false;
    int weight = (text.data[0] - '0') * WEIGHT_ONE;
    for (size_t i = 2; i < text.len; i++, unit /= 10) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        weight += (text.data[i] - '0') * unit;
    }
    *ret_weight = weight;
    return weight <= WEIGHT_ONE;
}

/* Splits "gzip;q=0.5". False when the weight is none. */
static bool read_element(struct field_text element, struct field_text *ret_coding, int *ret_weight)
{
    const char *mark = memchr(element.data, ';', element.len);
    size_t len = mark ? (size_t)(mark - element.data) : element.len;
    *ret_coding = field_trim(element.data, len);
    *ret_weight = WEIGHT_ONE;
    if (!mark)
        return true;
    struct field_text weight = field_trim(mark + 1, element.len - len - 1);
    if (weight.len < 2 || (weight.data[0] | ' ') != 'q' || weight.data[1] != '=')
        return false;
    return read_weight((struct field_text){weight.data + 2, weight.len - 2}, ret_weight);
}

void accept_encoding_read(struct accept_encoding *accept, struct field_text line)
{
    struct field_text element, coding;
    int weight;
    while (field_list_next(&line, &element)) {
        if (!read_element(element, &coding, &weight))
            continue;
        if (field_text_is(coding, "gzip") || field_text_is(coding, "x-gzip"))
            accept->gzip = weight > accept->gzip ? weight : accept->gzip;
        else if (field_text_is(coding, "identity"))
            accept->identity = weight;
        else if (field_text_is(coding, "*"))
            accept->any = weight;
    }
}

bool accept_encoding_gzip(const struct accept_encoding *accept)
{
    int gzip = accept->gzip >= 0 ? accept->gzip : accept->any;
    int identity = accept->identity >= 0 ? accept->identity : accept->any;
    return gzip > 0 && gzip >= identity;
}
