/* Where an object or array ends: for json/scan.h only. */
#ifndef JSON_CONTAINER_H
#define JSON_CONTAINER_H

/* From the opening bracket of a container in validated text to behind its partner, or `end`. */
const char *json_container_end(const char *at, const char *end);

#endif
