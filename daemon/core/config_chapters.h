/* What the reference page and the manual page say alike: chapters, and the cells of a row.
 * All of it is Markdown of one kind: `code`, *emphasis* and [links](page.md) in plain text. */
#ifndef CORE_CONFIG_CHAPTERS_H
#define CORE_CONFIG_CHAPTERS_H

#include "base/buffer.h"
#include "core/options.h"

struct config_chapter {
    enum option_section section;
    const char *title; /* a heading in words, or the name of a section */
    const char *text;
};

/* In the order of a file; NULL beyond the last. */
const struct config_chapter *config_chapter(size_t index);
/* True when the title is words, false when it is what one writes in a file. */
bool config_chapter_in_words(const struct config_chapter *chapter);

/* The types that need an explanation, with it; NULL beyond the last. */
struct config_notation {
    const char *type, *written;
};
const struct config_notation *config_notation(size_t index);

/* The cells of a row. */
void config_put_type(struct buffer *out, const struct option *option);
/* What holds where it is not given; every option has an answer. */
void config_put_default(struct buffer *out, const struct option *option);
/* Nothing where every value of the type will do. */
void config_put_range(struct buffer *out, const struct option *option);
void config_put_text(struct buffer *out, const struct option *option);
/* "restart" or "reload". */
const char *config_effect(const struct option *option);

#endif
