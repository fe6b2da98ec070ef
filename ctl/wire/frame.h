/* frame.h - bytes to messages
 *
 * Varlink ends every message by one NUL byte. A frame gathers one message from pieces of any size
 * and stops at its end, so that what follows belongs to the next one. A message that arrives whole
 * is handed out where it lies; only a part of one is stored, and the store is given back with the
 * message. Pure: no system call.
 *
 * Source: https://varlink.org/Method-Call (messages are separated by a single NUL byte). */
#ifndef FOSTER_WIRE_FRAME_H
#define FOSTER_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/base/buf.h"

struct frame {
	struct buf part; /* the beginning of an unfinished message, or one that frame_add() gave */
	size_t limit; /* bytes of a message without its NUL; set by the owner */
	bool given; /* part was handed out: drop it before the next piece */
};

/* How many of data's bytes belong to the message that is under way: all, or those up to and
 * including the first NUL. */
size_t frame_span(const char *data, size_t len);

/* Take the next piece, of which only frame_span() bytes are used. Returns 1 when that ended a
 * message: it is *ret_text with *ret_len bytes, NUL after them, valid until the next call here or
 * until data changes. Returns 0 when more is needed, -EMSGSIZE when the message is longer than
 * limit, or -ENOMEM. */
int frame_add(struct frame *f, const char *data, size_t len, const char **ret_text,
	      size_t *ret_len);

/* Whether a message has begun and not ended: an end of file now cuts it off. */
bool frame_partial(const struct frame *f);

/* Give back the memory; the frame is empty and usable, its limit kept. */
void frame_done(struct frame *f);

#endif
