/* value.h - text to values
 *
 * Pure. Each function returns 0 with *ret, or -EINVAL and leaves it. Blanks around the text are
 * gone already. Source: supervisor's datatypes.py; foster's own durations. */
#ifndef FOSTER_CONF_VALUE_H
#define FOSTER_CONF_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"

/* true yes on 1, false no off 0, in any case. */
int value_bool(const char *text, bool *ret);

/* A decimal number in [min, max]. */
int value_int(const char *text, long min, long max, long *ret);

/* Bytes: a number, with KB, MB or GB (powers of 1024, any case, a blank before is allowed). */
int value_size(const char *text, uint64_t *ret);

/* Seconds: "5", "0.5", or with a unit: "10ms" "5s" "2m" "1h". Whole seconds alone if whole. */
int value_seconds(const char *text, bool whole, double *ret);

/* A decimal number in [0, 1]. */
int value_fraction(const char *text, double *ret);

/* Octal digits, "0o" before them is allowed; at most 07777. */
int value_octal(const char *text, int *ret);

/* true yes on 1, false no off 0, unexpected. */
int value_autorestart(const char *text, enum conf_autorestart *ret);

/* A bit for each of the statuses 0..255 in a list with commas; empty: none. */
int value_exitcodes(const char *text, uint8_t ret[32]);

/* critical error warn info debug trace blather, in any case, as LOG_… of syslog(3). */
int value_loglevel(const char *text, int *ret);

/* N/SECONDS. */
int value_give_up(const char *text, unsigned *ret_count, double *ret_secs);

/* The place of text among the n words, in any case. */
int value_word(const char *text, const char *const *words, unsigned n, unsigned *ret);

/* Where a child's output goes; CONF_LOG_FILE for what is none of the special words. */
enum conf_log_kind value_log_kind(const char *text);

#endif
