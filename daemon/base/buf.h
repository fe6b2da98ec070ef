/* buf.h - a growing byte buffer that remembers failure
 *
 * Appending never needs a check of its own: the first allocation that fails sets ->err, later
 * appends do nothing, and the caller looks once, at the end (buf_error()). The content is always
 * followed by a NUL byte that len does not count. A zeroed struct is an empty buffer. */
#ifndef FOSTER_BASE_BUF_H
#define FOSTER_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data; /* owned; NULL while nothing was appended */
	size_t len; /* bytes in use */
	size_t capacity; /* bytes allocated, the final NUL included */
	int err; /* 0 or -ENOMEM */
};

#define auto_buf __attribute__((cleanup(buf_done)))

void buf_done(struct buf *b);

/* Make room for more bytes beyond len. Returns 0 or -ENOMEM (also kept in err). */
int buf_reserve(struct buf *b, size_t more);

void buf_add(struct buf *b, const void *data, size_t len);
void buf_add_str(struct buf *b, const char *s);
void buf_add_char(struct buf *b, char c);

/* s and the NUL byte that ends it: the form of argument lists in messages. */
void buf_add_strz(struct buf *b, const char *s);

void buf_addf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vaddf(struct buf *b, const char *format, va_list ap);

/* Drop the first n bytes (n <= len); the rest moves to the front. */
void buf_consume(struct buf *b, size_t n);

/* Forget the content; keeps the allocation and clears err. */
void buf_clear(struct buf *b);

/* 0, or -ENOMEM when an append failed. */
int buf_error(const struct buf *b);

/* The content as a string of the caller's (free()), "" when empty; NULL when an append failed.
 * The buffer is empty afterwards. */
char *buf_take_str(struct buf *b);

#endif
